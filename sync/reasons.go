package syncer

import (
	"fmt"
)

// Conditions that the loop writes on an original, where its schema has them.
const (
	// ConditionSynced says whether every target holds the copy that the
	// original asks for.
	ConditionSynced = "Synced"
	// ConditionHealthy says whether the copies work, by the rules of kstatus.
	ConditionHealthy = "Healthy"
)

// Reasons of the conditions and events on an original. The set is closed.
const (
	// ReasonSynced: every target holds the copy.
	ReasonSynced = "Synced"
	// ReasonOverruled: every target holds the copy, but for fields that a cluster
	// changed in the write itself, as its admission does; Synced is True, and its
	// message names them.
	ReasonOverruled = "Overruled"
	// ReasonNotPlaced: no decision names a cluster; the Placement says why.
	ReasonNotPlaced = "NotPlaced"
	// ReasonConflict: an object that is not ours stands where a copy would go.
	ReasonConflict = "Conflict"
	// ReasonTransformFailed: the copy could not be rendered.
	ReasonTransformFailed = "TransformFailed"
	// ReasonRefused: the cluster's API server refused the copy as invalid or
	// forbidden.
	ReasonRefused = "Refused"
	// ReasonSchemaMismatch: the copy has a field that its kind does not have on the
	// cluster, or another sort of value there, as an override may put it: who wrote
	// it takes it out. It is tried again every ten minutes.
	ReasonSchemaMismatch = "SchemaMismatch"
	// ReasonClaimRejected: the workspace's APIBinding does not accept a permission
	// claim, so that what the original mentions can't be seen.
	ReasonClaimRejected = "ClaimRejected"
	// ReasonUnmentioned: nothing that is placed needs the related object any more. Only
	// where such an object has a status, as a claim of a volume.
	ReasonUnmentioned = "Unmentioned"
	// ReasonVetoed: a gate of the platform does not let the change pass.
	ReasonVetoed = "Vetoed"
	// ReasonSuspended: the installation, the cluster or the Placement is
	// suspended, and a change waits for that to end.
	ReasonSuspended = "Suspended"
	// ReasonContested: somebody on the cluster changes a field of the copy again
	// and again.
	ReasonContested = "Contested"
	// ReasonRecreated: the copy was deleted to be made anew, since a field of it
	// can't be changed.
	ReasonRecreated = "Recreated"
	// ReasonClusterUnavailable: the cluster does not answer, or does not serve
	// the kind.
	ReasonClusterUnavailable = "ClusterUnavailable"
	// ReasonVersionNotServed: the cluster serves the kind, but in no version that
	// the copy may be written in.
	ReasonVersionNotServed = "VersionNotServed"
	// ReasonApplyFailed: the copy could not be applied for another cause; it
	// is tried again.
	ReasonApplyFailed = "ApplyFailed"
	// ReasonRolloutProgressing: a changed template is on its way from cluster to
	// cluster.
	ReasonRolloutProgressing = "RolloutProgressing"
	// ReasonRolloutPaused: the rollout of a changed template waits for somebody to
	// let it go on.
	ReasonRolloutPaused = "RolloutPaused"
	// ReasonRolloutStopped: a changed template did no good on a cluster and goes no
	// further.
	ReasonRolloutStopped = "RolloutStopped"
	// ReasonDeleting: the original is being deleted and copies remain.
	ReasonDeleting = "Deleting"
	// ReasonOrphaned: the original was deleted and its copy stays on a cluster, as
	// was asked for.
	ReasonOrphaned = "Orphaned"
	// ReasonReleased: the original was let go though a copy may remain on a
	// cluster that is lost.
	ReasonReleased = "Released"
	// ReasonNotAllShown: more was born on clusters than a namespace may show
	// (UpsyncMost). An event on its Placement.
	ReasonNotAllShown = "NotAllShown"
	// ReasonHealthy: every copy is healthy.
	ReasonHealthy = "Healthy"
	// ReasonProgressing: a copy is on its way to health.
	ReasonProgressing = "Progressing"
	// ReasonStalled: a copy has been on its way to health for too long.
	ReasonStalled = "Stalled"
	// ReasonDegraded: a copy has failed.
	ReasonDegraded = "Degraded"
	// ReasonUnknown: the health of a copy is not known.
	ReasonUnknown = "Unknown"
)

// RefusalError says that a copy is not as the original asks, why, and what to do.
type RefusalError struct {
	// Reason from the closed set of this package.
	Reason string
	// Cluster that the refusal is about; empty for all.
	Cluster string
	// Message is a sentence for the owner of the original.
	Message string
	// Err is the cause; it may be nil.
	Err error
}

// Error implements error.
func (r *RefusalError) Error() string {
	if r.Cluster == "" {
		return fmt.Sprintf("%s: %s", r.Reason, r.Message)
	}
	return fmt.Sprintf("%s on %s: %s", r.Reason, r.Cluster, r.Message)
}

// Unwrap returns the cause.
func (r *RefusalError) Unwrap() error { return r.Err }
