package transform_test

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/tmc-sdk/tmc/transform"
)

// shapes are what a server would never send and a fuzzer starts from.
var shapes = []string{
	`{}`, `{"kind":1,"metadata":2,"spec":3,"status":4}`,
	`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"x","labels":{"a":"b"},"annotations":{"kcp.io/x":"y"}},"spec":{"replicas":3,"template":{"spec":{"containers":[{"image":"x"}]}}},"status":{"replicas":1,"conditions":[{"type":"Available","status":"True"}]}}`,
	`{"apiVersion":"batch/v1","kind":"CronJob","spec":{"jobTemplate":{"spec":{"template":"x"}}}}`,
	`{"apiVersion":"apps/v1","kind":"StatefulSet","spec":{"volumeClaimTemplates":[1,{"metadata":[]}]}}`,
	`{"apiVersion":"v1","kind":"Pod","metadata":{"labels":[]},"spec":{"containers":{"a":"b"}}}`,
}

func decode(data []byte) (*unstructured.Unstructured, bool) {
	var fields map[string]any
	if err := utiljson.Unmarshal(data, &fields); err != nil || fields == nil {
		return nil, false
	}
	return &unstructured.Unstructured{Object: fields}, true
}

func FuzzRender(f *testing.F) {
	for _, s := range shapes {
		f.Add([]byte(s))
	}
	mirror, err := transform.Registries(transform.Mirror{From: "docker.io", To: "mirror.example"})
	require.NoError(f, err)
	p := pipeline(f, transform.With(mirror))
	two := int32(2)
	origin := transform.Origin{LogicalCluster: "1abc", Namespace: "shop", Name: "web", UID: "u"}
	f.Fuzz(func(t *testing.T, data []byte) {
		obj, ok := decode(data)
		if !ok {
			return
		}
		before, _ := json.Marshal(obj.Object)
		out, err := p.Render(t.Context(), &transform.Target{Replicas: &two}, obj, origin)
		after, _ := json.Marshal(obj.Object)
		require.JSONEq(t, string(before), string(after), "the original changed")
		if err != nil {
			return
		}
		marks, ok := transform.ReadMarks(out)
		require.True(t, ok)
		require.Equal(t, transform.Marks{Installation: "prod", Origin: origin}, marks)
		again, err := p.Render(t.Context(), &transform.Target{Replicas: &two}, out, origin)
		require.NoError(t, err)
		require.Equal(t, out, again, "what is rendered renders to itself")
	})
}

func FuzzHealth(f *testing.F) {
	for _, s := range shapes {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		obj, ok := decode(data)
		if !ok {
			return
		}
		health, _ := transform.Health(obj)
		require.NotEmpty(t, health)
	})
}

func FuzzAggregate(f *testing.F) {
	for _, s := range shapes {
		for _, other := range shapes {
			f.Add([]byte(s), []byte(other))
		}
	}
	f.Add([]byte(`{"status":{"a":1,"l":[2.0]}}`), []byte(`{"status":{"a":1.0,"l":[2]}}`))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		first, ok := decode(a)
		second, too := decode(b)
		if !ok || !too {
			return
		}
		for _, aggregator := range allAggregators() {
			one := []transform.Observed{{Cluster: "a", Copy: first}, {Cluster: "b", Copy: second}}
			other := []transform.Observed{one[1], one[0]}
			status, err := aggregator.Aggregate(first, one)
			require.NoError(t, err)
			swapped, err := aggregator.Aggregate(first, other)
			require.NoError(t, err)
			require.Equal(t, status, swapped, "another order, another status")
			if _, isMap := status["conditions"].([]any); isMap {
				_, err := json.Marshal(status)
				require.NoError(t, err)
			}
		}
	})
}

