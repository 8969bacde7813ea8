package bench

import (
	"context"
	"os"
	"testing"

	clusterv1alpha1 "github.com/karmada-io/karmada/pkg/apis/cluster/v1alpha1"
	policyv1alpha1 "github.com/karmada-io/karmada/pkg/apis/policy/v1alpha1"
	"github.com/karmada-io/karmada/pkg/util/overridemanager"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/record"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/tmc-sdk/tmc/transform"
	"github.com/tmc-sdk/tmc/transform/builtin"
)

// policies is a client that has one OverridePolicy and one cluster, and answers at
// once, as a cache does.
type policies struct {
	client.Client
	policy policyv1alpha1.OverridePolicy
}

func (policies) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	into.(*clusterv1alpha1.Cluster).Name = key.Name
	return nil
}

func (p policies) List(_ context.Context, into client.ObjectList, _ ...client.ListOption) error {
	if list, ok := into.(*policyv1alpha1.OverridePolicyList); ok {
		list.Items = []policyv1alpha1.OverridePolicy{p.policy}
	}
	return nil
}

func plain(path string, operator policyv1alpha1.OverriderOperator, value string) policyv1alpha1.PlaintextOverrider {
	return policyv1alpha1.PlaintextOverrider{Path: path, Operator: operator, Value: apiextensionsv1.JSON{Raw: []byte(value)}}
}

// few is what a policy mostly has; many is what the eight transformers of our
// reference do, as far as overrides can say it: neither bounds of resources nor a
// floor of security can they.
var (
	few = policyv1alpha1.Overriders{
		Plaintext:        []policyv1alpha1.PlaintextOverrider{plain("/spec/replicas", policyv1alpha1.OverriderOpReplace, "3")},
		ImageOverrider:   []policyv1alpha1.ImageOverrider{{Component: policyv1alpha1.Registry, Operator: policyv1alpha1.OverriderOpReplace, Value: "mirror.example"}},
		LabelsOverrider:  []policyv1alpha1.LabelAnnotationOverrider{{Operator: policyv1alpha1.OverriderOpAdd, Value: map[string]string{"region": "eu"}}},
		CommandOverrider: nil,
	}
	many = policyv1alpha1.Overriders{
		ImageOverrider: few.ImageOverrider,
		Plaintext: []policyv1alpha1.PlaintextOverrider{
			plain("/spec/replicas", policyv1alpha1.OverriderOpReplace, "3"),
			plain("/spec/template/spec/imagePullSecrets", policyv1alpha1.OverriderOpAdd, `[{"name":"mirror"}]`),
			plain("/spec/template/spec/containers/0/env/0", policyv1alpha1.OverriderOpAdd, `{"name":"REGION","value":"eu"}`),
			plain("/spec/template/spec/nodeSelector", policyv1alpha1.OverriderOpAdd, `{"pool":"tenants"}`),
			plain("/spec/template/spec/tolerations", policyv1alpha1.OverriderOpAdd, `[{"key":"tenants","operator":"Exists"}]`),
			plain("/spec/template/spec/priorityClassName", policyv1alpha1.OverriderOpAdd, `"tenant"`),
		},
	}
)

// BenchmarkOverride changes the Deployment of our reference for one cluster: by the
// override engine of Karmada and by our pipeline, each with the copy that it needs.
func BenchmarkOverride(b *testing.B) {
	data, err := os.ReadFile("../../../transform/testdata/reference/deployment.yaml")
	if err != nil {
		b.Fatal(err)
	}
	if data, err = yaml.YAMLToJSON(data); err != nil {
		b.Fatal(err)
	}
	reference := &unstructured.Unstructured{}
	if err := reference.UnmarshalJSON(data); err != nil {
		b.Fatal(err)
	}
	for name, overriders := range map[string]policyv1alpha1.Overriders{"few": few, "many": many} {
		b.Run("karmada/"+name, func(b *testing.B) {
			policy := policyv1alpha1.OverridePolicy{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: reference.GetNamespace()}}
			policy.Spec.OverrideRules = []policyv1alpha1.RuleWithCluster{{Overriders: overriders}}
			manager := overridemanager.New(policies{policy: policy}, &record.FakeRecorder{})
			b.ReportAllocs()
			for b.Loop() {
				obj := reference.DeepCopy()
				if _, applied, err := manager.ApplyOverridePolicies(obj, "eu-1"); err != nil || applied == nil {
					b.Fatal(applied, err)
				}
			}
		})
	}
	b.Run("tmc/eight", func(b *testing.B) {
		mirror, err := transform.Registries(transform.Mirror{From: "registry.example", To: "mirror.example"})
		if err != nil {
			b.Fatal(err)
		}
		pipeline, err := transform.NewPipeline("prod", transform.With(mirror, builtin.PullSecrets("mirror"),
			builtin.Must(builtin.Env(builtin.EnvVar{Name: "REGION", Value: "${cluster.region}"})),
			builtin.Must(builtin.Resources(builtin.ResourceRules{Min: map[string]string{"cpu": "100m"}, Max: map[string]string{"memory": "4Gi"}})),
			builtin.NodeSelector(map[string]string{"pool": "tenants"}),
			builtin.Must(builtin.Tolerations(corev1.Toleration{Key: "tenants", Operator: corev1.TolerationOpExists})),
			builtin.SecurityFloor(), builtin.PriorityClasses(builtin.Classes{Default: "tenant"})))
		if err != nil {
			b.Fatal(err)
		}
		target := &transform.Target{Cluster: "eu-1", Region: "eu", Replicas: new(int32(3))}
		origin := transform.Origin{LogicalCluster: "2abc", Namespace: reference.GetNamespace(), Name: reference.GetName(), UID: "u"}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := pipeline.Render(b.Context(), target, reference, origin); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("deepcopy", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			reference.DeepCopy()
		}
	})
}
