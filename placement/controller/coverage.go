package controller

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// coverage finds the Placement that an object of a namespace belongs to. It
// answers as placement.Covering does, without a look at those that name other
// objects: a namespace may well have a Placement per object.
type coverage struct {
	byName map[objectName][]*v1alpha1.Placement
	others []*v1alpha1.Placement
}

type objectName struct {
	kind schema.GroupKind
	name string
}

func newCoverage(known []*v1alpha1.Placement) *coverage {
	c := &coverage{byName: map[objectName][]*v1alpha1.Placement{}}
	for _, p := range known {
		if len(p.Spec.Resources) == 0 {
			c.others = append(c.others, p)
			continue
		}
		general := false
		for i := range p.Spec.Resources {
			r := &p.Spec.Resources[i]
			if r.Name == "" {
				general = true
				continue
			}
			n := objectName{schema.GroupKind{Group: r.Group, Kind: r.Kind}, r.Name}
			c.byName[n] = append(c.byName[n], p)
		}
		if general {
			c.others = append(c.others, p)
		}
	}
	return c
}

// of returns the Placement that an object belongs to, nil if none covers it.
func (c *coverage) of(obj *unstructured.Unstructured) *v1alpha1.Placement {
	o := placement.ObjectOf(obj)
	candidates := c.others
	if naming := c.byName[objectName{schema.GroupKind{Group: o.Group, Kind: o.Kind}, o.Name}]; len(naming) > 0 {
		candidates = slices.Concat(naming, c.others)
	}
	return placement.Covering(o, candidates)
}
