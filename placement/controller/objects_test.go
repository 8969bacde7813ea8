package controller_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// bare is a Placement, or without a namespace a ClusterPlacement, by name.
func bare(namespace, name string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("Placement"))
	if namespace == "" {
		u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("ClusterPlacement"))
	}
	u.SetNamespace(namespace)
	u.SetName(name)
	return u
}

func placementWith(tb testing.TB, namespace, name, spec string) *unstructured.Unstructured {
	tb.Helper()
	u := bare(namespace, name)
	fields := map[string]any{}
	require.NoError(tb, yaml.Unmarshal([]byte(spec), &fields))
	u.Object["spec"] = fields
	return u
}

func fromUnstructured(u *unstructured.Unstructured, into any) error {
	return runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, into)
}

func show(p *v1alpha1.Placement) string {
	if p == nil {
		return "there is none"
	}
	text, err := yaml.Marshal(p)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
