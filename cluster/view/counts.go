package view

import (
	"maps"
)

// Counts are over objects.
type Counts struct {
	// Objects there are.
	Objects int `json:"objects"`
	// ByKind, as "Deployment.apps".
	ByKind map[string]int `json:"byKind,omitempty"`
	// ByHealth of the objects.
	ByHealth map[Health]int `json:"byHealth,omitempty"`
	// ByCluster counts the objects whose status names a cluster as a target.
	ByCluster map[string]int `json:"byCluster,omitempty"`
}

// add an object's part, or take it away with sign -1.
func (c *Counts) add(o *Object, sign int) {
	c.Objects += sign
	change(&c.ByKind, o.KindName, sign)
	change(&c.ByHealth, o.Health, sign)
	for _, name := range o.Clusters {
		change(&c.ByCluster, name, sign)
	}
}

// merge all of another's counts, or take them away with sign -1.
func (c *Counts) merge(o *Counts, sign int) {
	c.Objects += sign * o.Objects
	for k, n := range o.ByKind {
		change(&c.ByKind, k, sign*n)
	}
	for k, n := range o.ByHealth {
		change(&c.ByHealth, k, sign*n)
	}
	for k, n := range o.ByCluster {
		change(&c.ByCluster, k, sign*n)
	}
}

// change a counter; one of zero is left out.
func change[K comparable](counts *map[K]int, key K, by int) {
	if *counts == nil {
		*counts = map[K]int{}
	}
	if (*counts)[key] += by; (*counts)[key] == 0 {
		delete(*counts, key)
	}
}

func (c *Counts) clone() Counts {
	return Counts{Objects: c.Objects, ByKind: maps.Clone(c.ByKind), ByHealth: maps.Clone(c.ByHealth), ByCluster: maps.Clone(c.ByCluster)}
}
