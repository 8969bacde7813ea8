package syncer

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	"github.com/tmc-sdk/tmc/transform"
)

// action is what a cluster should be asked to do for an original.
type action int

const (
	nothing action = iota // nothing
	apply                 // make the copy what was rendered
	retire                // delete the copy
)

// intent is what to do for one original on one cluster, and with what.
type intent struct {
	action   action
	rendered *unstructured.Unstructured // for apply
	copied   *unstructured.Unstructured // as it is in the cache; nil for none
	refusal  *RefusalError              // it can't be rendered
	awaited  bool                       // it was written, and the cache does not show it yet
	staged   bool                       // a rollout keeps it at the template that it has
	differs  bool                       // the cluster changed it in the write, and so it stays
	digest   string
	cause    Cause  // of an apply
	decided  string // name of the Placement that decided
	steps    *steps // when it came to be so; of a write that is carried out
}

// triedBefore says whether the intent was tried and refused, in which case the
// lane tries it again by itself, later and later.
func (i intent) triedBefore(o outcome) bool {
	switch i.action {
	case apply:
		return o.refusal != nil && !o.retiring && o.digest == i.digest && o.refusal.Reason != ReasonRecreated
	case retire:
		return o.refusal != nil && o.retiring
	case nothing:
	}
	return false
}

// rank says before what the intent is carried out: what frees a cluster, and lets a
// tenant's deletion end, goes before what else the tenant waits for.
func (i intent) rank() rank {
	if i.action == retire {
		return rankFirst
	}
	return rankPrompt
}

// intend decides, from caches alone, what is to be done for an original on a
// cluster. The loop asks so that it makes no errand in vain; the lane asks
// again right before it acts.
func (l *Loop) intend(ctx context.Context, lane *lane, key Key, original *unstructured.Unstructured, where *assignment) intent {
	return l.withhold(l.decide(ctx, lane, key, original, where), lane.name, where.placement)
}

// decide is intend, whatever is suspended.
func (l *Loop) decide(ctx context.Context, lane *lane, key Key, original *unstructured.Unstructured, where *assignment) intent {
	if lane.unserved(key.Kind) {
		if !where.names(lane.name) {
			return intent{}
		}
		served := l.pipeline.KindsOn(key.Kind)[0]
		return intent{refusal: &RefusalError{Reason: ReasonClusterUnavailable, Cluster: lane.name, Message: "the cluster does not serve " + served.GroupVersion().String() + " " + served.Kind}}
	}
	copied, err := lane.copyOf(ctx, key)
	if err != nil {
		return intent{} // the lane asks again when it knows its copies
	}
	switch {
	case l.follows(StrategyObserveOnly, key.Kind) && where.names(lane.name):
		return observed(lane.name, copied)
	case l.follows(StrategyObserveOnly, key.Kind):
		return intent{copied: copied}
	case where.names(lane.name):
		if refusal := lane.otherVersion(key.Kind); refusal != nil {
			return intent{copied: copied, refusal: refusal}
		}
		return l.intendCopy(ctx, lane, key, original, where, copied)
	case copied == nil:
		return intent{}
	case where.leaving(lane.name):
		if !l.mayLeave(ctx, key, original.GetUID(), where) {
			return intent{copied: copied}
		}
	case where.partial, where.refusal == nil && len(where.targets) == 0 && !l.isRelated(key.Kind):
		return intent{copied: copied}
	}
	return intent{action: retire, copied: copied}
}

// intendCopy decides for a target in good standing.
func (l *Loop) intendCopy(ctx context.Context, lane *lane, key Key, original *unstructured.Unstructured, where *assignment, copied *unstructured.Unstructured) intent {
	if l.breaksFirst(where) && l.anyLeft(ctx, key, where) {
		return intent{copied: copied} // the old copies go first
	}
	rendered, refusal := l.render(ctx, lane.name, key, original, where)
	if refusal != nil && errors.Is(refusal, errUnknown) {
		return intent{copied: copied} // it is asked again when the copies of owners are known
	}
	if refusal != nil {
		return intent{copied: copied, refusal: refusal}
	}
	l.markTemplate(ctx, lane.name, key, original, where, copied, rendered)
	if l.keepsTemplate(ctx, lane.name, key, original, where, copied) {
		return l.intendKept(lane, key, where, copied, rendered)
	}
	todo := intent{action: apply, rendered: rendered, copied: copied, digest: digestOf(rendered)}
	todo.cause = causeOf(todo.digest, copied, lane.outcome(key))
	if where.placement != nil {
		todo.decided = where.placement.Name
	}
	if lane.outcome(key).underWay(todo.digest, copied, l.world.now()) {
		return intent{copied: copied, awaited: true}
	}
	if copied == nil {
		return todo
	}
	marks, _ := transform.ReadMarks(copied)
	switch {
	case marks.UID != original.GetUID():
		todo.action = retire // it belongs to an original of the same name that is gone
	case copied.GetDeletionTimestamp() != nil:
		todo.action = nothing // its going is told of, and then it is made anew
	case l.follows(StrategyCreateOnly, key.Kind):
		todo.action = nothing
	default:
		var current bool
		if current, todo.differs = lane.upToDate(key, rendered, copied); current {
			todo.action = nothing
		}
	}
	return todo
}

