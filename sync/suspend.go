package syncer

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// MarkSuspend as an annotation of a Placement or a label of a
// PhysicalCluster, stops all writes to clusters for what the Placement covers,
// or to that cluster: copies are neither made nor changed nor deleted, and what
// waits is told in the condition Synced, reason Suspended. Statuses still come
// up. Any value but "false" suspends. Deletions wait, too.
const MarkSuspend = "tmc-sdk.dev/suspend"

// ObserveOnly starts the loop suspended: it watches, decides, and writes
// nothing at all, neither to workspaces nor to clusters. Plan tells what it
// would do, and Resume lets it. Meant for the first start of an installation,
// or of a new version, next to work that must not be harmed.
func ObserveOnly() Option {
	return func(o *options) { o.observeOnly = true }
}

// Suspend stops all writes of the loop, at once but for calls under way.
func (l *Loop) Suspend() { l.suspended.Store(true) }

// Suspended says whether the loop is suspended as a whole.
func (l *Loop) Suspended() bool { return l.suspended.Load() }

// Resume ends Suspend or ObserveOnly. Everything that waited is looked at again.
func (l *Loop) Resume(ctx context.Context) {
	if !l.suspended.CompareAndSwap(true, false) {
		return
	}
	namespaces := l.decisions.namespaces()
	if l.opts.decider != nil {
		namespaces = l.everywhere()
	}
	for _, ns := range namespaces {
		l.enqueueNamespace(ns, true)
	}
	for _, lane := range l.allLanes() {
		lane.enqueueCopies(ctx)
		if lane.knowsAll() {
			lane.tidyAll(ctx)
		}
	}
}

// enqueueCopies asks for the originals of everything that is on the cluster.
func (l *lane) enqueueCopies(ctx context.Context) {
	for _, kind := range l.loop.kinds() {
		for _, key := range l.allCopies(ctx, kind) {
			l.loop.enqueue(key, true)
		}
	}
}

// suspension says what stops writes to a cluster for an original, by name;
// empty if nothing does.
func (l *Loop) suspension(cluster string, p *v1alpha1.Placement) string {
	if l.Suspended() {
		return "the installation"
	}
	if state, ok := l.fleet.Snapshot().Lookup(cluster); ok && suspends(state.Labels) {
		return "cluster " + cluster
	}
	if p != nil && suspends(p.Annotations) {
		return "Placement " + p.Name
	}
	return ""
}

func suspends(marks map[string]string) bool {
	v, ok := marks[MarkSuspend]
	return ok && v != "false"
}

// withhold turns what is to be done into what waits, where that is suspended.
func (l *Loop) withhold(todo intent, cluster string, p *v1alpha1.Placement) intent {
	if todo.action == nothing {
		return todo
	}
	by := l.suspension(cluster, p)
	if by == "" {
		return todo
	}
	would := string(ActionDeleted)
	if todo.action == apply {
		would = string(todo.does())
	}
	return intent{copied: todo.copied, refusal: &RefusalError{
		Reason: ReasonSuspended, Cluster: cluster, Message: by + " is suspended; when it is resumed, the copy is " + would,
	}}
}

// retirementSuspended says what holds back the deletion of the copy of an
// original that is deleting, or of which the cache shows nothing.
func (l *Loop) retirementSuspended(cluster string, key Key, original *unstructured.Unstructured) string {
	var p *v1alpha1.Placement
	if original != nil && l.placementsKnown(key) {
		p = l.decisions.covering(key.namespace(), original)
	}
	return l.suspension(cluster, p)
}

// resumed says whether a cluster was suspended and is no longer.
func resumed(before, now *tmccluster.State) bool {
	return suspends(before.Labels) && !suspends(now.Labels)
}
