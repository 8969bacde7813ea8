package facts

// Concern is something that is wrong with a cluster, or soon will be, though it
// can run work.
type Concern struct {
	// Reason in CamelCase.
	Reason string
	// Message says what to do.
	Message string
}
