package syncer

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/transform"
)

// sealTemplate reduces what was rendered to the digest of its template: all of it
// but the replicas.
func sealTemplate(pipeline *transform.Pipeline) func(*unstructured.Unstructured) error {
	return func(rendered *unstructured.Unstructured) error {
		kind := rendered.GroupVersionKind()
		data, err := json.Marshal(without(rendered.Object, pipeline.ReplicasPath(kind.GroupKind())))
		if err != nil {
			return fmt.Errorf("digest of template of %s: %w", kind.Kind, err)
		}
		rendered.Object = map[string]any{"metadata": map[string]any{"annotations": map[string]any{transform.AnnotationTemplate: hash(data)}}}
		return nil
	}
}

// templateDigest returns the digest of what a cluster would get if nothing was
// divided or overridden for it alone.
func (l *Loop) templateDigest(ctx context.Context, state *tmccluster.State, key Key, original *unstructured.Unstructured, where *assignment) (string, error) {
	target := targetOf(state)
	overrides, err := overridesFor(where.placement, state, original, untargeted)
	if err != nil {
		return "", err
	}
	target.Overrides = overrides
	sealed, err := l.templates.Render(ctx, target, original, key.origin(original.GetUID()))
	if err != nil {
		return "", err
	}
	return templateDigestOf(sealed), nil
}

// markTemplate writes the digest of its template on what was rendered, where the
// Placement has a rollout. A copy that was made before there was one, and is as
// rendered, is not written for that.
func (l *Loop) markTemplate(ctx context.Context, cluster string, key Key, original *unstructured.Unstructured, where *assignment, copied, rendered *unstructured.Unstructured) {
	if rolloutOf(where.placement) == nil || copied != nil && templateDigestOf(copied) == "" && digestOf(copied) == digestOf(rendered) {
		return
	}
	state, ok := l.fleet.Snapshot().Lookup(cluster)
	if !ok {
		return
	}
	if digest, err := l.templateDigest(ctx, state, key, original, where); err == nil {
		at(rendered.Object, "metadata", "annotations")[transform.AnnotationTemplate] = digest // sealing made the annotations
	}
}

func templateDigestOf(obj *unstructured.Unstructured) string {
	digest, _ := at(obj.Object, "metadata", "annotations")[transform.AnnotationTemplate].(string)
	return digest
}

// withoutReplicas returns what was rendered without the replicas and our digests.
// It shares all else.
func (l *Loop) withoutReplicas(rendered *unstructured.Unstructured) map[string]any {
	obj := without(rendered.Object, l.pipeline.ReplicasPath(rendered.GroupVersionKind().GroupKind()))
	obj = without(obj, []string{"metadata", "annotations", transform.AnnotationDigest})
	return without(obj, []string{"metadata", "annotations", transform.AnnotationTemplate})
}

// without returns an object without what stands at a path. It shares all else.
func without(obj map[string]any, path []string) map[string]any {
	if len(path) == 0 {
		return obj
	}
	value, ok := obj[path[0]]
	if !ok {
		return obj
	}
	out := maps.Clone(obj)
	if len(path) == 1 {
		delete(out, path[0])
		return out
	}
	if inner, ok := value.(map[string]any); ok {
		out[path[0]] = without(inner, path[1:])
	}
	return out
}
