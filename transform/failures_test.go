package transform_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/tmc-sdk/tmc/transform"
	"github.com/tmc-sdk/tmc/transform/builtin"
)

// What follows is what the old TMC and today's agents are known to get wrong,
// each as a test that would fail with their way of doing it.

// The old TMC's podspecable mutator decoded into a type and encoded again: fields
// that the type did not know were gone from the copy.
func TestFailureTypedRoundTripLosesFields(t *testing.T) {
	original := object(t, deployment, with(map[string]any{"since": "v1.99", "list": []any{int64(1), nil}}, "spec", "futureField"), func(o *unstructured.Unstructured) {
		container, _ := transform.PodSpec(o)["containers"].([]any)[0].(map[string]any)
		container["futureOfContainers"], container["resources"] = "x", map[string]any{"claims": []any{map[string]any{"name": "gpu", "future": true}}}
	})
	step := transform.For("Account", appsv1.SchemeGroupVersion.WithKind("Deployment"), func(_ context.Context, _ *transform.Target, d *appsv1.Deployment) error {
		d.Spec.Template.Spec.ServiceAccountName = "tenant"
		return nil
	})
	got := render(t, pipeline(t, transform.With(step)), &transform.Target{}, original)
	require.Equal(t, "tenant", transform.PodSpec(got)["serviceAccountName"])
	delete(transform.PodSpec(got), "serviceAccountName")
	require.Empty(t, cmp.Diff(original.Object["spec"], got.Object["spec"]), "and nothing else is other than it was")
}

// The old TMC applied per-target JSON patches, and where one failed it logged that
// and sent the object without it.
func TestFailureSilentOverrideErrors(t *testing.T) {
	original := object(t, deployment)
	for name, override := range map[string]transform.Override{
		"no such field": {JSONPatch: []byte(`[{"op":"remove","path":"/spec/nothing"}]`)},
		"no JSON":       {MergePatch: []byte(`{"spec":`)},
		"no directive":  {StrategicMergePatch: []byte(`{"spec":{"$patch":"invent"}}`)},
	} {
		got, err := pipeline(t).Render(t.Context(), &transform.Target{Cluster: "eu-1", Overrides: []transform.Override{override}}, original, originOf(original))
		require.Nil(t, got, "%s: nothing is sent rather than something else", name)
		var failed *transform.Error
		require.True(t, errors.As(err, &failed), name)
		require.Equal(t, "overrides", failed.Transformer, "and it is said what failed")
	}
}

// The old TMC overwrote the whole status with that of whichever cluster was heard
// last, and gave up promoting it with two.
func TestFailureWholeStatusOverwrite(t *testing.T) {
	rules := transform.NewStatusRules().For(appsv1.SchemeGroupVersion.WithKind("Deployment"))
	tally := transform.NewTally(rules)
	tally.Set(seen(t, "a", "{replicas: 3, readyReplicas: 3}"))
	tally.Set(seen(t, "b", "{replicas: 1, readyReplicas: 0}"))
	tally.Set(seen(t, "a", "{replicas: 3, readyReplicas: 2}")) // heard last
	status, err := tally.Status(original(t))
	require.NoError(t, err)
	require.Equal(t, int64(4), status["replicas"])
	require.Equal(t, int64(2), status["readyReplicas"])

	current := object(t, `{kind: X, status: {conditions: [{type: Synced, status: "True", lastTransitionTime: "2026-01-01T00:00:00Z"}]}}`)
	tally.Remove("b")
	one, err := tally.Status(current)
	require.NoError(t, err)
	require.Equal(t, int64(3), one["replicas"], "and back through one target")
}

// Names of namespaces and objects grew over the limits of the API (kcp#495), or
// were cut so that two became one.
func TestFailureNamesOverTheLimit(t *testing.T) {
	p := pipeline(t)
	long := strings.Repeat("n", 63)
	places := map[string]bool{}
	for _, o := range []transform.Origin{
		{LogicalCluster: "2x9a", Namespace: long, Name: strings.Repeat("d", 253)},
		{LogicalCluster: "2x9b", Namespace: long, Name: strings.Repeat("d", 253)},
		{LogicalCluster: "2x9a", Namespace: long[1:] + "x", Name: strings.Repeat("d", 253)},
		{LogicalCluster: "2x9a", Namespace: long[2:] + ".-"[1:], Name: "x"},
		{LogicalCluster: "2x9a", Name: strings.Repeat("c", 253)},
		{LogicalCluster: "2x9a", Name: strings.Repeat("c", 252) + "d"},
	} {
		namespace, name := p.Locate(appsv1.SchemeGroupVersion.WithKind("Deployment"), o)
		if namespace != "" {
			require.Empty(t, validation.IsDNS1123Label(namespace))
		}
		require.Empty(t, validation.IsDNS1123Subdomain(name))
		require.False(t, places[namespace+"/"+name], "two originals, one place")
		places[namespace+"/"+name] = true
	}
}

