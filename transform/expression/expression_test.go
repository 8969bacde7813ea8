package expression_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/tmc-sdk/tmc/transform"
	"github.com/tmc-sdk/tmc/transform/expression"
	"github.com/tmc-sdk/tmc/transform/transformtest"
)

var replicas = int32(4)

var europe = &transform.Target{
	Cluster: "eu-1", Region: "eu", Labels: map[string]string{"tier": "prod"}, Properties: map[string]string{"price": "0.3"}, Replicas: &replicas,
	Origin: transform.Origin{LogicalCluster: "2x9a", Namespace: "shop", Name: "web"},
}

func parse(text string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	data, err := yaml.YAMLToJSON([]byte(text))
	if err == nil {
		err = u.UnmarshalJSON(data)
	}
	if err != nil {
		panic(err)
	}
	return u
}

func ExampleMerge() {
	step, err := expression.Merge("region", `{"spec": {"nodeSelector": {"region": target.region}}}`,
		expression.When(`object.kind == "Pod" && target.region != ""`))
	if err != nil {
		panic(err)
	}
	obj := parse(`{apiVersion: v1, kind: Pod, spec: {nodeSelector: {arch: arm64}}}`)
	err = step.Transform(context.Background(), europe, obj)
	fmt.Println(obj.Object["spec"], err)
	// Output: map[nodeSelector:map[arch:arm64 region:eu]] <nil>
}

func ExamplePatch() {
	step, err := expression.Patch("first-image", `[{"op": "replace", "path": "/spec/containers/0/image",
		"value": object.spec.containers[0].image.replace("docker.io/", "mirror.example/")}]`)
	if err != nil {
		panic(err)
	}
	obj := parse(`{apiVersion: v1, kind: Pod, spec: {containers: [{image: docker.io/nginx}]}}`)
	err = step.Transform(context.Background(), europe, obj)
	fmt.Println(obj.Object["spec"], err)
	// Output: map[containers:[map[image:mirror.example/nginx]]] <nil>
}

func ExampleAggregate() {
	ready, err := expression.Aggregate("Lag", `{"lag": math.greatest(copies.map(c, c.status.?lag.orValue(0)))}`)
	if err != nil {
		panic(err)
	}
	on := func(cluster string, lag int64) transform.Observed {
		return transform.Observed{Cluster: cluster, Copy: &unstructured.Unstructured{Object: map[string]any{"status": map[string]any{"lag": lag}}}}
	}
	status, err := ready.Aggregate(&unstructured.Unstructured{}, []transform.Observed{on("eu-1", 3), on("us-1", 7), {Cluster: "us-2"}})
	fmt.Println(status, err)
	// Output: map[lag:7] <nil>
}