// causeOf says why a copy is applied.
func causeOf(digest string, copied *unstructured.Unstructured, last outcome) Cause {
	switch {
	case copied == nil && last.seen && last.digest == digest:
		return CauseDrift // it was there, and somebody deleted it
	case copied == nil:
		return CausePlaced
	case digestOf(copied) == digest:
		return CauseDrift
	}
	return CauseChanged
}

// upToDate says whether a copy is what was rendered, without asking the server, and
// whether it differs all the same: the cluster changed it in the write itself, and
// would again.
func (l *lane) upToDate(key Key, rendered, copied *unstructured.Unstructured) (current, differs bool) {
	if digestOf(rendered) != digestOf(copied) {
		return false, false
	}
	if !drifted(rendered.Object, copied.Object) {
		return true, false
	}
	o := l.outcome(key)
	changed := o.fields != "" && o.digest == digestOf(rendered) && o.fields == fieldsOf(copied, l.loop.manager)
	return changed, changed
}

// render is the second of the five steps: what goes to a cluster, as a pure
// function of the original and the target.
func (l *Loop) render(ctx context.Context, cluster string, key Key, original *unstructured.Unstructured, where *assignment) (*unstructured.Unstructured, *RefusalError) {
	state, ok := l.fleet.Snapshot().Lookup(cluster)
	if !ok {
		return nil, &RefusalError{Reason: ReasonClusterUnavailable, Cluster: cluster, Message: "the cluster has left the fleet; a new decision follows"}
	}
	target := targetOf(state)
	if lane := l.lane(cluster); lane != nil {
		target.Kind = lane.mapped(key.Kind)
	}
	if n, ok := where.replicas[cluster]; ok {
		target.Replicas = &n
	}
	if where.placement != nil {
		overrides, err := overridesFor(where.placement, state, original, anyOverride)
		if err != nil {
			return nil, &RefusalError{Reason: ReasonTransformFailed, Cluster: cluster, Message: err.Error(), Err: err}
		}
		target.Overrides = overrides
	}
	target.Division = where.division[cluster]
	if lane := l.lane(cluster); lane != nil {
		owners, err := l.ownersOn(ctx, lane, key, original)
		if err != nil {
			return nil, &RefusalError{Reason: ReasonClusterUnavailable, Cluster: cluster, Message: "whether the copies of its owners are there is not known yet; it is looked at again", Err: err}
		}
		target.Owners = owners
	}
	rendered, err := l.renderings.Render(ctx, target, original, key.origin(original.GetUID()))
	if err != nil {
		return nil, &RefusalError{Reason: ReasonTransformFailed, Cluster: cluster, Message: err.Error(), Err: err}
	}
	return rendered, nil
}

// targetOf shows transformers what they may know of a cluster.
func targetOf(s *tmccluster.State) *transform.Target {
	properties := make(map[string]string, len(s.Properties))
	for name, p := range s.Properties {
		properties[name] = p.Text
	}
	return &transform.Target{
		Cluster: s.Name, Labels: s.Labels, Region: s.Region, Zone: s.Zone, Provider: s.Provider,
		Version: s.Version, Properties: properties,
	}
}

// mayLeave says whether a copy may go from a cluster that it is leaving: every
// target in good standing holds a healthy copy of this very original, not of an
// earlier one of its name, or the policy says to break before making.
func (l *Loop) mayLeave(ctx context.Context, key Key, uid types.UID, where *assignment) bool {
	if l.breaksFirst(where) {
		return true
	}
	staying := where.clusters()
	for _, name := range staying {
		lane := l.lane(name)
		if lane == nil {
			return false
		}
		copied, err := lane.copyOf(ctx, key)
		if err != nil || copied == nil || copied.GetDeletionTimestamp() != nil {
			return false
		}
		if marks, _ := transform.ReadMarks(copied); marks.UID != uid {
			return false // a cache that is behind
		}
		if health, _ := l.rules.Health(copied); health != transform.Healthy {
			return false
		}
	}
	return len(staying) > 0
}

func (l *Loop) breaksFirst(where *assignment) bool {
	return where.placement != nil && where.placement.Spec.Moves != nil &&
		where.placement.Spec.Moves.Type == v1alpha1.MoveBreakBeforeMake
}

// anyLeft says whether a copy is left, or may be, on a cluster that it leaves.
func (l *Loop) anyLeft(ctx context.Context, key Key, where *assignment) bool {
	for name, t := range where.targets {
		if !t.Leaving {
			continue
		}
		lane := l.lane(name)
		if lane == nil {
			continue // the cluster has left the fleet
		}
		copied, err := lane.copyOf(ctx, key)
		if errors.Is(err, errUnknown) || copied != nil {
			return true
		}
	}
	return false
}

// underWay says whether a rendering was written and the cache still shows what
// was there before.
func (o outcome) underWay(digest string, copied *unstructured.Unstructured, now time.Time) bool {
	if o.refusal != nil || o.digest != digest || now.Sub(o.at) >= requestTimeout {
		return false
	}
	if copied == nil {
		return o.replaced == "" && !o.seen
	}
	return o.replaced == copied.GetResourceVersion()
}

// goneFor says whether the lane has seen, live, that no copy of the original
// with this UID is left.
func (o outcome) goneFor(uid types.UID) bool { return o.gone != "" && o.gone == uid }
