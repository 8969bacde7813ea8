package builtin

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/tmc-sdk/tmc/transform"
)

// ResourceRules say what becomes of the resources that containers ask for.
type ResourceRules struct {
	// Scale multiplies requests and limits, by resource: "cpu": 0.5.
	Scale map[string]float64
	// Min raises requests, and limits that would be lower, by resource. It
	// gives a request to containers that have none.
	Min map[string]string
	// Max lowers requests and limits, by resource.
	Max map[string]string
}

// Resources applies rules to the resources of every container. Scaling is not
// the same done twice: have it once in a pipeline.
func Resources(rules ResourceRules) (transform.Transformer, error) {
	r := resources{scale: maps.Clone(rules.Scale), min: map[string]resource.Quantity{}, max: map[string]resource.Quantity{}}
	for name, factor := range r.scale {
		if name == "" || !(factor > 0 && factor <= 1000) {
			return nil, refused("Resources", fmt.Sprintf("Scale[%q]=%v", name, factor), errors.New("name a resource and a factor greater than 0 and at most 1000"))
		}
	}
	for _, b := range []struct {
		field string
		from  map[string]string
		to    map[string]resource.Quantity
	}{{"Min", rules.Min, r.min}, {"Max", rules.Max, r.max}} {
		for name, text := range b.from {
			q, err := resource.ParseQuantity(text)
			if err == nil && (name == "" || q.Sign() < 0) {
				err = errors.New("name a resource and an amount that is not negative")
			}
			if err != nil {
				return nil, refused("Resources", fmt.Sprintf("%s[%q]=%q", b.field, name, text), err)
			}
			b.to[name] = q
		}
	}
	for name, low := range r.min {
		if high, has := r.max[name]; has && high.Cmp(low) < 0 {
			return nil, refused("Resources", fmt.Sprintf("Min[%q] and Max[%q]", name, name), errors.New("they exclude each other: raise Max or lower Min"))
		}
	}
	all := maps.Clone(rules.Min)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, rules.Max)
	for name := range r.scale {
		all[name] = ""
	}
	r.names = slices.Sorted(maps.Keys(all))
	return ofPods("Resources", func(_ *transform.Target, pod object) error {
		return containers(pod, r.apply)
	}), nil
}

type resources struct {
	scale    map[string]float64
	min, max map[string]resource.Quantity
	names    []string // of resources that have a rule
}

func (r resources) apply(container object) error {
	all := objectAt(container, "resources")
	if all == nil {
		return nil
	}
	if len(r.min) > 0 {
		requests := objectAt(all, "requests")
		limits, _ := all["limits"].(object)
		for name, low := range r.min {
			if _, has := requests[name]; !has && requests != nil && limits[name] == nil {
				requests[name] = low.String()
			}
		}
	}
	for _, field := range [...]string{"requests", "limits"} {
		amounts, _ := all[field].(object)
		for _, name := range r.names {
			value, has := amounts[name]
			if !has {
				continue
			}
			bounded, err := r.bound(name, value)
			if err != nil {
				return fmt.Errorf("%s of %s: %w", field, name, err)
			}
			amounts[name] = bounded
		}
	}
	if len(all) == 0 {
		delete(container, "resources")
	}
	return nil
}

// bound returns what is within the bounds as it is written.
func (r resources) bound(name string, value any) (any, error) {
	written, ok := value.(string)
	if !ok {
		written = fmt.Sprint(value)
	}
	q, err := resource.ParseQuantity(written)
	if err != nil {
		return nil, err
	}
	factor, changed := r.scale[name]
	if changed {
		q = scaleQuantity(name, q, factor)
	}
	if low, has := r.min[name]; has && q.Cmp(low) < 0 {
		q, changed = low, true
	}
	if high, has := r.max[name]; has && q.Cmp(high) > 0 {
		q, changed = high, true
	}
	if !changed {
		return value, nil
	}
	return q.String(), nil
}

// scaleQuantity scales to whole thousandths of a core, or whole units.
func scaleQuantity(name string, q resource.Quantity, factor float64) resource.Quantity {
	const biggest = float64(1 << 62)
	if name == "cpu" {
		return *resource.NewMilliQuantity(int64(min(max(float64(q.MilliValue())*factor, 0), biggest)+0.5), q.Format)
	}
	return *resource.NewQuantity(int64(min(max(float64(q.Value())*factor, 0), biggest)+0.5), q.Format)
}
