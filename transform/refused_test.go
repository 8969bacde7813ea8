package transform_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tmc-sdk/tmc/transform"
)

func TestKindsThatCannotBeCopied(t *testing.T) {
	for name, tc := range map[string]struct{ reason, version, kind string }{
		"definition": {"renamed it defines nothing", "apiextensions.k8s.io/v1", "CustomResourceDefinition"},
		"service":    {"nor does an APIService serve", "apiregistration.k8s.io/v1", "APIService"},
		"node":       {"nodes aren't the tenants'", "v1", "Node"},
	} {
		t.Run(name, func(t *testing.T) {
			obj := &unstructured.Unstructured{Object: map[string]any{"apiVersion": tc.version, "kind": tc.kind, "metadata": map[string]any{"name": "x"}}}
			p, err := transform.NewPipeline("main")
			require.NoError(t, err)
			_, err = p.Render(t.Context(), platformTarget, obj, homeOf(obj))
			require.ErrorIs(t, err, transform.ErrKindRefused, tc.reason)
		})
	}
}

// Of a Secret of such a type a cluster makes a credential of its own, which the
// tenant's pod would then mount.
func TestSecretsThatBecomeCredentialsAreRefused(t *testing.T) {
	p, err := transform.NewPipeline("main")
	require.NoError(t, err)
	for name, tc := range map[string]struct {
		reason, original, override string
		refused                    bool
	}{
		"token":             {"its token controller fills it", "kubernetes.io/service-account-token", "", true},
		"token by override": {"overrides are the tenant's, too", "Opaque", "kubernetes.io/service-account-token", true},
		"bootstrap":         {"nodes join with it", "bootstrap.kubernetes.io/token", "", true},
		"opaque":            {"it is what it says", "Opaque", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			obj := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Secret", "type": tc.original, "metadata": map[string]any{
				"name": "x", "namespace": "default", "annotations": map[string]any{"kubernetes.io/service-account.name": "default"},
			}}}
			target := *platformTarget
			if tc.override != "" {
				target.Overrides = []transform.Override{{MergePatch: []byte(`{"type":"` + tc.override + `"}`)}}
			}
			_, err := p.Render(t.Context(), &target, obj, homeOf(obj))
			if tc.refused {
				require.ErrorIs(t, err, transform.ErrKindRefused, tc.reason)
				return
			}
			require.NoError(t, err, tc.reason)
		})
	}
}

func TestANamespaceGoesWhereItsObjectsGo(t *testing.T) {
	p, err := transform.NewPipeline("main")
	require.NoError(t, err)
	namespace := corpus(t)["namespace"]
	got, err := p.Render(t.Context(), platformTarget, namespace, homeOf(namespace))
	require.NoError(t, err)
	require.Equal(t, p.Namespace(transform.Origin{LogicalCluster: "2x9a", Namespace: "shop"}).GetName(), got.GetName())
}

// What a cluster's controllers make of a template would bear the tenant's
// forgery, and pass for another's copy.
func TestNoTemplateForgesMarks(t *testing.T) {
	forged := map[string]any{"app": "web", transform.LabelInstallation: "main", "internal.kcp.io/x": "y"}
	p, err := transform.NewPipeline("main")
	require.NoError(t, err)
	for name, path := range map[string][]string{
		"deployment-minimal":   {"spec", "template", "metadata", "labels"},
		"cronjob-backup":       {"spec", "jobTemplate", "metadata", "labels"},
		"podtemplate":          {"template", "metadata", "labels"},
		"crd-rollout":          {"spec", "template", "metadata", "labels"},
		"crd-virtual-machine":  {"spec", "template", "metadata", "annotations"},
		"crd-database-cluster": {"spec", "inherited", "deep", "metadata", "annotations"},
	} {
		t.Run(name, func(t *testing.T) {
			obj := corpus(t)[name]
			require.NoError(t, unstructured.SetNestedMap(obj.Object, forged, path...))
			got, err := p.Render(t.Context(), platformTarget, obj, homeOf(obj))
			require.NoError(t, err)
			left, _, err := unstructured.NestedMap(got.Object, path...)
			require.NoError(t, err)
			if diff := cmp.Diff(map[string]any{"app": "web"}, left); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestNoOverrideForgesMarks(t *testing.T) {
	p, err := transform.NewPipeline("main")
	require.NoError(t, err)
	for name, o := range map[string]transform.Override{
		"merge":       {MergePatch: []byte(`{"spec":{"template":{"metadata":{"labels":{"tmc-sdk.dev/installation":"main"}}}}}`)},
		"json":        {JSONPatch: []byte(`[{"op":"add","path":"/spec/template/metadata/annotations","value":{"tmc-sdk.dev/original-uid":"u-2"}}]`)},
		"moved there": {JSONPatch: []byte(`[{"op":"copy","from":"/metadata","path":"/spec/template/metadata"}]`)},
		"in a list":   {MergePatch: []byte(`{"spec":{"volumeClaimTemplates":[{"metadata":{"labels":{"x.kcp.io/y":"z"}}}]}}`)},
	} {
		t.Run(name, func(t *testing.T) {
			target := *platformTarget
			target.Overrides = []transform.Override{o}
			obj := corpus(t)["deployment-minimal"]
			_, err := p.Render(t.Context(), &target, obj, homeOf(obj))
			require.ErrorContains(t, err, "not for overrides to write")
		})
	}
}

// The cluster's controllers write them; who wrote them too would fight for ever.
func TestAnnotationsOfControllersStayAbove(t *testing.T) {
	p, err := transform.NewPipeline("main")
	require.NoError(t, err)
	obj := corpus(t)["deployment-web-frontend"]
	require.Contains(t, obj.GetAnnotations(), "deployment.kubernetes.io/revision")
	got, err := p.Render(t.Context(), platformTarget, obj, homeOf(obj))
	require.NoError(t, err)
	require.NotContains(t, got.GetAnnotations(), "deployment.kubernetes.io/revision")
}
