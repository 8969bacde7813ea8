package controller

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/cluster/workspaces"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// kinds returns the kinds whose objects need a place now.
func (o *options) kinds() *[]schema.GroupVersionKind {
	kinds := slices.Clone(o.resources)
	for _, source := range o.sources {
		for _, kind := range source.Kinds() {
			same := func(k schema.GroupVersionKind) bool { return k.GroupKind() == kind.GroupKind() }
			if kind.Group != v1alpha1.Group && kind != decisionKind && !slices.ContainsFunc(kinds, same) {
				kinds = append(kinds, kind)
			}
		}
	}
	return &kinds
}

// resources returns the kinds whose objects need a place.
func (c *Controller) resources() []schema.GroupVersionKind { return *c.set.Load() }

// kinds returns the kinds to watch.
func (c *Controller) kinds() []schema.GroupVersionKind {
	kinds := []schema.GroupVersionKind{placementKind, clusterPlacementKind}
	if c.opts.decisions != nil {
		kinds = append(kinds, decisionKind)
	}
	return append(kinds, c.resources()...)
}

// followSources follows the kinds that change, until cancel is called.
func (c *Controller) followSources() (cancel func()) {
	var cancels []func()
	for _, source := range c.opts.sources {
		cancels = append(cancels, source.Subscribe(c.kindsChanged))
	}
	if len(cancels) > 0 {
		c.kindsChanged()
	}
	return func() {
		for _, cancel := range cancels {
			cancel()
		}
	}
}

// kindsChanged watches what is to be placed now. What is told of a kind that came
// has its Placements decided; those of one that left are not: what they cover is
// unknown.
func (c *Controller) kindsChanged() {
	c.changing.Lock()
	defer c.changing.Unlock()
	before, now := c.resources(), c.opts.kinds()
	if slices.Equal(before, *now) {
		return
	}
	c.set.Store(now)
	came, _ := workspaces.ChangedKinds(before, *now)
	var closed map[multicluster.ClusterName]*room
	if len(came) > 0 {
		closed = c.gate.closeAll() // nothing is decided on a part of what there is
	}
	c.watcher.Follow(c.kinds())
	for _, r := range closed {
		go r.await()
	}
}