// FuzzMarks: what is stamped is read back, whatever was there; what is read is
// never another's for a mark that is missing.
func FuzzMarks(f *testing.F) {
	f.Add("prod", "1abc", "shop", "web", "u-1", []byte(`{"metadata":{"labels":{"tmc-sdk.dev/installation":"x"}}}`))
	f.Add("", "", "", "", "", []byte(`{"metadata":{"labels":3,"annotations":["x"]}}`))
	f.Fuzz(func(t *testing.T, installation, cluster, namespace, name, uid string, data []byte) {
		obj, ok := decode(data)
		if !ok {
			return
		}
		_, _ = transform.ReadMarks(obj) // it must return
		_ = transform.HasMarks(obj)
		if _, isMap := obj.Object["metadata"].(map[string]any); !isMap {
			return // no server sends such an object
		}
		want := transform.Marks{Installation: installation, Origin: transform.Origin{
			LogicalCluster: cluster, Namespace: namespace, Name: name, UID: types.UID(uid),
		}}
		for _, field := range []string{"annotations", "labels"} {
			metadata := obj.Object["metadata"].(map[string]any)
			delete(metadata, field)
		}
		want.Stamp(obj)
		got, ok := transform.ReadMarks(obj)
		if installation == "" || cluster == "" || name == "" {
			require.False(t, ok)
			return
		}
		require.True(t, ok)
		require.Equal(t, want, got)
	})
}

// FuzzNaming: whatever the names are, those of copies are legal, stable, and
// another for another original.
func FuzzNaming(f *testing.F) {
	f.Add("1abc", "shop", "web", "1abd")
	f.Add("1abc", "", strings.Repeat("a", 253), "1abc-")
	f.Add("2x", strings.Repeat("a-", 31), "-.", "2x")
	f.Fuzz(func(t *testing.T, cluster, namespace, name, other string) {
		for _, kind := range []schema.GroupVersionKind{{Kind: "Namespace"}, {Group: "apps", Kind: "Deployment"}} {
			o := transform.Origin{LogicalCluster: cluster, Namespace: namespace, Name: name}
			inNamespace, is := transform.HashedNaming{}.Locate(kind, o)
			require.LessOrEqual(t, len(inNamespace), 63)
			if namespace == "" || kind.Kind == "Namespace" {
				require.Empty(t, inNamespace)
				require.LessOrEqual(t, len(is), 253)
			} else {
				require.Equal(t, name, is)
			}
			again, too := transform.HashedNaming{}.Locate(kind, o)
			require.Equal(t, []string{inNamespace, is}, []string{again, too})
			o.LogicalCluster = other
			if elsewhere, as := (transform.HashedNaming{}).Locate(kind, o); other != cluster && !strings.ContainsRune(cluster+other+namespace+name, 0) {
				require.NotEqual(t, inNamespace+"/"+is, elsewhere+"/"+as)
			}
		}
	})
}

// FuzzWithin: what changes a path and nothing else is within the path, and what
// changes another field is not.
func FuzzWithin(f *testing.F) {
	for _, s := range shapes {
		f.Add([]byte(s), "spec.template.spec.containers[*].image", "spec")
		f.Add([]byte(s), "metadata.labels['a']", "spec")
	}
	f.Fuzz(func(t *testing.T, data []byte, text, field string) {
		obj, ok := decode(data)
		path, err := transform.ParsePath(text)
		if !ok || err != nil || field == "" {
			return
		}
		touch := func(o *unstructured.Unstructured) {
			_ = path.Update(o.Object, func(any) (any, error) { return "touched", nil })
		}
		err = transform.Within(change("in", touch), path).Transform(t.Context(), &transform.Target{}, obj.DeepCopy())
		require.NoError(t, err)
		there, has := obj.Object[field]
		also := func(o *unstructured.Unstructured) {
			o.Object[field] = map[string]any{"was": there, "had": has, "new": "value"}
		}
		allowed, err := transform.ParsePath(text + ".below")
		if err != nil || strings.HasPrefix(strings.TrimPrefix(text, "."), field) || strings.HasPrefix(text, "['") {
			return
		}
		err = transform.Within(change("out", also), path, allowed).Transform(t.Context(), &transform.Target{}, obj.DeepCopy())
		require.Error(t, err)
	})
}

