package syncer

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
)

// The loop of a hub sends the work of a cluster in pull mode to its mailbox as it
// does to any cluster: the lane's connection leads there (cluster.State.Pull).
// What differs is here.

// AgentInstallation returns the id that the loops of agents have as their
// installation, whose mailboxes are written by the given one. It is part of the
// marks of copies on clusters in pull mode.
func AgentInstallation(hub string) string { return hub + "-agent" }

// FinalizerOf returns the finalizer that the loop of an installation puts on
// originals.
func FinalizerOf(installation string) string { return "tmc-sdk.dev/copies-" + installation }

// answers says whether what the lane of a cluster reaches can be asked: a mailbox
// can, though its cluster's agent is not heard of.
func answers(s *tmccluster.State) bool { return s.Reachable || s.Pull }

// pulls says whether what the lane reaches is a mailbox.
func (l *lane) pulls() bool {
	state, ok := l.loop.fleet.Snapshot().Lookup(l.name)
	return ok && state.Pull
}

// complete adds to a rendering what only a mailbox needs: the finalizer that the
// agent would put there before it makes its copy. So it costs no write of its own,
// and a copy in a mailbox is gone only when the agent has seen its own to be gone.
// The rendering is not changed.
func (l *lane) complete(rendered *unstructured.Unstructured) *unstructured.Unstructured {
	if !l.pulls() {
		return rendered
	}
	rendered = rendered.DeepCopy()
	rendered.SetFinalizers([]string{FinalizerOf(AgentInstallation(l.loop.installation))})
	return rendered
}

// refusedBelow are the reasons that an agent may give.
var refusedBelow = []string{
	ReasonConflict, ReasonTransformFailed, ReasonRefused, ReasonSchemaMismatch, ReasonVetoed, ReasonSuspended, ReasonContested,
	ReasonRecreated, ReasonClusterUnavailable, ReasonApplyFailed, ReasonDeleting,
}

// told is what the agent says of a copy in its mailbox: a refusal of the cluster,
// or that it has not taken the copy up yet. Of kinds without conditions nothing
// is told here.
func (l *lane) told(copied *unstructured.Unstructured) (refusal *RefusalError, pending bool) {
	if copied == nil || !l.pulls() || !l.loop.hasConditions(copied.GroupVersionKind().GroupKind()) {
		return nil, false
	}
	conditions := elements(at(copied.Object, "status")["conditions"])
	i := slices.IndexFunc(conditions, func(c map[string]any) bool { return c["type"] == ConditionSynced })
	if i < 0 {
		return nil, true
	}
	if conditions[i]["status"] != string(metav1.ConditionFalse) {
		return nil, false
	}
	reason, _ := conditions[i]["reason"].(string)
	message, _ := conditions[i]["message"].(string)
	if !slices.Contains(refusedBelow, reason) {
		reason = ReasonApplyFailed // an agent of another version, or a hostile one
	}
	return &RefusalError{Reason: reason, Cluster: l.name, Message: clip(strings.TrimPrefix(message, l.name+": "))}, false
}
