package builtin

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/transform"
)

// Classes maps the names of classes that tenants use to those of the clusters.
type Classes struct {
	// Map of names; a name without an entry stays.
	Map map[string]string
	// Default for objects that name none; empty: they name none then.
	Default string
	// Clear removes names that have no entry: what a cluster does not have.
	Clear bool
}

// apply maps the class that a field names.
func (c Classes) apply(m object, field string) {
	current, has := m[field].(string)
	mapped, mentioned := c.Map[current]
	switch {
	case has && mentioned:
		m[field] = mapped
	case has && c.Clear && !c.result(current):
		if delete(m, field); c.Default != "" {
			m[field] = c.Default
		}
	case m[field] == nil && c.Default != "":
		m[field] = c.Default
	}
}

// check refuses names that are none. It is given a copy, and finds its own.
func (c Classes) check(transformer string) error {
	for _, from := range slices.Sorted(maps.Keys(c.Map)) {
		if from == "" || c.Map[from] == "" {
			return refused(transformer, fmt.Sprintf("Map[%q]=%q", from, c.Map[from]), errors.New("both names are needed: Default is for objects that name none, Clear removes names"))
		}
	}
	return nil
}

// result says whether a name is one that mapping gives, so that twice is once.
func (c Classes) result(current string) bool {
	if current == c.Default {
		return true
	}
	for _, to := range c.Map {
		if to == current {
			return true
		}
	}
	return false
}

// clone copies the map, in which a to b and b to c becomes a to c, so that
// mapping twice is mapping once.
func (c Classes) clone() Classes {
	c.Map = maps.Clone(c.Map)
	for from, to := range c.Map {
		for seen := 0; seen <= len(c.Map); seen++ {
			next, more := c.Map[to]
			if !more || next == to || next == from {
				break
			}
			to = next
		}
		c.Map[from] = to
	}
	return c
}

// RuntimeClasses maps the runtime classes of pods.
func RuntimeClasses(classes Classes) transform.Transformer {
	return podClasses("RuntimeClasses", "runtimeClassName", classes)
}

// PriorityClasses maps the priority classes of pods, and removes the number
// that the workspace's class stood for.
func PriorityClasses(classes Classes) transform.Transformer {
	classes = classes.clone()
	return ofPods("PriorityClasses", func(_ *transform.Target, pod object) error {
		delete(pod, "priority")
		classes.apply(pod, "priorityClassName")
		return nil
	}).or(classes.check("PriorityClasses"))
}

func podClasses(name, field string, classes Classes) transform.Transformer {
	classes = classes.clone()
	return ofPods(name, func(_ *transform.Target, pod object) error {
		classes.apply(pod, field)
		return nil
	}).or(classes.check(name))
}

// Kinds that this package knows.
var (
	claimKind       = schema.GroupKind{Kind: "PersistentVolumeClaim"}
	statefulSetKind = schema.GroupKind{Group: "apps", Kind: "StatefulSet"}
	serviceKind     = schema.GroupKind{Kind: "Service"}
	ingressKind     = schema.GroupKind{Group: "networking.k8s.io", Kind: "Ingress"}
	gatewayKind     = schema.GroupKind{Group: "gateway.networking.k8s.io", Kind: "Gateway"}
	jobKind         = schema.GroupKind{Group: "batch", Kind: "Job"}
	budgetKind      = schema.GroupKind{Group: "policy", Kind: "PodDisruptionBudget"}
)

// StorageClasses maps the storage classes of claims, of the claim templates of
// StatefulSets and of the ephemeral volumes of pods. A name that is mapped to none
// is one of volumes that are provided by hand.
func StorageClasses(classes Classes) transform.Transformer {
	classes = classes.clone()
	b := &built{name: "StorageClasses", independent: true}
	b.fn = func(t *transform.Target, obj *unstructured.Unstructured) error {
		eachClaim(t, obj, func(spec object) { classes.apply(spec, "storageClassName") })
		return nil
	}
	return b
}

// IngressClasses maps the classes of Ingresses.
func IngressClasses(classes Classes) transform.Transformer {
	return kindClasses("IngressClasses", "ingressClassName", classes, ingressKind)
}

// GatewayClasses maps the classes of Gateways.
func GatewayClasses(classes Classes) transform.Transformer {
	return kindClasses("GatewayClasses", "gatewayClassName", classes, gatewayKind)
}

func kindClasses(name, field string, classes Classes, kind schema.GroupKind) transform.Transformer {
	classes = classes.clone()
	return ofKinds(name, func(spec object) error {
		classes.apply(spec, field)
		return nil
	}, kind).or(classes.check(name))
}