// FuzzScope: what Within finds in an object, and what it then says was touched, agree:
// a pipeline names a field that was changed, and that none of the paths covers.
func FuzzScope(f *testing.F) {
	for _, s := range shapes {
		f.Add([]byte(s), "spec.template.spec.containers[*].image", "spec.template.spec.containers", "spec.replicas")
		f.Add([]byte(s), "spec['a.b'][*][*].c", "spec['a.b'][*]", "spec.template")
	}
	f.Add([]byte(`{"kind":"X","metadata":{},"spec":{"it's":[{"a.b":1},{"c]":2}]}}`), "spec['it''s'][*]['a.b']", "spec['it''s'][*]['c]']", "spec")
	origin := transform.Origin{LogicalCluster: "1abc", Namespace: "shop", Name: "web", UID: "u"}
	f.Fuzz(func(t *testing.T, data []byte, open, touched, also string) {
		obj, ok := decode(data)
		mine, err := transform.ParsePath(open)
		if !ok || err != nil {
			return
		}
		var paths []transform.Path
		for _, text := range [...]string{touched, also} {
			if p, err := transform.ParsePath(text); err == nil {
				paths = append(paths, p)
			}
		}
		step := change("step", func(o *unstructured.Unstructured) {
			for i, p := range paths {
				_ = p.Update(o.Object, func(value any) (any, error) {
					if list, ok := value.([]any); ok && i == 0 && len(list) > 0 {
						return list[1:], nil
					}
					return map[string]any{"was": value, "a.b": map[string]any{}}, nil
				})
			}
		})
		_, err = pipeline(t, transform.With(transform.Within(step, mine))).Render(t.Context(), &transform.Target{}, obj, origin)
		var scope *transform.ScopeError
		if !errors.As(err, &scope) {
			return
		}
		require.NotEmpty(t, scope.Field, "what was touched is named")
		if strings.Contains(scope.Field, "'") {
			return // what looks like an index may be part of a name
		}
		// The very field that was named, opened too, is not what is complained of again.
		every := func(field string) string { return regexp.MustCompile(`\[\d+\]`).ReplaceAllString(field, "[*]") }
		named, err := transform.ParsePath(every(scope.Field))
		require.NoError(t, err)
		_, err = pipeline(t, transform.With(transform.Within(step, mine, named))).Render(t.Context(), &transform.Target{}, obj, origin)
		if errors.As(err, &scope) {
			require.NotEqual(t, named.String(), every(scope.Field))
		}
	})
}

// FuzzTyped: a typed transformer that changes nothing changes nothing, whatever
// the object has that the type has not.
func FuzzTyped(f *testing.F) {
	for _, s := range shapes {
		f.Add([]byte(s))
	}
	f.Add([]byte(`{"apiVersion":"apps/v1","kind":"Deployment","spec":{"template":{"spec":{"containers":[{"name":"a","future":{"x":[1]}},{"name":"a"}],"resourceClaims":null}},"zero":0}}`))
	kind := schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	nothing := transform.For("nothing", kind, func(context.Context, *transform.Target, *appsv1.Deployment) error { return nil })
	paused := transform.For("paused", kind, func(_ context.Context, _ *transform.Target, d *appsv1.Deployment) error {
		d.Spec.Paused = true
		return nil
	})
	f.Fuzz(func(t *testing.T, data []byte) {
		obj, ok := decode(data)
		if !ok {
			return
		}
		before := obj.DeepCopy()
		if nothing.Transform(t.Context(), &transform.Target{}, obj) != nil {
			return
		}
		require.Equal(t, before, obj)
		require.NoError(t, paused.Transform(t.Context(), &transform.Target{}, obj))
		spec, _ := obj.Object["spec"].(map[string]any)
		if was, _ := before.Object["spec"].(map[string]any); spec != nil && was != nil && before.GetKind() == "Deployment" && before.GetAPIVersion() == "apps/v1" {
			require.Equal(t, true, spec["paused"])
			was["paused"] = true
			require.Equal(t, before, obj)
		}
	})
}

