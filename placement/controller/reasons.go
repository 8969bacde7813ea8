package controller

// Reasons of the controller, beside those of the condition Placed in
// v1alpha1.
const (
	// ReasonSuspended, of the condition Placed: the Placement is suspended and
	// was never decided.
	ReasonSuspended = "Suspended"
	// ReasonDryRun, of the condition Placed: the Placement is a dry run and was
	// never decided.
	ReasonDryRun = "DryRun"
	// ReasonNotCovered, of an event on a workload: no Placement covers it and
	// none can be created by default.
	ReasonNotCovered = "NotCovered"
	// ReasonDecisionFailed, of an event on a Placement: the engine returned an
	// error; the decision stays.
	ReasonDecisionFailed = "DecisionFailed"
)
