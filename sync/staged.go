package syncer

import (
	"context"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	"github.com/tmc-sdk/tmc/transform"
)

// staged is what the rollout of an original comes to.
type staged struct {
	stages
	placement string
}

// rolloutOf returns how a changed template spreads: as the layers of the platform
// make it, else as the Placement says; nil for to all at once.
func rolloutOf(p *v1alpha1.Placement) *v1alpha1.Rollout {
	if p == nil {
		return nil
	}
	own, effective := p.Spec.Rollout, p.Status.Rollout
	if effective == nil {
		return own
	}
	if own != nil && own.Paused && !effective.Paused { // it counts before the controller has seen it
		stopped := *effective
		stopped.Paused = true
		return &stopped
	}
	return effective
}

// keepsTemplate says whether the rollout of an original keeps a copy that is there
// at the template that it has.
func (l *Loop) keepsTemplate(ctx context.Context, cluster string, key Key, original *unstructured.Unstructured, where *assignment, copied *unstructured.Unstructured) bool {
	r := rolloutOf(where.placement)
	if r == nil || copied == nil || copied.GetDeletionTimestamp() != nil || l.follows(StrategyCreateOnly, key.Kind) {
		return false
	}
	if marks, _ := transform.ReadMarks(copied); marks.UID != original.GetUID() {
		return false
	}
	state, ok := l.fleet.Snapshot().Lookup(cluster)
	if !ok {
		return false // refused already
	}
	if has, err := l.templateOn(ctx, state, key, original, where, copied); err != nil || has == templateNew {
		return false
	}
	return !slices.Contains(l.stage(ctx, key, original, where, r).may, cluster)
}

// stage looks at all targets of an original, once for an assignment.
func (l *Loop) stage(ctx context.Context, key Key, original *unstructured.Unstructured, where *assignment, r *v1alpha1.Rollout) *staged {
	if where.staged != nil {
		return where.staged
	}
	clusters := where.clusters()
	targets := make([]stagedTarget, 0, len(clusters))
	for _, name := range clusters {
		targets = append(targets, l.stagedTarget(ctx, name, key, original, where, r))
	}
	where.staged = &staged{stages: roll(r, targets, l.world.now()), placement: where.placement.Name}
	return where.staged
}

// stagedTarget says what is seen of one target. What is not known of it is taken
// for a cluster that does not answer: it is waited for.
func (l *Loop) stagedTarget(ctx context.Context, name string, key Key, original *unstructured.Unstructured, where *assignment, r *v1alpha1.Rollout) stagedTarget {
	t := stagedTarget{cluster: name, wave: len(r.Waves), has: templateOld, health: transform.HealthUnknown}
	state, ok := l.fleet.Snapshot().Lookup(name)
	lane := l.lane(name)
	if !ok || lane == nil {
		t.silent = true
		return t
	}
	t.silent = !state.Reachable
	for i := range r.Waves {
		if matches, err := placement.Matches(&r.Waves[i].Clusters, state); err == nil && matches {
			t.wave = i
			break
		}
	}
	copied, err := lane.copyOf(ctx, key)
	if err != nil {
		t.silent = true
		return t
	}
	if copied == nil {
		t.has = templateNone
		return t
	}
	if marks, _ := transform.ReadMarks(copied); marks.UID != original.GetUID() || copied.GetDeletionTimestamp() != nil {
		t.has = templateNone // it goes, and is made anew
		return t
	}
	t.health, t.message = l.rules.Health(copied)
	t.since = lastWritten(copied, l.manager)
	if t.has, err = l.templateOn(ctx, state, key, original, where, copied); err != nil {
		t.stuck = true
	}
	return t
}

// templateOn says which template a copy has.
func (l *Loop) templateOn(ctx context.Context, state *tmccluster.State, key Key, original *unstructured.Unstructured, where *assignment, copied *unstructured.Unstructured) (template, error) {
	newest, err := l.templateDigest(ctx, state, key, original, where)
	if err != nil {
		return templateOld, err
	}
	if has := templateDigestOf(copied); has != "" {
		if has == newest {
			return templateNew, nil
		}
		return templateOld, nil
	}
	// It was written before there was a rollout.
	rendered, refusal := l.render(ctx, state.Name, key, original, where)
	if refusal != nil {
		return templateOld, refusal
	}
	if digestOf(rendered) == digestOf(copied) || !drifted(l.withoutReplicas(rendered), copied.Object) {
		return templateNew, nil
	}
	return templateOld, nil
}

// lastWritten is when we last changed a copy, as its server says.
func lastWritten(copied *unstructured.Unstructured, manager string) time.Time {
	for _, entry := range copied.GetManagedFields() {
		if entry.Manager == manager && entry.Operation == metav1.ManagedFieldsOperationApply && entry.Subresource == "" && entry.Time != nil {
			return entry.Time.Time
		}
	}
	return copied.GetCreationTimestamp().Time
}

// refusal tells the owner why some copies are not what the original says.
func (s *staged) refusal() *RefusalError {
	if s == nil || s.reason == "" {
		return nil
	}
	return &RefusalError{Reason: s.reason, Message: "Placement " + s.placement + ": " + s.message}
}

// sooner returns when to look again, for the rollout or for something else.
func (s *staged) sooner(other time.Duration) time.Duration {
	if s == nil {
		return other
	}
	return earlier(other, s.again)
}

// tellRollout puts what a rollout comes to among the refusals: first where it
// stopped, and else after what has to be seen to.
func (s *sighting) tellRollout(r *staged) {
	switch refusal := r.refusal(); {
	case refusal == nil:
	case refusal.Reason == ReasonRolloutStopped:
		s.refusals = slices.Insert(s.refusals, 0, refusal)
	default:
		s.refusals = append(s.refusals, refusal)
	}
}
