package transform

import (
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// tally counts fields and conditions. What it costs to count one cluster's news
// does not depend on how many clusters there are.
type tally struct {
	members    map[string]Observed
	of         int // members that there are, should more be silent than are known here
	current    int // members whose controllers have seen their newest generation
	generation int // members with an observedGeneration
	together   map[string]bool
	adverse    map[string]bool // condition types that are bad when True
	slots      []field
	conditions map[string]*ordered[*condition]
	rest       map[string]*agreement // all fields, by name; nil to leave them out
}

type field struct {
	path     []string
	together bool
	due      bool // a member without status adds its replicas
	slot     slot
}

// slot aggregates one field.
type slot interface {
	add(cluster string, value any)
	drop(cluster string, value any)
	// value returns the aggregate over so many members; false for none.
	value(members int) (any, bool)
	// count of members that have the field.
	count() int
}

var _ Tally = (*tally)(nil)

func newTally(together, adverse []string) *tally {
	t := &tally{
		members: map[string]Observed{}, conditions: map[string]*ordered[*condition]{},
		together: make(map[string]bool, len(together)), adverse: goodWhenFalse,
	}
	for _, name := range together {
		t.together[name] = true
	}
	if len(adverse) > 0 {
		t.adverse = maps.Clone(goodWhenFalse)
		for _, name := range adverse {
			t.adverse[name] = true
		}
	}
	return t
}

// Set implements Tally.
func (t *tally) Set(seen Observed) {
	t.Remove(seen.Cluster)
	t.members[seen.Cluster] = seen
	t.count(seen, 1, slot.add)
	for _, c := range t.conditionsOf(seen) {
		list, ok := t.conditions[c.name]
		if !ok {
			list = &ordered[*condition]{compare: worseFirst}
			t.conditions[c.name] = list
		}
		list.insert(c)
	}
}

// Remove implements Tally.
func (t *tally) Remove(cluster string) {
	seen, ok := t.members[cluster]
	if !ok {
		return
	}
	delete(t.members, cluster)
	t.count(seen, -1, slot.drop)
	for _, c := range t.conditionsOf(seen) {
		list := t.conditions[c.name]
		list.remove(c)
		if len(list.items) == 0 {
			delete(t.conditions, c.name)
		}
	}
}

// count counts all of a member but its conditions, or takes it back.
func (t *tally) count(seen Observed, by int, apply func(slot, string, any)) {
	status := statusOf(seen.Copy)
	if generation, ok := status["observedGeneration"].(int64); ok {
		t.generation += by
		if generation >= seen.Copy.GetGeneration() && !seen.Behind {
			t.current += by
		}
	}
	for _, f := range t.slots {
		if value, ok := lookup(status, f.path); ok {
			apply(f.slot, seen.Cluster, value)
		} else if f.due && len(status) == 0 && seen.Replicas != nil {
			apply(f.slot, seen.Cluster, int64(*seen.Replicas))
		}
	}
	if t.rest == nil {
		return
	}
	for name, value := range status {
		if name == "conditions" || name == "observedGeneration" {
			continue
		}
		if t.rest[name] == nil {
			t.rest[name] = newAgreement()
		}
		apply(t.rest[name], seen.Cluster, value)
		if t.rest[name].count() == 0 {
			delete(t.rest, name)
		}
	}
}

// Status implements Tally.
func (t *tally) Status(original *unstructured.Unstructured) (map[string]any, error) {
	out := map[string]any{}
	switch len(t.members) {
	case 0:
		return out, nil
	case 1:
		for _, only := range t.members {
			copied, err := copyMap(statusOf(only.Copy))
			if err != nil {
				return nil, err
			}
			out = copied
		}
	default:
		if err := t.aggregate(out); err != nil {
			return nil, err
		}
	}
	delete(out, "observedGeneration")
	before, _ := statusOf(original)["observedGeneration"].(int64)
	switch {
	case t.current == len(t.members):
		out["observedGeneration"] = original.GetGeneration()
	case before != 0:
		out["observedGeneration"] = before
	}
	return out, nil
}

// size is the number of members, silent ones included.
func (t *tally) size() int { return max(len(t.members), t.of) }

// aggregate writes what several members make together.
func (t *tally) aggregate(out map[string]any) error {
	var problem error
	for _, f := range t.slots {
		if f.together && f.slot.count() < t.size() {
			continue
		}
		if value, ok := f.slot.value(t.size()); ok {
			put(out, f.path, copyValue(value, &problem))
		}
	}
	for name, agreed := range t.rest {
		if value, ok := agreed.value(t.size()); ok {
			out[name] = copyValue(value, &problem)
		}
	}
	if list := t.merged(&problem); len(list) > 0 {
		out["conditions"] = list
	}
	return problem
}

func lookup(m map[string]any, path []string) (any, bool) {
	for _, name := range path[:len(path)-1] {
		m, _ = m[name].(map[string]any)
	}
	value, ok := m[path[len(path)-1]]
	return value, ok
}

func put(m map[string]any, path []string, value any) {
	for _, name := range path[:len(path)-1] {
		inner, ok := m[name].(map[string]any)
		if !ok {
			inner = map[string]any{}
			m[name] = inner
		}
		m = inner
	}
	m[path[len(path)-1]] = value
}
