package transform_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/tmc-sdk/tmc/transform"
)

// parse is for examples: it panics on what is no YAML.
func parse(text string) *unstructured.Unstructured {
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		panic(err)
	}
	obj := &unstructured.Unstructured{}
	if err := obj.UnmarshalJSON(data); err != nil {
		panic(err)
	}
	return obj
}

func show(value any) {
	out, err := yaml.Marshal(value)
	if err != nil {
		panic(err)
	}
	fmt.Print(string(out))
}

func ExamplePipeline_Render() {
	pipeline, err := transform.NewPipeline("prod", transform.With(
		transform.Func("Region", func(_ context.Context, t *transform.Target, obj *unstructured.Unstructured) error {
			return unstructured.SetNestedField(obj.Object, t.Region, "data", "region")
		}),
	))
	if err != nil {
		panic(err)
	}
	original := parse(`
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop, uid: 5f0e, labels: {app: web}}
data: {level: info}`)
	origin := transform.Origin{LogicalCluster: "1abc", Namespace: "shop", Name: "settings", UID: "5f0e"}
	rendered, err := pipeline.Render(context.Background(), &transform.Target{Cluster: "eu-1", Region: "eu"}, original, origin)
	if err != nil {
		panic(err)
	}
	show(rendered.Object)
	// Output:
	// apiVersion: v1
	// data:
	//   level: info
	//   region: eu
	// kind: ConfigMap
	// metadata:
	//   annotations:
	//     tmc-sdk.dev/marks: v1
	//     tmc-sdk.dev/original-name: settings
	//     tmc-sdk.dev/original-namespace: shop
	//     tmc-sdk.dev/original-uid: 5f0e
	//   labels:
	//     app: web
	//     tmc-sdk.dev/bucket: "84"
	//     tmc-sdk.dev/installation: prod
	//     tmc-sdk.dev/logical-cluster: 1abc
	//   name: settings
	//   namespace: shop-cs2yl52wdhmlstd7
}

// A transformer that reaches for another tenant's namespace gets nowhere.
func ExampleIdentityError() {
	pipeline, err := transform.NewPipeline("prod", transform.With(
		transform.Func("Stray", func(_ context.Context, _ *transform.Target, obj *unstructured.Unstructured) error {
			obj.SetNamespace("kube-system")
			return nil
		}),
	))
	if err != nil {
		panic(err)
	}
	original := parse(`{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: shop}}`)
	_, err = pipeline.Render(context.Background(), &transform.Target{}, original, transform.Origin{LogicalCluster: "1abc", Namespace: "shop", Name: "settings"})
	var broken *transform.IdentityError
	fmt.Println(errors.As(err, &broken), broken.Field)
	fmt.Println(err)
	// Output:
	// true metadata.namespace
	// transformer Stray changed metadata.namespace from "shop-cs2yl52wdhmlstd7" to "kube-system", which no transformer may
}

func ExamplePipeline_Namespace() {
	pipeline, _ := transform.NewPipeline("prod")
	show(pipeline.Namespace(transform.Origin{LogicalCluster: "1abc", Namespace: "shop"}).Object)
	// Output:
	// apiVersion: v1
	// kind: Namespace
	// metadata:
	//   annotations:
	//     tmc-sdk.dev/marks: v1
	//     tmc-sdk.dev/original-name: shop
	//   labels:
	//     tmc-sdk.dev/bucket: "84"
	//     tmc-sdk.dev/installation: prod
	//     tmc-sdk.dev/logical-cluster: 1abc
	//   name: shop-cs2yl52wdhmlstd7
}

func ExampleHashedNaming() {
	namespace, name := transform.HashedNaming{}.Locate(schema.GroupVersionKind{}, transform.Origin{LogicalCluster: "1abc", Namespace: "shop", Name: "web"})
	fmt.Println(namespace, name)
	_, name = transform.HashedNaming{}.Locate(schema.GroupVersionKind{}, transform.Origin{LogicalCluster: "1abc", Name: "web"})
	fmt.Println(name)
	// Output:
	// shop-cs2yl52wdhmlstd7 web
	// web-oqe65fq2iol5xdpb
}

func ExampleReadMarks() {
	obj := parse(`{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}}`)
	transform.Marks{Installation: "prod", Origin: transform.Origin{LogicalCluster: "1abc", Namespace: "shop", Name: "settings", UID: "5f0e"}}.Stamp(obj)
	marks, ok := transform.ReadMarks(obj)
	fmt.Println(ok, marks.Installation, marks.LogicalCluster, marks.Namespace, marks.Name, marks.UID)
	// Output: true prod 1abc shop settings 5f0e
}

func ExampleWithReplicas() {
	pipeline, _ := transform.NewPipeline("prod",
		transform.WithReplicas(schema.GroupKind{Group: "db.example", Kind: "Cluster"}, "spec", "instances"))
	two := int32(2)
	original := parse(`{apiVersion: db.example/v1, kind: Cluster, metadata: {name: db, namespace: shop}, spec: {instances: 5}}`)
	rendered, _ := pipeline.Render(context.Background(), &transform.Target{Replicas: &two}, original, transform.Origin{LogicalCluster: "1abc", Namespace: "shop", Name: "db"})
	fmt.Println(rendered.Object["spec"])
	// Output: map[instances:2]
}

