package transform_test

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/tmc-sdk/tmc/transform"
	"github.com/tmc-sdk/tmc/transform/builtin"
	"github.com/tmc-sdk/tmc/transform/transformtest"
)

// corpus returns the manifests of testdata/corpus by name: shapes that widely
// used software ships, and a few that nobody should.
func corpus(tb testing.TB) map[string]*unstructured.Unstructured {
	tb.Helper()
	files, err := filepath.Glob("testdata/corpus/*.yaml")
	require.NoError(tb, err)
	all := make(map[string]*unstructured.Unstructured, len(files))
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(tb, err)
		data, err = yaml.YAMLToJSON(data)
		require.NoError(tb, err, file)
		obj := &unstructured.Unstructured{}
		require.NoError(tb, obj.UnmarshalJSON(data), file)
		all[strings.TrimSuffix(filepath.Base(file), ".yaml")] = obj
	}
	require.GreaterOrEqual(tb, len(all), 60)
	return all
}

func homeOf(obj *unstructured.Unstructured) transform.Origin {
	return transform.Origin{LogicalCluster: "2x9a", Namespace: obj.GetNamespace(), Name: obj.GetName(), UID: "u-1"}
}

var platformTarget = &transform.Target{
	Cluster: "eu-1", Region: "eu", Zone: "eu-a", Provider: "metal", Version: "v1.36.3",
	Labels: map[string]string{"tier": "prod"}, Properties: map[string]string{"domain": "eu.example.net"},
}

// platform is what a platform may well have in its pipeline: eight built-ins.
func platform(tb testing.TB) *transform.Pipeline {
	tb.Helper()
	mirror, err := transform.Registries(transform.Mirror{From: "docker.io", To: "mirror.example/hub"}, transform.Mirror{From: "quay.io", To: "mirror.example/quay"})
	require.NoError(tb, err)
	p, err := transform.NewPipeline("prod", transform.With(
		mirror,
		builtin.PullSecrets("mirror"),
		builtin.Must(builtin.Env(builtin.EnvVar{Name: "REGION", Value: "${cluster.region}"})),
		builtin.Must(builtin.Tolerations(corev1.Toleration{Key: "tenants", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule})),
		builtin.ServiceAccountTokens(builtin.TokenRules{ClearAccount: true, Audiences: []string{"mesh"}}),
		builtin.Services(builtin.ServiceRules{}),
		builtin.StorageClasses(builtin.Classes{Map: map[string]string{"fast-ssd": "local-nvme"}}),
		builtin.Must(builtin.Metadata(builtin.MetadataRules{SetAnnotations: map[string]string{"example.com/zone": "${cluster.zone}"}})),
	))
	require.NoError(tb, err)
	return p
}

// Kinds whose specs the pipeline itself has to change.
func changedByPipeline(obj *unstructured.Unstructured) bool {
	return obj.GetKind() == "Job" || obj.GetKind() == "CronJob"
}

// A pipeline of nothing changes nothing but metadata and status.
func TestCorpusThroughAnEmptyPipeline(t *testing.T) {
	p, err := transform.NewPipeline("main")
	require.NoError(t, err)
	for name, obj := range corpus(t) {
		t.Run(name, func(t *testing.T) {
			before := obj.DeepCopy()
			got, err := p.Render(t.Context(), platformTarget, obj, homeOf(obj))
			require.NoError(t, err)
			if diff := cmp.Diff(before.Object, obj.Object); diff != "" {
				t.Fatalf("the original was changed (-before +after):\n%s", diff)
			}
			for field, value := range obj.Object {
				if field != "metadata" && field != "status" && !changedByPipeline(obj) {
					if diff := cmp.Diff(value, got.Object[field]); diff != "" {
						t.Errorf("%s (-want +got):\n%s", field, diff)
					}
				}
			}
			again, err := p.Render(t.Context(), platformTarget, got, homeOf(obj))
			require.NoError(t, err)
			if diff := cmp.Diff(got.Object, again.Object); diff != "" {
				t.Errorf("twice is not once (-once +twice):\n%s", diff)
			}
			marks, ok := transform.ReadMarks(got)
			require.True(t, ok)
			require.Equal(t, transform.Marks{Installation: "main", Origin: homeOf(obj)}, marks)
		})
	}
}

// What a platform's pipeline makes of the corpus stands in testdata/rendered:
// go test ./transform -run TestCorpusThroughAPlatform -update writes it.
func TestCorpusThroughAPlatform(t *testing.T) {
	p := platform(t)
	for name, obj := range corpus(t) {
		t.Run(name, func(t *testing.T) {
			got, err := p.Render(t.Context(), platformTarget, obj, homeOf(obj))
			require.NoError(t, err)
			again, err := p.Render(t.Context(), platformTarget, got, homeOf(obj))
			require.NoError(t, err)
			if diff := cmp.Diff(got.Object, again.Object); diff != "" {
				t.Errorf("twice is not once (-once +twice):\n%s", diff)
			}
			text, err := yaml.Marshal(got.Object)
			require.NoError(t, err)
			file := "testdata/rendered/" + name + ".yaml"
			if flag.Lookup("update").Value.String() == "true" {
				require.NoError(t, os.WriteFile(file, text, 0o600))
				return
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			if diff := cmp.Diff(string(want), string(text)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Every transformer of the platform keeps the contract on the whole corpus.
func TestCorpusIsDeterministic(t *testing.T) {
	p := platform(t)
	for name, obj := range corpus(t) {
		first, err := p.Render(t.Context(), platformTarget, obj, homeOf(obj))
		require.NoError(t, err)
		for range 5 {
			again, err := platform(t).Render(t.Context(), platformTarget, obj, homeOf(obj))
			require.NoError(t, err)
			require.True(t, reflect.DeepEqual(first, again), name)
		}
	}
}

var _ = transformtest.TestGolden // its package defines -update
