package controller

import (
	"context"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/cluster/workspaces"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// observe turns what happens in workspaces into Placements to decide.
func (c *Controller) observe(e workspaces.Event) {
	if e.New == nil {
		c.memo.drop(e.Cluster, e.Old.GetUID())
	}
	switch e.Object().GroupVersionKind() {
	case placementKind, clusterPlacementKind:
		c.observePlacement(e)
	case decisionKind:
		c.observeDecision(e.Cluster, e.Old, e.New)
	default:
		c.observeWorkload(e)
	}
}

func (c *Controller) observePlacement(e workspaces.Event) {
	obj := e.Object()
	k := keyIn(e.Cluster, obj.GetNamespace(), obj.GetName())
	if e.New == nil {
		c.recent.drop(k)
		c.forget(k)
	} else if p, err := memoized(c.memo, e.Cluster, e.New, decode); err == nil {
		c.enqueue(true, c.index.amongWaiting(c.neighbours.observe(k, p))...)
	}
	if k.Namespace == "" && !e.Initial && defaultsChanged(e.Old, e.New) {
		c.enqueue(true, c.index.in(e.Cluster)...)
	}
	keys := []Key{k}
	if !e.Initial && coverageChanged(e.Old, e.New) {
		// What it covers, others cover no longer, or again.
		keys = append(keys, keyIn(e.Cluster, k.Namespace, v1alpha1.DefaultName))
		for _, p := range c.known(e.Cluster, k.Namespace) {
			keys = append(keys, keyIn(e.Cluster, p.Namespace, p.Name))
		}
	}
	c.enqueue(e.Initial, keys...)
}

// coverageChanged says whether a Placement covers other objects than before.
func coverageChanged(old, now *unstructured.Unstructured) bool {
	if old == nil || now == nil {
		return true
	}
	was, _, _ := unstructured.NestedFieldNoCopy(old.Object, "spec", "resources")
	is, _, _ := unstructured.NestedFieldNoCopy(now.Object, "spec", "resources")
	return old.GetUID() != now.GetUID() || !equality.Semantic.DeepEqual(was, is)
}

func (c *Controller) observeWorkload(e workspaces.Event) {
	if e.Old != nil && e.New != nil && !demandChanged(e.Old, e.New) {
		return
	}
	namespace := e.Object().GetNamespace()
	known := c.known(e.Cluster, namespace)
	var keys []Key
	for _, obj := range []*unstructured.Unstructured{e.Old, e.New} {
		if obj == nil {
			continue
		}
		name := v1alpha1.DefaultName
		if p := placement.Covering(placement.ObjectOf(obj), known); p != nil {
			name = p.Name
		}
		keys = append(keys, keyIn(e.Cluster, namespace, name))
	}
	c.enqueue(e.Initial, slices.Compact(keys)...)
}

// demandChanged says whether an update can change what covers an object or
// what it asks for. Most updates are of status and can't; kinds without a
// generation have nothing in them that is placed by.
func demandChanged(old, now *unstructured.Unstructured) bool {
	return old.GetUID() != now.GetUID() ||
		old.GetGeneration() != now.GetGeneration() ||
		(old.GetDeletionTimestamp() == nil) != (now.GetDeletionTimestamp() == nil) ||
		!maps.Equal(old.GetLabels(), now.GetLabels())
}

// known returns the Placements of a namespace as far as they are known.
func (c *Controller) known(workspace multicluster.ClusterName, namespace string) []*v1alpha1.Placement {
	known, err := c.placements(context.Background(), workspace, namespace)
	if err != nil {
		return nil // each is told of when it becomes known
	}
	return known
}