func ExampleRegistries() {
	mirror, err := transform.Registries(transform.Mirror{From: "docker.io", To: "mirror.example/hub"})
	if err != nil {
		panic(err)
	}
	pod := parse(`{apiVersion: v1, kind: Pod, spec: {containers: [{name: web, image: "nginx:1.29"}]}}`)
	if err := mirror.Transform(context.Background(), &transform.Target{}, pod); err != nil {
		panic(err)
	}
	show(transform.PodSpec(pod))
	// Output:
	// containers:
	// - image: mirror.example/hub/library/nginx:1.29
	//   name: web
}

func ExampleOverride() {
	pipeline, _ := transform.NewPipeline("prod")
	original := parse(`{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: shop}, data: {level: info}}`)
	target := &transform.Target{Overrides: []transform.Override{
		{MergePatch: []byte(`{"data":{"level":"debug"}}`)},
		{JSONPatch: []byte(`[{"op":"add","path":"/data/trace","value":"on"}]`)},
	}}
	rendered, _ := pipeline.Render(context.Background(), target, original, transform.Origin{LogicalCluster: "1abc", Namespace: "shop", Name: "settings"})
	fmt.Println(rendered.Object["data"])
	// Output: map[level:debug trace:on]
}

func ExampleHealth() {
	health, message := transform.Health(parse(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, generation: 1}
spec: {replicas: 3}
status: {observedGeneration: 1, replicas: 3, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1}`))
	fmt.Println(health+":", message)
	// Output: Progressing: Updated: 1/3
}

func ExampleNewStatusRules() {
	rules := transform.NewStatusRules()
	kind := schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	original := parse(`{apiVersion: apps/v1, kind: Deployment, metadata: {generation: 7}}`)
	status, err := rules.For(kind).Aggregate(original, []transform.Observed{
		{Cluster: "eu-1", Copy: parse(`{kind: Deployment, metadata: {generation: 1}, status: {observedGeneration: 1, readyReplicas: 2, conditions: [{type: Available, status: "True"}]}}`)},
		{Cluster: "us-1", Copy: parse(`{kind: Deployment, metadata: {generation: 4}, status: {observedGeneration: 4, readyReplicas: 1, conditions: [{type: Available, status: "False", message: too few}]}}`)},
	})
	if err != nil {
		panic(err)
	}
	show(status)
	// Output:
	// conditions:
	// - message: 'us-1: too few'
	//   status: "False"
	//   type: Available
	// observedGeneration: 7
	// readyReplicas: 3
}

func ExampleSetCondition() {
	status := map[string]any{}
	now := metav1.NewTime(time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC))
	transform.SetCondition(status, nil, metav1.Condition{Type: "Synced", Status: metav1.ConditionTrue, Reason: "Synced", Message: "on eu-1"}, now)
	show(status)
	// Output:
	// conditions:
	// - lastTransitionTime: "2026-07-01T12:00:00Z"
	//   message: on eu-1
	//   reason: Synced
	//   status: "True"
	//   type: Synced
}

func ExampleFunc() {
	pause := transform.Func("Pause", func(_ context.Context, _ *transform.Target, obj *unstructured.Unstructured) error {
		return unstructured.SetNestedField(obj.Object, true, "spec", "paused")
	})
	obj := parse(`{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 1}}`)
	fmt.Println(pause.Name(), pause.Transform(context.Background(), &transform.Target{}, obj), obj.Object["spec"])
	// Output: Pause <nil> map[paused:true replicas:1]
}

// Fields that the type does not know survive.
func ExampleFor() {
	pause := transform.For("Pause", appsv1.SchemeGroupVersion.WithKind("Deployment"),
		func(_ context.Context, _ *transform.Target, d *appsv1.Deployment) error {
			d.Spec.Paused = true
			return nil
		})
	obj := parse(`{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 1, fieldOfTheFuture: x}}`)
	err := pause.Transform(context.Background(), &transform.Target{}, obj)
	fmt.Println(err, obj.Object["spec"])
	// Output: <nil> map[fieldOfTheFuture:x paused:true replicas:1]
}

func ExampleMatch() {
	pause := transform.Func("Pause", func(_ context.Context, _ *transform.Target, obj *unstructured.Unstructured) error {
		return unstructured.SetNestedField(obj.Object, true, "spec", "paused")
	})
	onlyThere := transform.Match(pause, transform.Rule{
		Kinds:    []schema.GroupKind{{Group: "apps", Kind: "Deployment"}},
		Clusters: []string{"eu-1"},
	})
	for _, cluster := range []string{"eu-1", "us-1"} {
		obj := parse(`{apiVersion: apps/v1, kind: Deployment, spec: {}}`)
		err := onlyThere.Transform(context.Background(), &transform.Target{Cluster: cluster}, obj)
		fmt.Println(cluster, err, obj.Object["spec"])
	}
	// Output:
	// eu-1 <nil> map[paused:true]
	// us-1 <nil> map[]
}
