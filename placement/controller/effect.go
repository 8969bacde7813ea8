package controller

import (
	"maps"
	"reflect"
	"slices"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/facts"
	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

// effect says which Placements a change of a cluster can affect.
type effect uint8

const (
	// wakesNamed: those whose decision names the cluster.
	wakesNamed effect = 1 << iota
	// wakesCurious: those of them that look at properties or versions.
	wakesCurious
	// wakesWaiting: those that would take another cluster.
	wakesWaiting
	// wakesLater: those, too, and there is no hurry: capacity alone came free,
	// as it does all the time, or a cluster became worse, which can change no
	// more than why they wait.
	wakesLater
)

func (e effect) has(f effect) bool { return e&f != 0 }

// effectOf classifies a change of the fleet. Capacity that is used or given
// back every few seconds must not wake all work on the cluster: it can move
// nothing that has its place.
func effectOf(change cluster.Change) effect {
	old, now := change.Old, change.New
	switch {
	case now == nil:
		return wakesNamed | wakesLater
	case old == nil:
		return wakesNamed | wakesWaiting
	}
	var e effect
	worse := false
	if standingChanged(old, now) {
		e |= wakesNamed
		worse = true
	}
	if old.Version != now.Version || !propertiesEqual(old.Properties, now.Properties) {
		e |= wakesCurious
		worse = true
	}
	switch {
	case now.Ready && improved(old, now):
		e |= wakesWaiting
	case worse, now.Ready && grew(old.Free(), now.Free()):
		e |= wakesLater
	}
	return e
}

// standingChanged says whether anything changed that can rule a cluster out or
// in, for work that it has.
func standingChanged(old, now *cluster.State) bool {
	return old.Ready != now.Ready || old.Reachable != now.Reachable ||
		old.Unschedulable != now.Unschedulable || old.Draining != now.Draining ||
		old.Region != now.Region || old.Zone != now.Zone || old.Provider != now.Provider ||
		!maps.Equal(old.Labels, now.Labels) ||
		!slices.EqualFunc(old.Taints, now.Taints, facts.SameTaint) ||
		!apisEqual(old.APIs, now.APIs)
}

// improved says whether a cluster that refused work may take it now.
func improved(old, now *cluster.State) bool {
	return !old.Ready || old.Unschedulable && !now.Unschedulable ||
		old.Region != now.Region || old.Zone != now.Zone || old.Provider != now.Provider ||
		old.Version != now.Version ||
		!maps.Equal(old.Labels, now.Labels) ||
		!propertiesEqual(old.Properties, now.Properties) ||
		taintRemoved(old.Taints, now.Taints) ||
		!apisEqual(old.APIs, now.APIs) ||
		old.CapacityKnown != now.CapacityKnown
}

// grew says whether any amount is greater than it was.
func grew(old, now cluster.Resources) bool {
	if now.MilliCPU > old.MilliCPU || now.Memory > old.Memory || now.EphemeralStorage > old.EphemeralStorage || now.Pods > old.Pods {
		return true
	}
	for name, amount := range now.Extended {
		if amount > old.Extended[name] {
			return true
		}
	}
	return false
}

func taintRemoved(old, now []clusterv1alpha1.Taint) bool {
	return slices.ContainsFunc(old, func(o clusterv1alpha1.Taint) bool {
		return !slices.ContainsFunc(now, func(n clusterv1alpha1.Taint) bool {
			return n.Key == o.Key && n.Value == o.Value && n.Effect == o.Effect && n.Workspace == o.Workspace
		})
	})
}

// propertiesEqual ignores when a property was observed.
func propertiesEqual(a, b map[string]cluster.Property) bool {
	return maps.EqualFunc(a, b, func(x, y cluster.Property) bool { return x.Text == y.Text })
}

func apisEqual(a, b *cluster.APISet) bool {
	return a == b || a != nil && b != nil && reflect.DeepEqual(a.List(), b.List())
}
