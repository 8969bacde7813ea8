package builtin_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/tmc-sdk/tmc/transform"
	"github.com/tmc-sdk/tmc/transform/builtin"
)

// fields reads an object as a fuzzer may shape it.
func fields(data []byte) (map[string]any, bool) {
	var read map[string]any
	if err := utiljson.Unmarshal(data, &read); err != nil || read == nil {
		return nil, false
	}
	return read, true
}

// FuzzExpand: no text makes it panic, text without ${ stays, and what
// CheckTemplate accepts fails for nothing but a value that the target lacks.
func FuzzExpand(f *testing.F) {
	for _, seed := range []string{"", "plain", "${cluster.name}", "$${x}", "${", "${}", "$$${cluster.region}}", "${cluster.labels.a.b/c}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		out, err := builtin.Expand(europe, text)
		if !strings.Contains(text, "${") && (err != nil || out != text) {
			t.Errorf("%q became %q, %v", text, out, err)
		}
		if builtin.CheckTemplate(text) == nil && err != nil && !strings.Contains(err.Error(), " has no ") && !strings.Contains(err.Error(), "longer than") {
			t.Errorf("%q was accepted, and then: %v", text, err)
		}
	})
}

// FuzzBuiltins: no object makes any of them panic, and what they made they leave
// as it is.
func FuzzBuiltins(f *testing.F) {
	for _, obj := range objects() {
		data, err := obj.MarshalJSON()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	steps := all()
	f.Fuzz(func(t *testing.T, data []byte) {
		var fields map[string]any
		if err := utiljson.Unmarshal(data, &fields); err != nil || fields == nil {
			return
		}
		if _, ok := fields["metadata"].(map[string]any); !ok {
			fields["metadata"] = map[string]any{}
		}
		for _, step := range steps {
			obj := (&unstructured.Unstructured{Object: fields}).DeepCopy()
			if m, ok := step.(transform.Matcher); ok && !m.Matches(europe, obj) || step.Transform(t.Context(), europe, obj) != nil {
				continue
			}
			once := obj.DeepCopy()
			if err := step.Transform(t.Context(), europe, obj); err != nil || !equal(once, obj) {
				t.Errorf("%s: twice is not once (%v): %v, then %v", step.Name(), err, once.Object, obj.Object)
			}
		}
	})
}

// FuzzStrategicMerge: no patch makes it panic.
func FuzzStrategicMerge(f *testing.F) {
	f.Add([]byte(`{"spec":{"containers":[{"name":"web","$patch":"delete"}]}}`), []byte(`{"spec":{"containers":[{"name":"web"},{"name":"b"}]}}`))
	f.Add([]byte(`{"spec":{"$setElementOrder/containers":[{"name":"b"}],"$retainKeys":["x"]}}`), []byte(`{"spec":{"containers":[1,null]}}`))
	scheme := runtime.NewScheme()
	_ = corev1.AddToScheme(scheme)
	f.Fuzz(func(t *testing.T, patch, data []byte) {
		step, err := builtin.StrategicMerge(scheme, patch)
		var fields map[string]any
		if err != nil || utiljson.Unmarshal(data, &fields) != nil || fields == nil {
			return
		}
		fields["apiVersion"], fields["kind"] = "v1", "Pod"
		_ = step.Transform(t.Context(), europe, &unstructured.Unstructured{Object: fields}) // it must return
	})
}

// FuzzReferences: whatever namespace a tenant names, and however the object is
// shaped, what comes of it is a namespace of this tenant or a shared one; and what
// was rewritten stays.
func FuzzReferences(f *testing.F) {
	for _, obj := range objects() {
		data, err := obj.MarshalJSON()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, "other")
	}
	namespace, _ := transform.HashedNaming{}.Locate(schema.GroupVersionKind{}, transform.Origin{LogicalCluster: "another", Namespace: "shop"})
	f.Add([]byte(`{"kind":"HTTPRoute","apiVersion":"gateway.networking.k8s.io/v1","spec":{"parentRefs":[{"namespace":[["x"],7]}]}}`), namespace)
	f.Add([]byte(`{"kind":"NetworkPolicy","apiVersion":"networking.k8s.io/v1","spec":{"ingress":[{"from":[{"namespaceSelector":{"matchExpressions":[{"key":"kubernetes.io/metadata.name","values":{}}]}}]}]}}`), "gateways")
	step := builtin.Must(builtin.References(builtin.ReferenceRules{SharedNamespaces: []string{"gateways"}, Synced: []schema.GroupKind{
		{Kind: "ConfigMap"}, {Kind: "Secret"}, {Kind: "Service"}, {Group: "storage.k8s.io", Kind: "StorageClass"},
	}}))
	ours := func(name string) string {
		o := transform.Origin{LogicalCluster: europe.Origin.LogicalCluster, Namespace: name, Name: name}
		namespace, _ := transform.HashedNaming{}.Locate(schema.GroupVersionKind{}, o)
		return namespace
	}
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		binding := parse(`{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: b, namespace: shop}, subjects: [{kind: User}]}`)
		subject := binding.Object["subjects"].([]any)[0].(map[string]any)
		subject["namespace"] = name
		if err := step.Transform(t.Context(), europe, binding); err != nil {
			t.Fatal(err)
		}
		got, _ := subject["namespace"].(string)
		before := got
		if i := strings.LastIndexByte(got, '-'); i > 0 {
			before = got[:i]
		}
		if got != "" && got != "gateways" && got != ours(name) && (got != name || got != ours(before)) {
			t.Errorf("namespace %q became %q, which is not the tenant's", name, got)
		}
		shaped, ok := fields(data)
		if !ok {
			return
		}
		obj := &unstructured.Unstructured{Object: shaped}
		if err := step.Transform(t.Context(), europe, obj); err != nil {
			t.Fatal(err)
		}
		once := obj.DeepCopy()
		if err := step.Transform(t.Context(), europe, obj); err != nil || !equal(once, obj) {
			t.Errorf("twice is not once (%v): %v, then %v", err, once.Object, obj.Object)
		}
	})
}