func TestTransformers(t *testing.T) {
	for name, tc := range map[string]struct {
		reason                 string
		merge, patch, when, in string
		want, fails            string
	}{
		"merge": {
			reason: "maps merge, null removes, lists replace",
			merge:  `{"spec": {"a": null, "l": [1, 2], "deep": {"x": {"y": null, "z": true}}, "o": object.metadata.name}}`,
			in:     `{kind: X, metadata: {name: web}, spec: {a: 1, l: [3], keep: 1.5}}`,
			want:   `{kind: X, metadata: {name: web}, spec: {l: [1, 2], keep: 1.5, deep: {x: {z: true}}, o: web}}`,
		},
		"all that is seen": {
			merge: `{"spec": {"s": [target.cluster, target.region, target.labels.tier, target.properties["price"], origin.workspace, origin.namespace, origin.name, string(target.replicas)]}}`,
			in:    `{kind: X, spec: {}}`,
			want:  `{kind: X, spec: {s: [eu-1, eu, prod, "0.3", 2x9a, shop, web, "4"]}}`,
		},
		"the object itself": {
			reason: "a result shares nothing with the object",
			merge:  `{"copy": object.spec}`, in: `{kind: X, spec: {a: [1]}}`, want: `{kind: X, spec: {a: [1]}, copy: {a: [1]}}`,
		},
		"kinds of numbers":  {merge: `{"spec": {"u": 3u, "d": 1.5, "i": -1, "b": false, "list": [null], "o": [optional.of(1), optional.none()]}}`, in: `{kind: X}`, want: `{kind: X, spec: {u: 3, d: 1.5, i: -1, b: false, list: [null], o: [1, null]}}`},
		"false condition":   {merge: `{"spec": 1}`, when: `object.kind == "Y"`, in: `{kind: X}`, want: `{kind: X}`},
		"failing condition": {merge: `{"spec": 1}`, when: `object.spec.absent == 1`, in: `{kind: X}`, fails: "no such key: spec"},
		"absent field":      {merge: `{"spec": object.spec.absent}`, in: `{kind: X, spec: {}}`, fails: "no such key: absent"},
		"no map":            {merge: `object.kind`, in: `{kind: X}`, fails: "gives no map"},
		"no list":           {patch: `object.kind`, in: `{kind: X}`, fails: "gives no list"},
		"no JSON":           {merge: `{"spec": duration("1s")}`, in: `{kind: X}`, fails: "no JSON"},
		"bytes":             {merge: `{"spec": b"x"}`, in: `{kind: X}`, fails: "no JSON"},
		"infinity":          {merge: `{"spec": 1.0 / double(size(object.kind) - 1)}`, in: `{kind: X}`, fails: "number that is none"},
		"huge":              {merge: `{"spec": 18446744073709551615u}`, in: `{kind: X}`, fails: "too great"},
		"odd key":           {merge: `dyn({1: 2})`, in: `{kind: X}`, fails: "key of type"},
		"add":               {patch: `[{"op": "add", "path": "/spec/l/1", "value": 9}, {"op": "add", "path": "/spec/l/-", "value": 8}]`, in: `{kind: X, spec: {l: [1, 2]}}`, want: `{kind: X, spec: {l: [1, 9, 2, 8]}}`},
		"remove":            {patch: `[{"op": "remove", "path": "/spec/l/0"}, {"op": "remove", "path": "/spec/a"}]`, in: `{kind: X, spec: {a: 1, l: [1, 2]}}`, want: `{kind: X, spec: {l: [2]}}`},
		"move and copy":     {patch: `[{"op": "move", "from": "/spec/a", "path": "/spec/b"}, {"op": "copy", "from": "/spec/b", "path": "/spec/c"}]`, in: `{kind: X, spec: {a: {x: 1}}}`, want: `{kind: X, spec: {b: {x: 1}, c: {x: 1}}}`},
		"escaped":           {patch: `[{"op": "add", "path": "/spec/" + escapeKey("a/b~c"), "value": 1}]`, in: `{kind: X, spec: {}}`, want: `{kind: X, spec: {"a/b~c": 1}}`},
		"test passes":       {patch: `[{"op": "test", "path": "/spec/l/0", "value": 1}, {"op": "replace", "path": "/spec/l/0", "value": 2}]`, in: `{kind: X, spec: {l: [1]}}`, want: `{kind: X, spec: {l: [2]}}`},
		"test fails":        {patch: `[{"op": "test", "path": "/spec/a", "value": 2}]`, in: `{kind: X, spec: {a: 1}}`, fails: "not what is tested for"},
		"element differs":   {patch: `[{"op": "test", "path": "/spec/a/0", "value": 2}]`, in: `{kind: X, spec: {a: [1]}}`, fails: "not what is tested for"},
		"nothing there":     {patch: `[{"op": "replace", "path": "/spec/b", "value": 2}]`, in: `{kind: X, spec: {a: 1}}`, fails: `there is no "b"`},
		"no parent":         {patch: `[{"op": "add", "path": "/spec/b/c", "value": 2}]`, in: `{kind: X, spec: {a: 1}}`, fails: `there is no "b"`},
		"a text's field":    {patch: `[{"op": "add", "path": "/kind/c", "value": 2}]`, in: `{kind: X}`, fails: "in a string"},
		"beyond the end":    {patch: `[{"op": "add", "path": "/spec/9", "value": 2}]`, in: `{kind: X, spec: [1]}`, fails: `no element "9"`},
		"odd index":         {patch: `[{"op": "add", "path": "/spec/01", "value": 2}]`, in: `{kind: X, spec: [1, 2]}`, fails: `no element "01"`},
		"the whole":         {patch: `[{"op": "replace", "path": "", "value": {}}]`, in: `{kind: X}`, fails: "not the path of a field"},
		"into itself":       {patch: `[{"op": "move", "from": "/spec", "path": "/spec/a"}]`, in: `{kind: X, spec: {}}`, fails: "into itself"},
		"no operation":      {patch: `[{"op": "invent", "path": "/a"}]`, in: `{kind: X}`, fails: "no operation"},
		"no value":          {patch: `[{"op": "add", "path": "/a"}]`, in: `{kind: X}`, fails: "needs a value"},
		"no from":           {patch: `[{"op": "move", "path": "/a"}]`, in: `{kind: X}`, fails: "from"},
		"no map in list":    {patch: `["x"]`, in: `{kind: X}`, fails: "not the path"},
	} {
		t.Run(name, func(t *testing.T) {
			make, text := expression.Merge, tc.merge
			if tc.patch != "" {
				make, text = expression.Patch, tc.patch
			}
			step, err := make("step", text, expression.When(tc.when))
			require.NoError(t, err)
			obj := parse("{apiVersion: v1, " + tc.in[1:])
			err = step.Transform(t.Context(), europe, obj)
			if tc.fails != "" {
				require.ErrorContains(t, err, tc.fails, tc.reason)
				return
			}
			require.NoError(t, err, tc.reason)
			if diff := cmp.Diff(parse("{apiVersion: v1, "+tc.want[1:]).Object, obj.Object); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestExpressionsThatAreNone(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		text   string
		opts   []expression.Option
	}{
		"syntax":         {"a slip is found when the pipeline is built", `{"spec": `, nil},
		"unknown":        {"so is a variable that is none", `{"spec": cluster.name}`, nil},
		"wrong type":     {"and a result that can't be", `"text"`, nil},
		"bad condition":  {"", `{}`, []expression.Option{expression.When(`1 +`)}},
		"type condition": {"", `{}`, []expression.Option{expression.When(`1 + 1`)}},
		"empty":          {"", " ", nil},
		"no limit":       {"nothing would run", `{}`, []expression.Option{expression.Limit(0)}},
		"too long":       {"", `"` + strings.Repeat("x", 20<<10) + `"`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := expression.Merge("step", tc.text, tc.opts...)
			require.ErrorContains(t, err, "step", tc.reason)
		})
	}
	_, err := expression.Patch("", `[]`)
	require.ErrorContains(t, err, "name is empty")
	_, err = expression.Aggregate("agg", `[1]`)
	require.ErrorContains(t, err, "agg")
}

func TestExpressionsAreStopped(t *testing.T) {
	step, err := expression.Merge("step", `{"spec": {"n": [1,2,3,4,5,6,7,8,9].map(a, [1,2,3,4,5,6,7,8,9].map(b, [1,2,3,4,5,6,7,8,9].map(c, a + b + c)))}}`, expression.Limit(100))
	require.NoError(t, err)
	require.ErrorContains(t, step.Transform(t.Context(), europe, parse(`{apiVersion: v1, kind: X}`)), "cost limit")
}

func TestConformance(t *testing.T) {
	merge, err := expression.Merge("merge", `{"metadata": {"annotations": {"region": target.region}}}`)
	require.NoError(t, err)
	patch, err := expression.Patch("patch", `[{"op": "add", "path": "/spec/replicas", "value": object.spec.?paused.orValue(false) == true ? 0 : 3}]`, expression.When(`has(object.spec) && type(object.spec) == map`))
	require.NoError(t, err)
	for _, step := range []transform.Transformer{merge, patch} {
		transformtest.TestTransformer(t, step, europe, parse(`{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}, spec: {paused: true, template: {spec: {containers: [{name: web}]}}}}`))
	}
}

func TestAggregateFails(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"absent":  {`{"x": copies[0].status.absent}`, "no such key"},
		"no map":  {`copies[0].cluster`, "no map"},
		"no JSON": {`{"x": duration("1s")}`, "no JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := expression.Aggregate("agg", tc.text)
			require.NoError(t, err)
			_, err = a.Aggregate(&unstructured.Unstructured{}, []transform.Observed{{Cluster: "a"}})
			require.ErrorContains(t, err, tc.want)
		})
	}
}

