package controller

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	inventoryv1alpha1 "sigs.k8s.io/cluster-inventory-api/apis/v1alpha1"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// ReasonAwaitingScheduler is a reason of the condition Placed: another scheduler is to
// decide and has not. What is there stays.
const ReasonAwaitingScheduler = "AwaitingScheduler"

var (
	decisionKind     = schema.GroupVersionKind{Group: "multicluster.x-k8s.io", Version: "v1alpha1", Kind: "PlacementDecision"}
	decisionResource = decisionKind.GroupVersion().WithResource("placementdecisions")
)

// decisionsOf returns the PlacementDecisions for a Placement, by name.
func (c *Controller) decisionsOf(ctx context.Context, k Key) ([]*inventoryv1alpha1.PlacementDecision, error) {
	if c.opts.decisions == nil || c.opts.decisions.namespaceFor(k) == "" {
		return nil, nil
	}
	items, err := c.list(ctx, k.Workspace, decisionKind, c.opts.decisions.namespaceFor(k))
	if err != nil {
		return nil, err
	}
	var decisions []*inventoryv1alpha1.PlacementDecision
	for i := range items {
		if of, ok := c.opts.decisions.keyOf(k.Workspace, &items[i]); !ok || of != k || items[i].GetDeletionTimestamp() != nil {
			continue
		}
		d, err := memoized(c.memo, k.Workspace, &items[i], decodeDecision)
		if err != nil {
			continue // its schema forbids it
		}
		decisions = append(decisions, d)
	}
	slices.SortFunc(decisions, func(a, b *inventoryv1alpha1.PlacementDecision) int { return compareNames(a.Name, b.Name) })
	return decisions, nil
}

func compareNames(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b) // web, web-1, ..., web-10
	}
	if a < b {
		return -1
	} else if a > b {
		return 1
	}
	return 0
}

func decodeDecision(obj *unstructured.Unstructured) (*inventoryv1alpha1.PlacementDecision, error) {
	d := &inventoryv1alpha1.PlacementDecision{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, d); err != nil {
		return nil, fmt.Errorf("decode PlacementDecision: %w", err)
	}
	return d, nil
}

// chosenBy returns the clusters that a scheduler chose, and whether it has
// decided at all.
func chosenBy(scheduler string, decisions []*inventoryv1alpha1.PlacementDecision) (names []string, decided bool) {
	for _, d := range decisions {
		if d.SchedulerName != scheduler {
			continue
		}
		decided = true
		for i := range d.Decisions {
			if name := d.Decisions[i].ClusterProfileRef.Name; name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names, decided
}

// scheduledFor returns what another scheduler chose for a Placement; nil if it
// has not, or has no say.
func (c *Controller) scheduledFor(ctx context.Context, k Key, p *v1alpha1.Placement) ([]string, error) {
	if p.Spec.Scheduler == "" || p.Spec.Scheduler == SchedulerName {
		return nil, nil
	}
	decisions, err := c.decisionsOf(ctx, k)
	if err != nil {
		return nil, err
	}
	names, decided := chosenBy(p.Spec.Scheduler, decisions)
	if decided && names == nil {
		names = []string{}
	}
	return names, nil
}

// follow returns the spec that has the engine take the clusters that another
// scheduler chose, as far as they take the work: who chooses, spreads and
// counts, and we divide.
func follow(spec *v1alpha1.PlacementSpec, names []string) *v1alpha1.PlacementSpec {
	if len(names) == 0 {
		names = []string{noCluster}
	}
	s := *spec
	s.Clusters = both(&v1alpha1.ClusterSelector{Names: names}, spec.Clusters)
	s.Count, s.Spread = &v1alpha1.Count{Min: new(int32(max(1, len(names))))}, nil
	return &s
}

// observeDecision wakes the Placement that a PlacementDecision is for: that of
// another scheduler says where it goes, ours may have been changed by hand.
func (c *Controller) observeDecision(workspace multicluster.ClusterName, objects ...*unstructured.Unstructured) {
	for _, u := range objects {
		if u == nil {
			continue
		}
		if k, ok := c.opts.decisions.keyOf(workspace, u); ok {
			c.enqueue(false, k)
		}
	}
}

// keyOf returns which Placement a PlacementDecision is for; false if it is for
// none.
func (o *DecisionOptions) keyOf(workspace multicluster.ClusterName, u *unstructured.Unstructured) (k Key, ok bool) {
	name, namespace := u.GetLabels()[inventoryv1alpha1.PlacementKeyLabel], u.GetNamespace()
	if kind := u.GetLabels()[PlacementKindLabel]; kind == clusterPlacementKind.Kind {
		if o.ClusterNamespace != namespace {
			return k, false // nobody says that those who write here may
		}
		namespace = ""
	}
	return keyIn(workspace, namespace, name), name != ""
}
