package controller

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/cluster/workspaces"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

var _ reconcile.TypedReconciler[Key] = (*Controller)(nil)

const (
	// retryUnknown is the pause while objects are not known.
	retryUnknown = 5 * time.Second
	// retryConflict is the pause after a conflict, in case the watch that
	// tells of the cause is late.
	retryConflict = time.Second
)

// Reconcile decides for one Placement: it looks at what the Placement covers,
// decides, asks whether what must move may move now, and records the decision.
func (c *Controller) Reconcile(ctx context.Context, k Key) (reconcile.Result, error) {
	if !c.gate.pass(k) {
		return reconcile.Result{}, nil
	}
	v, err := c.look(ctx, k)
	switch {
	case errors.Is(err, multicluster.ErrClusterNotFound):
		return reconcile.Result{}, nil // unknown, not gone: it is told of again when it is back
	case errors.Is(err, workspaces.ErrNotSynced):
		return reconcile.Result{RequeueAfter: retryUnknown}, nil
	case err != nil:
		return reconcile.Result{}, err
	case v.placement == nil:
		c.forget(k)
		return c.ensureDefault(ctx, k, v)
	case v.placement.DeletionTimestamp != nil:
		c.forget(k)
		return reconcile.Result{}, nil
	case v.placement.ResourceVersion == c.recent.of(k).wrote:
		return reconcile.Result{}, nil // the cache is behind our last write; the watch tells when it is not
	}
	c.tellUncovered(ctx, k, v)

	began := c.traceTime()
	policies, err := c.policies(ctx, k)
	if err != nil {
		return c.failed(ctx, k, v.placement, err)
	}
	q := &question{
		policies:  policies,
		workspace: k.Workspace, placement: v.placement, workloads: v.workloads,
		fleet: c.fleet.Snapshot(), now: c.opts.now(), settle: c.opts.settle,
		retired: c.retired(ctx, k, v.placement), gainSince: c.recent.of(k).gainSince,
	}
	q.evicted = c.preemptions.of(k, q.now)
	q.scheduled, err = c.scheduledFor(ctx, k, v.placement)
	switch {
	case errors.Is(err, workspaces.ErrNotSynced):
		return reconcile.Result{RequeueAfter: retryUnknown}, nil
	case err != nil:
		return reconcile.Result{}, err
	}
	a, err := c.decide(ctx, q)
	if err != nil {
		return c.failed(ctx, k, v.placement, err)
	}
	c.index.set(k, a.interest)
	c.enqueue(false, a.evicts...)
	c.enqueue(true, c.index.amongWaiting(a.concerned)...)
	if !a.gainSince.Equal(q.gainSince) {
		c.recent.update(k, func(m *memory) { m.gainSince = a.gainSince })
	}
	if missed(q.fleet, c.fleet.Snapshot(), a.interest) {
		return reconcile.Result{RequeueAfter: time.Millisecond}, nil
	}
	c.mayMove(ctx, k, q, a)
	a.began = began
	result, err := c.record(ctx, k, v.placement, a)
	if err != nil || result.RequeueAfter == retryConflict {
		return result, err
	}
	return result, c.publish(ctx, k, v.placement, &a.status)
}

// forget has a Placement that is gone count no longer, and wakes those who waited
// for that.
func (c *Controller) forget(k Key) {
	c.index.drop(k)
	c.ledger.release(k.String())
	c.preemptions.drop(k)
	concerned := c.neighbours.drop(k)
	if c.usage.drop(k) {
		concerned = c.index.in(k.Workspace) // there may be room in a quota
	}
	c.enqueue(true, c.index.amongWaiting(concerned)...)
}

// policies asks the layers.
func (c *Controller) policies(ctx context.Context, k Key) ([]named, error) {
	var policies []named
	for _, layer := range c.opts.layers {
		policy, err := layer.Policy(ctx, &Scope{Workspace: k.Workspace, Namespace: k.Namespace, Name: k.Name})
		if err != nil {
			return nil, fmt.Errorf("ask layer %q for its policy: %w", layer.Name(), err)
		}
		if policy != nil {
			policies = append(policies, named{layer.Name(), policy})
		}
	}
	if own := c.workspaceDefaults(ctx, k); own != nil {
		policies = append(policies, named{workspaceLayer, own})
	}
	return policies, nil
}