// FuzzPatch: no operations make it panic.
func FuzzPatch(f *testing.F) {
	f.Add("add", "/spec/l/-", "", "x")
	f.Add("move", "/spec/a", "/spec/l/0", "x")
	f.Add("remove", "/spec/l/1", "", "")
	f.Add("test", "/~0~1", "//", "")
	step, err := expression.Patch("fuzz", `[{"op": target.labels.op, "path": target.labels.path, "from": target.labels.from, "value": target.labels.value}]`)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, op, path, from, value string) {
		target := &transform.Target{Labels: map[string]string{"op": op, "path": path, "from": from, "value": value}}
		obj := parse(`{apiVersion: v1, kind: X, spec: {a: {b: c}, l: [1, {x: y}]}}`)
		_ = step.Transform(t.Context(), target, obj) // it must return
	})
}

func BenchmarkTransform(b *testing.B) {
	object := parse(`{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop, annotations: {}}, spec: {replicas: 3, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: docker.io/nginx}, {name: side, image: side}]}}}}`)
	for name, step := range map[string]func() (transform.Transformer, error){
		"merge": func() (transform.Transformer, error) {
			return expression.Merge("m", `{"spec": {"template": {"metadata": {"labels": {"region": target.region}}}}}`, expression.When(`object.kind == "Deployment"`))
		},
		"patch": func() (transform.Transformer, error) {
			return expression.Patch("p", `[{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": object.spec.template.spec.containers[0].image.replace("docker.io/", "mirror/")}]`)
		},
		"containers": func() (transform.Transformer, error) {
			return expression.Merge("c", `{"metadata": {"annotations": {"images": object.spec.template.spec.containers.map(c, c.image).join(",")}}}`)
		},
	} {
		b.Run(name, func(b *testing.B) {
			s, err := step()
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Transform(b.Context(), europe, object); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func ExampleProject() {
	lag, err := expression.Project("Lag", `{"lag": copy.status.lag, "ready": copy.status.phase == "Ready"}`,
		transform.Fields{Kind: "Lag", Max: []string{"lag"}, All: []string{"ready"}})
	if err != nil {
		panic(err)
	}
	tally := transform.NewTally(lag)
	for _, cluster := range []string{"eu-1", "us-1"} {
		tally.Set(transform.Observed{Cluster: cluster, Copy: parse(`{apiVersion: v1, kind: X, status: {lag: 3, phase: Ready}}`)})
	}
	tally.Set(transform.Observed{Cluster: "us-1", Copy: parse(`{apiVersion: v1, kind: X, status: {lag: 7, phase: Moving}}`)})
	status, err := tally.Status(&unstructured.Unstructured{})
	fmt.Println(status, err)
	// Output: map[lag:7 ready:false] <nil>
}

func TestProject(t *testing.T) {
	a, err := expression.Project("agg", `{"count": copy.status.count, "name": copy.metadata.name}`, transform.Fields{Kind: "Agg", Sum: []string{"count"}, Agree: []string{"name"}})
	require.NoError(t, err)
	on := func(cluster, text string) transform.Observed {
		seen := transform.Observed{Cluster: cluster}
		if text != "" {
			seen.Copy = parse(`{apiVersion: v1, kind: X, metadata: {name: web, generation: 1}, status: ` + text + `}`)
		}
		return seen
	}
	original := parse(`{apiVersion: v1, kind: X, metadata: {generation: 5}}`)
	const good = `{count: 2, observedGeneration: 1, conditions: [{type: Ready, status: "True"}]}`
	tally := transform.NewTally(a)
	for name, tc := range map[string]struct {
		reason      string
		copies      []transform.Observed
		want, fails string
	}{
		"one":    {"what the expression says of it", []transform.Observed{on("a", good)}, `{count: 2, name: web, observedGeneration: 5, conditions: [{type: Ready, status: "True"}]}`, ""},
		"two":    {"", []transform.Observed{on("a", good), on("b", good)}, `{count: 4, name: web, observedGeneration: 5, conditions: [{type: Ready, status: "True"}]}`, ""},
		"silent": {"one that has said nothing is not asked", []transform.Observed{on("a", good), on("b", "{}"), on("c", "")}, `{count: 2, conditions: [{type: Ready, status: Unknown, reason: NotReportedByAll, message: 2 of 3 clusters have not reported it yet}]}`, ""},
		"fails":  {"the first by name is told, and the tally goes on", []transform.Observed{on("c", "{m: 1}"), on("a", good), on("b", "{m: 1}")}, "", "the copy on cluster b: no such key: count"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, cluster := range []string{"a", "b", "c"} {
				tally.Remove(cluster)
			}
			for _, c := range tc.copies {
				tally.Set(c)
			}
			got, err := tally.Status(original)
			whole, wholeErr := a.Aggregate(original, tc.copies)
			require.Equal(t, fmt.Sprint(err), fmt.Sprint(wholeErr))
			require.Equal(t, got, whole)
			if tc.fails != "" {
				require.ErrorContains(t, err, tc.fails, tc.reason)
				return
			}
			require.NoError(t, err)
			if diff := cmp.Diff(parse(`{kind: X, apiVersion: v1, status: ` + tc.want + `}`).Object["status"], any(got)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
	_, err = expression.Project("agg", `{}`, transform.Fields{Sum: []string{""}})
	require.ErrorContains(t, err, "expression: agg: field 0")
	_, err = expression.Project("agg", `copy.x +`, transform.Fields{})
	require.ErrorContains(t, err, "expression: agg: compile")
}

// One cluster's event costs the same among ten clusters and among a thousand.
func TestProjectReadsOneCopyForAnEvent(t *testing.T) {
	a, err := expression.Project("agg", `{"count": copy.status.count}`, transform.Fields{Kind: "Agg", Sum: []string{"count"}})
	require.NoError(t, err)
	cost := func(size int) float64 {
		tally := transform.NewTally(a)
		seen := transform.Observed{Copy: parse(`{apiVersion: v1, kind: X, metadata: {generation: 1}, status: {count: 1}}`)}
		for i := range size {
			seen.Cluster = fmt.Sprint("c", i)
			tally.Set(seen)
		}
		return testing.AllocsPerRun(20, func() {
			tally.Set(seen)
			_, _ = tally.Status(seen.Copy) // it fails for nothing
		})
	}
	few, many := cost(10), cost(1000)
	require.LessOrEqual(t, many, few+10)
}

// What does not mention the target is rendered once for all clusters.
func TestExpressionsDependOnTheTargetOnlyIfTheyMentionIt(t *testing.T) {
	for text, want := range map[string]bool{
		`{"a": origin.name + object.kind}`: true, `{"a": "target"}`: true, `{"target": object.target}`: true,
		`{"a": target.region}`: false, `{"a": has(target.region)}`: false, `{"a": [1].map(x, target.labels)}`: false, `{"a": .target}`: false,
	} {
		step, err := expression.Merge("step", text)
		require.NoError(t, err, text)
		require.Equal(t, want, step.(transform.TargetIndependent).TargetIndependent(), text)
	}
	step, err := expression.Merge("step", `{}`, expression.When(`target.region == "eu"`))
	require.NoError(t, err)
	require.False(t, step.(transform.TargetIndependent).TargetIndependent(), "nor does the condition")
}

// FuzzAggregates: whatever a copy's status is, aggregates and health return, and what
// comes of them is JSON.
func FuzzAggregates(f *testing.F) {
	f.Add([]byte(`{"n":1,"phase":"Ready","l":[{"a":1}]}`), []byte(`{"n":"x","l":{}}`))
	f.Add([]byte(`{"conditions":[1],"observedGeneration":"x"}`), []byte(`{}`))
	whole, err := expression.Aggregate("whole", `{"n": copies.map(c, c.status.?n.orValue(0)), "first": copies[0].status}`)
	if err != nil {
		f.Fatal(err)
	}
	each, err := expression.Project("each", `{"n": copy.status.?n.orValue(0), "l": copy.status.?l.orValue([])}`,
		transform.Fields{Kind: "Each", Sum: []string{"n"}, Merge: []transform.Keyed{{Field: "l", Keys: []string{"a"}}}})
	if err != nil {
		f.Fatal(err)
	}
	health, err := expression.Health("health", `{"health": copy.status.?phase.orValue("Healthy"), "message": copy.status.?message.orValue("")}`)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		var first, second map[string]any
		if utiljson.Unmarshal(a, &first) != nil || utiljson.Unmarshal(b, &second) != nil {
			return
		}
		copies := []transform.Observed{
			{Cluster: "a", Copy: &unstructured.Unstructured{Object: map[string]any{"status": first}}},
			{Cluster: "b", Copy: &unstructured.Unstructured{Object: map[string]any{"status": second}}},
		}
		for _, aggregator := range []transform.Aggregator{whole, each} {
			status, err := aggregator.Aggregate(&unstructured.Unstructured{Object: map[string]any{}}, copies)
			if err != nil {
				continue
			}
			if _, err := json.Marshal(status); err != nil {
				t.Errorf("%s: %v: %v", aggregator.Name(), err, status)
			}
		}
		rules := transform.NewStatusRules(transform.HealthBy(copies[0].Copy.GroupVersionKind().GroupKind(), health))
		if told, _ := rules.Health(copies[0].Copy); told == "" {
			t.Error("no health")
		}
	})
}
