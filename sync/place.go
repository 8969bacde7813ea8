package syncer

import (
	"context"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	"github.com/tmc-sdk/tmc/transform"
)

// assignment is where an original goes.
type assignment struct {
	// placement that decided; nil for a related object, which follows others.
	placement *v1alpha1.Placement
	// targets by cluster.
	targets map[string]v1alpha1.Target
	// replicas of the original on each target; nil where they are not divided.
	replicas map[string]int32
	// division of other wholes, such as the bounds of an autoscaler, on each
	// target; nil where nothing is divided.
	division map[string]*transform.Division
	// partial says that there may be more targets: not all is known of what needs a
	// related object. Nothing is to go for that.
	partial bool
	// refusal says why there are no targets, where that is decided.
	refusal *RefusalError
	// again is when to look again for a refusal that nothing else tells the end of;
	// zero for never.
	again time.Duration
	// staged says which targets may get a changed template now, where the
	// Placement has a rollout; nil until somebody asks.
	staged *staged
}

// names says whether the cluster is a target in good standing.
func (a *assignment) names(cluster string) bool {
	t, ok := a.targets[cluster]
	return ok && !t.Leaving
}

// leaving says whether the cluster is a target on its way out.
func (a *assignment) leaving(cluster string) bool { return a.targets[cluster].Leaving }

// clusters returns the targets in good standing, sorted.
func (a *assignment) clusters() []string {
	names := make([]string, 0, len(a.targets))
	for name, t := range a.targets {
		if !t.Leaving {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// place is the first of the five steps: it reads where the original goes. The
// decision was made and recorded by the placement controller, or is a Decider's. errUnknown means
// that there is none to act on yet.
func (l *Loop) place(ctx context.Context, key Key, original *unstructured.Unstructured) (*assignment, error) {
	if isShown(original) {
		return nil, errUnknown // it came up from a cluster, and never goes down
	}
	if l.isRelated(key.Kind) {
		return l.placeRelated(ctx, key)
	}
	if l.opts.decider != nil {
		return l.decided(original)
	}
	if !l.placementsKnown(key) {
		return nil, errUnknown
	}
	p := l.decisions.covering(key.namespace(), original)
	if p == nil {
		return nil, errUnknown
	}
	return assign(p, original)
}

func (l *Loop) placementsKnown(key Key) bool {
	kind := placementKind
	if key.Namespace == "" {
		kind = clusterPlacementKind
	}
	return l.watcher.Synced(key.Workspace, kind)
}

// assign reads the decision of a Placement for one object.
func assign(p *v1alpha1.Placement, original *unstructured.Unstructured) (*assignment, error) {
	a := &assignment{placement: p, targets: make(map[string]v1alpha1.Target, len(p.Status.Targets))}
	staying := make([]v1alpha1.Target, 0, len(p.Status.Targets))
	for _, t := range p.Status.Targets {
		a.targets[t.Cluster] = t
		if !t.Leaving {
			staying = append(staying, t)
		}
	}
	if len(staying) == 0 {
		placed := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionPlaced)
		if placed == nil || placed.Status != metav1.ConditionFalse {
			if len(a.targets) == 0 {
				return nil, errUnknown // not decided yet
			}
			return a, nil
		}
		a.refusal = &RefusalError{Reason: ReasonNotPlaced, Message: "Placement " + p.Name + ": " + placed.Message}
		return a, nil
	}
	if replicas, ok := replicasOf(original); ok {
		a.replicas = divide(replicas, p, original, staying)
	}
	a.division = divisions(staying)
	return a, nil
}

// divide divides the replicas of an object, no more of them than a quota grants.
func divide(replicas int32, p *v1alpha1.Placement, original *unstructured.Unstructured, targets []v1alpha1.Target) map[string]int32 {
	granted := p.Status.Granted.Of(original.GroupVersionKind().GroupKind(), original.GetName(), replicas)
	parts := placement.Divide(granted, targets)
	if parts != nil || granted == replicas {
		return parts
	}
	parts = make(map[string]int32, len(targets))
	for _, t := range targets {
		parts[t.Cluster] = granted
	}
	return parts
}

// divisions returns which part of a whole falls to each target; nil if no target
// has a share. As in placement.Divide, one without gets nothing then, and shares
// that are all zero are equal.
func divisions(targets []v1alpha1.Target) map[string]*transform.Division {
	if !slices.ContainsFunc(targets, func(t v1alpha1.Target) bool { return t.Share != nil }) {
		return nil
	}
	sorted := slices.SortedFunc(slices.Values(targets), func(a, b v1alpha1.Target) int { return strings.Compare(a.Cluster, b.Cluster) })
	shares, sum := make([]int64, len(sorted)), int64(0)
	for i, t := range sorted {
		if t.Share != nil {
			shares[i] = max(*t.Share, 0)
		}
		sum += shares[i]
	}
	if sum == 0 {
		for i := range shares {
			shares[i] = 1
		}
	}
	parts := make(map[string]*transform.Division, len(sorted))
	for i, t := range sorted {
		parts[t.Cluster] = &transform.Division{Shares: shares, Own: i}
	}
	return parts
}

// replicasOf returns spec.replicas where the object has it.
func replicasOf(obj *unstructured.Unstructured) (int32, bool) {
	n, ok := number(at(obj.Object, "spec")["replicas"])
	return int32(n), ok
}

// placeRelated sends an object wherever the objects go that need it: that mention
// it, or something that does. One that is being deleted still counts while it is
// there: what it needs goes last.
func (l *Loop) placeRelated(ctx context.Context, key Key) (*assignment, error) {
	a := &assignment{targets: map[string]v1alpha1.Target{}}
	users, err := l.usersOf(ctx, key)
	if err != nil && len(users) == 0 {
		return nil, err
	}
	if a.partial = err != nil; a.partial {
		a.again = time.Minute // no event tells that a kind of which there is nothing is known
	}
	for i := range users {
		user := keyFor(key.Workspace, &users[i])
		if !l.placementsKnown(user) {
			return nil, errUnknown
		}
		p := l.decisions.covering(user.namespace(), &users[i])
		if p == nil {
			return nil, errUnknown
		}
		for _, t := range p.Status.Targets {
			// Where the user is leaving, the object stays until the target is
			// dropped, which is after the user's copy is gone.
			a.targets[t.Cluster] = v1alpha1.Target{Cluster: t.Cluster}
		}
	}
	return a, nil
}