// failed tells that there is no answer; what is on record stays.
func (c *Controller) failed(ctx context.Context, k Key, p *v1alpha1.Placement, err error) (reconcile.Result, error) {
	c.tell(ctx, k, aboutPlacement(k, p), ReasonDecisionFailed, "The decision failed and is tried again: "+err.Error())
	return reconcile.Result{}, err
}

// tellUncovered tells of work that is left over because a Placement with the
// name of the default covers only some.
func (c *Controller) tellUncovered(ctx context.Context, k Key, v *view) {
	if len(v.uncovered) == 0 {
		return
	}
	c.tell(ctx, k, v.uncovered[0], ReasonNotCovered,
		"No Placement covers the object, and the name of the default is taken by one that selects its resources: write a Placement that covers the object, or rename "+v1alpha1.DefaultName+".")
}

// retired returns the clusters that work was leaving and on which no copy is
// left: those that say so, and those that have left the fleet.
func (c *Controller) retired(ctx context.Context, k Key, p *v1alpha1.Placement) map[string]bool {
	gone := map[string]bool{}
	for _, t := range p.Status.Targets {
		if !t.Leaving || c.opts.copies == nil {
			continue
		}
		n, err := c.opts.copies.Remaining(ctx, k.Workspace, k.NamespacedName, t.Cluster)
		switch {
		case err != nil:
			c.metrics.copies.Inc() // unknown: it stays on record
		case n == 0:
			gone[t.Cluster] = true
		}
	}
	return gone
}

// record writes the answer where it differs from what is on record.
func (c *Controller) record(ctx context.Context, k Key, p *v1alpha1.Placement, a *answer) (reconcile.Result, error) {
	result := reconcile.Result{RequeueAfter: a.again}
	outcome := placed(&a.status)
	refused := outcome != nil && outcome.Status != metav1.ConditionTrue
	switch compareStatus(&p.Status, &a.status) {
	case same:
		return result, nil
	case details:
		if !refused {
			return result, nil
		}
		if wait := c.opts.refresh - c.opts.now().Sub(c.refreshed(k)); wait > 0 {
			result.RequeueAfter = sooner(result.RequeueAfter, wait)
			return result, nil
		}
	case material:
	}
	traced, span := c.traceDecision(ctx, k, p, a)
	err := c.writeStatus(traced, k, p, &a.status)
	endDecision(span, err)
	switch {
	case apierrors.IsNotFound(err), errors.Is(err, multicluster.ErrClusterNotFound):
		return reconcile.Result{}, nil
	case apierrors.IsConflict(err):
		return reconcile.Result{RequeueAfter: retryConflict}, nil
	case err != nil:
		return reconcile.Result{}, err
	}
	c.tellDecided(ctx, k, p, &a.status)
	switch held := meta.FindStatusCondition(a.status.Conditions, ConditionMovesHeld); {
	case refused:
		c.tell(ctx, k, aboutPlacement(k, p), outcome.Reason, outcome.Message)
	case held != nil:
		c.tell(ctx, k, aboutPlacement(k, p), held.Reason, held.Message)
	default:
		c.untell(k)
	}
	return result, nil
}

// aboutPlacement is the Placement as events refer to it.
func aboutPlacement(k Key, p *v1alpha1.Placement) *unstructured.Unstructured {
	about := &unstructured.Unstructured{}
	about.SetGroupVersionKind(k.kind())
	about.SetNamespace(k.Namespace)
	about.SetName(k.Name)
	about.SetUID(p.UID)
	about.SetResourceVersion(p.ResourceVersion)
	return about
}

// refreshed returns when details of a status were last brought up to date, at
// the latest when the controller was made: a restart is no reason to write.
func (c *Controller) refreshed(k Key) time.Time {
	if at := c.recent.of(k).refreshed; !at.IsZero() {
		return at
	}
	return c.born
}

// sooner returns the lesser of two pauses, of which zero is none.
func sooner(a, b time.Duration) time.Duration {
	if a <= 0 || b > 0 && b < a {
		return b
	}
	return a
}
