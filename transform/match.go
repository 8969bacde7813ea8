package transform

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Matcher is an optional interface of transformers: the pipeline asks before it
// calls Transform. Without it, a transformer sees every object.
type Matcher interface {
	// Matches says whether the transformer is for this object and target.
	Matches(t *Target, obj *unstructured.Unstructured) bool
}

// Any is the group or the kind of a Rule for all groups or kinds.
const Any = "*"

// Rule says for which objects and targets a transformer is. All that is set
// must hold; the empty rule always does.
type Rule struct {
	// Kinds of objects; Any stands for all groups, or all kinds of a group.
	Kinds []schema.GroupKind
	// Objects selects by the labels of the object.
	Objects labels.Selector
	// LogicalClusters of the originals, by name.
	LogicalClusters []string
	// Clusters that are targets, by name.
	Clusters []string
	// Targets selects by the labels of the target.
	Targets labels.Selector
}

// Match restricts a transformer to what one of the rules is for. Its name
// stays. Where the transformer is a Matcher itself, both must agree.
func Match(step Transformer, rules ...Rule) Transformer {
	m := matched{Transformer: step, rules: make([]rule, 0, len(rules))}
	for _, r := range rules {
		compiled := rule{objects: r.Objects, targets: r.Targets, origins: slices.Clone(r.LogicalClusters), clusters: slices.Clone(r.Clusters)}
		if len(r.Kinds) > 0 {
			compiled.kinds = make(map[schema.GroupKind]bool, len(r.Kinds))
			for _, k := range r.Kinds {
				compiled.kinds[k] = true
			}
		}
		m.rules = append(m.rules, compiled)
	}
	return m
}

type matched struct {
	Transformer
	rules []rule
}

type rule struct {
	kinds             map[schema.GroupKind]bool
	objects, targets  labels.Selector
	origins, clusters []string
}

var (
	_ Transformer       = matched{}
	_ Matcher           = matched{}
	_ TargetIndependent = matched{}
	_ JSONOnly          = matched{}
	_ Validator         = matched{}
)

// Transform implements Transformer.
func (m matched) Transform(ctx context.Context, t *Target, obj *unstructured.Unstructured) error {
	if !m.Matches(t, obj) {
		return nil
	}
	return m.Transformer.Transform(ctx, t, obj)
}

// Matches implements Matcher.
func (m matched) Matches(t *Target, obj *unstructured.Unstructured) bool {
	if inner, ok := m.Transformer.(Matcher); ok && !inner.Matches(t, obj) {
		return false
	}
	for i := range m.rules {
		if m.rules[i].matches(t, obj) {
			return true
		}
	}
	return false
}

// TargetIndependent implements TargetIndependent.
func (m matched) TargetIndependent() bool {
	for i := range m.rules {
		if len(m.rules[i].clusters) > 0 || m.rules[i].targets != nil {
			return false
		}
	}
	return independent(m.Transformer)
}

// JSONOnly implements JSONOnly.
func (m matched) JSONOnly() bool { return jsonOnly(m.Transformer) }

func (r *rule) matches(t *Target, obj *unstructured.Unstructured) bool {
	if len(r.kinds) > 0 {
		kind := groupKind(obj)
		if !r.kinds[kind] && !r.kinds[schema.GroupKind{Group: kind.Group, Kind: Any}] &&
			!r.kinds[schema.GroupKind{Group: Any, Kind: kind.Kind}] && !r.kinds[schema.GroupKind{Group: Any, Kind: Any}] {
			return false
		}
	}
	switch {
	case len(r.clusters) > 0 && !slices.Contains(r.clusters, t.Cluster):
		return false
	case len(r.origins) > 0 && !slices.Contains(r.origins, t.Origin.LogicalCluster):
		return false
	case r.targets != nil && !r.targets.Matches(labels.Set(t.Labels)):
		return false
	}
	if r.objects == nil {
		return true
	}
	metadata, _ := obj.Object["metadata"].(map[string]any)
	own, _ := metadata["labels"].(map[string]any)
	return r.objects.Matches(fields(own))
}

// fields are labels as they stand in an object.
type fields map[string]any

var _ labels.Labels = fields{}

func (f fields) Has(key string) bool   { _, ok := f.Lookup(key); return ok }
func (f fields) Get(key string) string { value, _ := f.Lookup(key); return value }
func (f fields) Lookup(key string) (string, bool) {
	value, ok := f[key].(string)
	return value, ok
}