// An agent's templates were expanded wherever they stood: a tenant whose text has
// ${...} in it, as every shell script has, got another text.
func TestFailureTemplatesInTenantsText(t *testing.T) {
	original := object(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: shop}, data: {"run.sh": "echo ${cluster.region} ${HOME}", host: "shop.${cluster.region}.example"}}`)
	step := builtin.Must(builtin.Substitute("data.host"))
	got := render(t, pipeline(t, transform.With(step)), platformTarget, original)
	require.Equal(t, map[string]any{"run.sh": "echo ${cluster.region} ${HOME}", "host": "shop.eu.example"}, got.Object["data"])
}

// Two installations with one cluster crossed each other's status (kcp#2048).
func TestFailureTwoInstallationsOnOneCluster(t *testing.T) {
	original := object(t, deployment)
	marks := map[string]bool{}
	for _, installation := range []string{"blue", "green"} {
		p, err := transform.NewPipeline(installation)
		require.NoError(t, err)
		got, err := p.Render(t.Context(), platformTarget, original, originOf(original))
		require.NoError(t, err)
		read, ok := transform.ReadMarks(got)
		require.True(t, ok)
		marks[read.Installation] = true
		require.Equal(t, installation == "blue", transform.SelectorFor("blue").Matches(labels.Set(got.GetLabels())), "an informer of one never sees the other's")
	}
	require.Len(t, marks, 2)
}

// kcp's own labels went down with the object, finalizers and owners as well, which
// nothing on the cluster could ever satisfy.
func TestFailureServersMetadataGoesDown(t *testing.T) {
	original := object(t, deployment, with(map[string]any{"claimed.internal.apis.kcp.io/x": "y", "app": "web"}, "metadata", "labels"), func(o *unstructured.Unstructured) {
		o.SetFinalizers([]string{"workload.kcp.io/syncer-x"})
		o.SetResourceVersion("9")
		metadata, _ := o.Object["metadata"].(map[string]any)
		metadata["ownerReferences"], metadata["managedFields"] = []any{map[string]any{"uid": "x"}}, []any{map[string]any{"manager": "kubectl"}}
		o.SetAnnotations(map[string]string{"kcp.io/cluster": "x", "kubectl.kubernetes.io/last-applied-configuration": "{}"})
	})
	got := render(t, pipeline(t), platformTarget, original)
	for field := range got.Object["metadata"].(map[string]any) {
		require.Contains(t, []string{"name", "namespace", "labels", "annotations"}, field)
	}
	for key := range got.GetLabels() {
		require.NotContains(t, key, "kcp.io")
	}
	require.NotContains(t, got.GetAnnotations(), "kcp.io/cluster")
	require.NotContains(t, got.GetAnnotations(), "kubectl.kubernetes.io/last-applied-configuration")
}

// A peer puts all members together again on the event of any one: 10,000
// allocations for 1,000 members.
func TestFailureEveryEventReassemblesAllMembers(t *testing.T) {
	upstream := object(t, `{apiVersion: apps/v1, kind: Deployment, metadata: {generation: 7}}`)
	cost := func(size int) float64 {
		tally := transform.NewTally(aggregatorFor("apps", "Deployment"))
		for _, c := range fleet(size) {
			tally.Set(c)
		}
		news := member(size/2, 2)
		return testing.AllocsPerRun(20, func() {
			tally.Set(news)
			_, _ = tally.Status(upstream) // it fails for nothing
		})
	}
	few, many := cost(10), cost(1000)
	require.LessOrEqual(t, many, few+10, fmt.Sprintf("%v allocations for one event of 10, %v of 1,000", few, many))
}
