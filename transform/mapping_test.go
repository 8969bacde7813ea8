package transform_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/transform"
)

func mappedDatabase(version string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "tenant.example.org/" + version, "kind": "Database",
		"metadata": map[string]any{"name": "orders", "namespace": "shop", "uid": "u", "resourceVersion": "7"},
		"spec":     map[string]any{"size": "small", "replicas": int64(4)},
	}}
}

func TestAKindIsAnotherOnClusters(t *testing.T) {
	from := schema.GroupKind{Group: "tenant.example.org", Kind: "Database"}
	to := schema.GroupKind{Group: "db.example.org", Kind: "Cluster"}
	tests := map[string]struct {
		reason  string
		mapping []transform.KindMapping
		target  schema.GroupVersionKind
		want    schema.GroupVersionKind
		marked  schema.GroupKind
		err     string
	}{
		"no mapping": {
			reason: "what is declared nowhere is what it is",
			want:   from.WithVersion("v1beta1"),
		},
		"another version": {
			reason:  "a version is no other kind, so no mark is needed",
			mapping: []transform.KindMapping{{From: from, Versions: []string{"v1", "v1beta1"}}},
			want:    from.WithVersion("v1"),
		},
		"the version that a cluster serves": {
			reason:  "the caller knows the cluster",
			mapping: []transform.KindMapping{{From: from, Versions: []string{"v1", "v1beta1"}}},
			target:  from.WithVersion("v1beta1"),
			want:    from.WithVersion("v1beta1"),
		},
		"another kind": {
			reason:  "the copy tells of what kind its original is",
			mapping: []transform.KindMapping{{From: from, To: to, Versions: []string{"v2"}}},
			want:    to.WithVersion("v2"), marked: from,
		},
		"another kind in the same version": {
			reason:  "a version that is not said is that of the original",
			mapping: []transform.KindMapping{{From: from, To: to}},
			want:    to.WithVersion("v1beta1"), marked: from,
		},
		"a kind that nobody declared": {
			reason: "a caller can't make up a kind",
			target: to.WithVersion("v1"),
			err:    "declare a KindMapping",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var seen schema.GroupVersionKind
			look := transform.Func("look", func(_ context.Context, _ *transform.Target, obj *unstructured.Unstructured) error {
				seen = obj.GroupVersionKind()
				return nil
			})
			p, err := transform.NewPipeline("prod", transform.WithKindMappings(tt.mapping...), transform.With(look), transform.WithReplicas(from, "spec", "replicas"))
			require.NoError(t, err)
			original := mappedDatabase("v1beta1")
			origin := transform.Origin{LogicalCluster: "1abc", Namespace: "shop", Name: "orders", UID: "u"}
			rendered, err := p.Render(t.Context(), &transform.Target{Cluster: "a", Kind: tt.target, Replicas: new(int32(3))}, original, origin)
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err, tt.reason)
				return
			}
			require.NoError(t, err, tt.reason)
			require.Equal(t, tt.want, rendered.GroupVersionKind(), tt.reason)
			require.Equal(t, tt.want, seen, "a transformer sees what goes to the cluster")
			marks, ok := transform.ReadMarks(rendered)
			require.True(t, ok)
			require.Equal(t, transform.Marks{Installation: "prod", Origin: origin, Kind: tt.marked}, marks, tt.reason)
			require.Equal(t, map[string]any{"size": "small", "replicas": int64(3)}, rendered.Object["spec"], "what is divided goes by the kind in the workspace")
			require.Contains(t, p.KindsOn(original.GroupVersionKind()), tt.want)
		})
	}
}

func TestNoTransformerChangesAMappedKind(t *testing.T) {
	from, to := schema.GroupKind{Group: "tenant.example.org", Kind: "Database"}, schema.GroupKind{Group: "db.example.org", Kind: "Cluster"}
	for name, change := range map[string]func(*unstructured.Unstructured){
		"kind":    func(obj *unstructured.Unstructured) { obj.SetKind("Role") },
		"version": func(obj *unstructured.Unstructured) { obj.SetAPIVersion("db.example.org/v9") },
		"mark": func(obj *unstructured.Unstructured) {
			obj.SetAnnotations(map[string]string{transform.AnnotationKind: "Other.example.org"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			evil := transform.Func("evil", func(_ context.Context, _ *transform.Target, obj *unstructured.Unstructured) error {
				change(obj)
				return nil
			})
			p, err := transform.NewPipeline("prod", transform.WithKindMappings(transform.KindMapping{From: from, To: to}), transform.With(evil))
			require.NoError(t, err)
			_, err = p.Render(t.Context(), &transform.Target{Cluster: "a"}, mappedDatabase("v1"), transform.Origin{LogicalCluster: "1abc", Namespace: "shop", Name: "orders", UID: "u"})
			var identity *transform.IdentityError
			require.ErrorAs(t, err, &identity)
		})
	}
}

func TestMappingsThatCantBeAreRefused(t *testing.T) {
	kind := func(name string) schema.GroupKind { return schema.GroupKind{Group: "example.org", Kind: name} }
	for name, tt := range map[string]struct {
		reason   string
		mappings []transform.KindMapping
		err      string
	}{
		"twice":         {"one original is one copy", []transform.KindMapping{{From: kind("A"), To: kind("B")}, {From: kind("A"), To: kind("C")}}, "mapped twice"},
		"two to one":    {"their copies would have one name", []transform.KindMapping{{From: kind("A"), To: kind("C")}, {From: kind("B"), To: kind("C")}}, "two kinds are mapped to"},
		"nothing":       {"a kind is needed", []transform.KindMapping{{To: kind("A")}}, "From and To need a kind"},
		"empty version": {"it would be none", []transform.KindMapping{{From: kind("A"), Versions: []string{""}}}, "a version is empty"},
		"namespaces":    {"they are the loop's own", []transform.KindMapping{{From: kind("A"), To: schema.GroupKind{Kind: "Namespace"}}}, "Namespace"},
		"nodes":         {"no copy of it can be told apart", []transform.KindMapping{{From: kind("A"), To: schema.GroupKind{Kind: "Node"}}}, "can't be copied"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := transform.NewPipeline("prod", transform.WithKindMappings(tt.mappings...))
			require.ErrorContains(t, err, tt.err, tt.reason)
		})
	}
}
