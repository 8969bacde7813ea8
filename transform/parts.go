package transform

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Each is a list of maps of which those with the same Key are put together one by
// one, as the listeners of a Gateway: their conditions as those of a status are, and
// the fields that are named. The list has 1,000 items at most.
type Each struct {
	Field string
	// Key of an item: a text.
	Key string
	// Sum and Agree are fields of an item, as those of Fields.
	Sum, Agree []string
	// BadWhenTrue are types of its conditions that say something bad when they are
	// True, beside those that are well known.
	BadWhenTrue []string
}

// parts puts lists together item by item. What it costs to count one cluster's news
// depends on the length of its list alone.
type parts struct {
	each  Each
	byKey map[string]*tally
	n     int
}

func newParts(each Each) *parts { return &parts{each: each, byKey: map[string]*tally{}} }

func (p *parts) add(cluster string, value any) {
	items, ok := value.([]any)
	if !ok {
		return
	}
	p.n++
	for key, item := range p.items(items) {
		t := p.byKey[key]
		if t == nil {
			t = Fields{Sum: p.each.Sum, Agree: p.each.Agree, BadWhenTrue: p.each.BadWhenTrue}.tally()
			p.byKey[key] = t
		}
		t.Set(Observed{Cluster: cluster, Copy: &unstructured.Unstructured{Object: map[string]any{"status": item}}})
	}
}

func (p *parts) drop(cluster string, value any) {
	items, ok := value.([]any)
	if !ok {
		return
	}
	p.n--
	for key := range p.items(items) {
		if t := p.byKey[key]; t != nil {
			if t.Remove(cluster); len(t.members) == 0 {
				delete(p.byKey, key)
			}
		}
	}
}

// items returns the items of a list by their keys; of those with the same one the
// last.
func (p *parts) items(list []any) map[string]map[string]any {
	byKey := make(map[string]map[string]any, len(list))
	for _, item := range list {
		if m, ok := item.(map[string]any); ok {
			if key, ok := m[p.each.Key].(string); ok {
				byKey[key] = m
			}
		}
	}
	return byKey
}

func (p *parts) value(members int) (any, bool) {
	out := make([]any, 0, len(p.byKey))
	for _, key := range slices.Sorted(maps.Keys(p.byKey))[:min(len(p.byKey), mostMerged)] {
		t := p.byKey[key]
		t.of = members
		item := map[string]any{}
		if err := t.aggregate(item); err != nil {
			continue // what is no JSON is nothing to tell
		}
		item[p.each.Key] = key
		out = append(out, item)
	}
	return out, len(out) > 0
}

func (p *parts) count() int { return p.n }