// FuzzHosts: a name in no domain stays, one in a domain keeps what is before it, and
// what was mapped stays, whatever the domains are.
func FuzzHosts(f *testing.F) {
	f.Add("www.example.com", "example.com", "example.net", "shop.example.com")
	f.Add("*.a.b", "a.b", "b", "b")
	f.Add("a", "a", "b.a", "x.a")
	f.Add("x.b", "a.b", "b.a.b", "b")
	f.Fuzz(func(t *testing.T, host, from, to, also string) {
		step, err := builtin.Hosts(map[string]string{from: to, also: from})
		if err != nil {
			return
		}
		route := parse(`{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: r}, spec: {hostnames: [x]}}`)
		names := route.Object["spec"].(map[string]any)["hostnames"].([]any)
		names[0] = host
		if step.Transform(t.Context(), europe, route) != nil {
			return
		}
		got, _ := names[0].(string)
		if !strings.HasSuffix(host, from) && !strings.HasSuffix(host, also) && got != host {
			t.Errorf("%q is in no domain and became %q", host, got)
		}
		first, _, _ := strings.Cut(host, from)
		if strings.HasSuffix(host, "."+from) && from != also && !strings.HasPrefix(got, strings.TrimSuffix(first, ".")) && !strings.HasSuffix(host, also) {
			t.Errorf("%q became %q, and lost what was before the domain", host, got)
		}
		if err := step.Transform(t.Context(), europe, route); err != nil || names[0] != got {
			t.Errorf("%q became %q and then %q (%v)", host, got, names[0], err)
		}
	})
}

// FuzzPatches: no patch of the two forms makes a pipeline panic or changes what ties
// a copy to its original.
func FuzzPatches(f *testing.F) {
	f.Add([]byte(`[{"op":"add","path":"/spec/x","value":{"y":[1]}},{"op":"move","from":"/spec/x/y","path":"/spec/z"}]`), true, 0)
	f.Add([]byte(`[{"op":"copy","from":"/spec","path":"/metadata/labels/a"},{"op":"test","path":"","value":null}]`), true, 1)
	f.Add([]byte(`{"metadata":{"annotations":{"tmc-sdk.dev/uid":null}},"spec":null}`), false, 2)
	list := objects()
	f.Fuzz(func(t *testing.T, patch []byte, isJSON bool, which int) {
		form := builtin.MergePatch
		if isJSON {
			form = builtin.JSONPatch
		}
		step, err := form(patch)
		if err != nil {
			return
		}
		p, err := transform.NewPipeline("main", transform.With(step))
		if err != nil {
			t.Fatal(err)
		}
		obj := list[((which%len(list))+len(list))%len(list)]
		out, err := p.Render(t.Context(), europe, obj, europe.Origin)
		if err != nil {
			return
		}
		namespace, name := p.Locate(obj.GroupVersionKind(), europe.Origin)
		marks, ok := transform.ReadMarks(out)
		if !ok || marks != (transform.Marks{Installation: "main", Origin: europe.Origin}) || out.GetNamespace() != namespace || out.GetName() != name ||
			out.GroupVersionKind() != obj.GroupVersionKind() || len(out.GetOwnerReferences()) > 0 || len(out.GetFinalizers()) > 0 {
			t.Errorf("%s made it %v", patch, out.Object)
		}
	})
}