// FuzzRedact: no status tells where copies stand.
func FuzzRedact(f *testing.F) {
	f.Add([]byte(`{"conditions":[{"type":"Ready","status":"False","message":"pods \"x\" in shop-abc is forbidden"}],"nodes":["n1"]}`), "nodes[*]")
	f.Add([]byte(`{"a":{"b":[["shop-abc"]]}}`), "a.b")
	f.Add([]byte(`{"namespaces":{"shop-abc":"Ready","shop":{"shop-abc":1}}}`), "a.b")
	f.Fuzz(func(t *testing.T, data []byte, dropped string) {
		status, ok := decode(data)
		path, err := transform.ParsePath(dropped)
		if !ok || err != nil {
			return
		}
		kind := schema.GroupVersionKind{Group: "db.example", Version: "v1", Kind: "Cluster"}
		rules := transform.NewStatusRules(transform.DropStatus(kind.GroupKind(), path))
		copied := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"namespace": "shop-abc", "name": "c"}, "status": status.Object}}
		original := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"namespace": "shop", "name": "c"}}}
		before := copied.DeepCopy()
		got, err := rules.For(kind).Aggregate(original, []transform.Observed{{Cluster: "a", Copy: copied}})
		require.Equal(t, before, copied)
		if err == nil {
			requireNowhere(t, got, "shop-abc")
		}
	})
}

// requireNowhere finds a text in a status.
func requireNowhere(t *testing.T, value any, text string) {
	t.Helper()
	switch v := value.(type) {
	case string:
		require.NotContains(t, v, text)
	case map[string]any:
		for field, inner := range v {
			require.NotContains(t, field, text)
			requireNowhere(t, inner, text)
		}
	case []any:
		for _, inner := range v {
			requireNowhere(t, inner, text)
		}
	}
}

// FuzzReturned: whatever a tenant writes into its object or the note of what came
// back, nothing panics, its own fields stay, and what is given back once is given
// back.
func FuzzReturned(f *testing.F) {
	f.Add(`{"spec.clusterIP":"10.0.0.7"}`, []byte(`{"clusterIP":"10.0.0.7","a":{"b":1}}`), []byte(`{"clusterIP":"10.0.0.8","a":{"b":2}}`))
	f.Add(`{"spec.a.b":null}`, []byte(`{"a":3}`), []byte(`{"a":{"b":[1,{"c":null}]}}`))
	f.Add(`[`, []byte(`[]`), []byte(`{}`))
	p := pipeline(f, transform.WithReturned(schema.GroupKind{Kind: "Service"}, paths("spec.clusterIP", "spec.a.b")...))
	f.Fuzz(func(t *testing.T, note string, spec, copied []byte) {
		var up, down any
		if utiljson.Unmarshal(spec, &up) != nil || utiljson.Unmarshal(copied, &down) != nil {
			return
		}
		original := object(t, `{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}}`, with(up, "spec"))
		original.SetAnnotations(map[string]string{transform.AnnotationReturned: note})
		seen := []transform.Observed{{Cluster: "a", Copy: object(t, `{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop-x}}`, with(down, "spec"))}}
		before := original.DeepCopy()
		_, _ = p.Render(t.Context(), &transform.Target{}, original, originOf(original)) // it must return
		patch, err := p.Returned(original, seen)
		require.Equal(t, before, original)
		if _, isMap := up.(map[string]any); err != nil || patch == nil || !isMap {
			return
		}
		again, err := p.Returned(patched(t, original, patch), seen)
		require.NoError(t, err)
		require.Nil(t, again)
	})
}
