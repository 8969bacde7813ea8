package transform

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// replicaPaths are the kinds whose replicas are divided over clusters.
var replicaPaths = map[schema.GroupKind][]string{
	{Kind: "ReplicationController"}:      {"spec", "replicas"},
	{Group: "apps", Kind: "Deployment"}:  {"spec", "replicas"},
	{Group: "apps", Kind: "StatefulSet"}: {"spec", "replicas"},
	{Group: "apps", Kind: "ReplicaSet"}:  {"spec", "replicas"},
}

// WithReplicas has the replicas of a kind divided, too: the target's share is
// written at the path, as in WithReplicas(kind, "spec", "replicas"). By default
// those of Deployment, StatefulSet, ReplicaSet and ReplicationController are.
// No path takes the kind out: its copies keep what the original says.
func WithReplicas(kind schema.GroupKind, path ...string) Option {
	return func(p *Pipeline) {
		p.replicas = maps.Clone(p.replicas)
		if len(path) == 0 {
			delete(p.replicas, kind)
			return
		}
		p.replicas[kind] = path
	}
}

// ReplicasPath returns the path at which a target's share of the replicas of a
// kind is written; nil for a kind whose replicas are not divided.
func (p *Pipeline) ReplicasPath(kind schema.GroupKind) []string {
	return slices.Clone(p.replicas[kind])
}

// divide writes the target's share where the object, of the given kind in its
// workspace, has replicas. What has
// none, or is of a kind where the field may mean something else, is left alone.
func (p *Pipeline) divide(t *Target, kind schema.GroupKind, obj *unstructured.Unstructured) error {
	if t.Replicas == nil {
		return nil
	}
	path, ok := p.replicas[kind]
	if !ok {
		return nil
	}
	m := obj.Object
	for _, field := range path[:len(path)-1] {
		m, _ = m[field].(map[string]any)
	}
	last := path[len(path)-1]
	value, ok := m[last]
	if !ok {
		return nil
	}
	switch value.(type) {
	case map[string]any, []any:
		return fmt.Errorf("%s is a %T and not a number", last, value)
	}
	m[last] = int64(*t.Replicas)
	return nil
}
