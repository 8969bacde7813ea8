package workspaces

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	apisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
)

func exportedSchema(group, kind string, served ...string) *apisv1alpha1.APIResourceSchema {
	s := &apisv1alpha1.APIResourceSchema{Spec: apisv1alpha1.APIResourceSchemaSpec{
		Group: group, Names: apiextensionsv1.CustomResourceDefinitionNames{Kind: kind},
		Versions: []apisv1alpha1.APIResourceVersion{{Name: "v9"}}, // not served
	}}
	for _, version := range served {
		s.Spec.Versions = append(s.Spec.Versions, apisv1alpha1.APIResourceVersion{Name: version, Served: true})
	}
	return s
}

func TestKindsOfAnExport(t *testing.T) {
	deployment := schema.GroupKind{Group: "apps", Kind: "Deployment"}
	for name, tt := range map[string]struct {
		reason  string
		opts    ExportedOptions
		schemas []*apisv1alpha1.APIResourceSchema
		want    []schema.GroupVersionKind
	}{
		"the most stable version": {
			"what a person would choose",
			ExportedOptions{},
			[]*apisv1alpha1.APIResourceSchema{exportedSchema("apps", "Deployment", "v1beta2", "v1", "v2alpha1")},
			[]schema.GroupVersionKind{deployment.WithVersion("v1")},
		},
		"the version that is asked for": {
			"clusters may know no other",
			ExportedOptions{Versions: map[schema.GroupKind]string{deployment: "v1beta2"}},
			[]*apisv1alpha1.APIResourceSchema{exportedSchema("apps", "Deployment", "v1beta2", "v1")},
			[]schema.GroupVersionKind{deployment.WithVersion("v1beta2")},
		},
		"a version that nobody serves": {
			"it can't be watched",
			ExportedOptions{Versions: map[schema.GroupKind]string{deployment: "v9"}},
			[]*apisv1alpha1.APIResourceSchema{exportedSchema("apps", "Deployment", "v1")},
			nil,
		},
		"our own, and what is excluded": {
			"a Placement is not placed",
			ExportedOptions{Exclude: []schema.GroupKind{{Group: "example.org", Kind: "Secretive"}}},
			[]*apisv1alpha1.APIResourceSchema{
				exportedSchema("placement.tmc-sdk.dev", "Placement", "v1alpha1"), exportedSchema("example.org", "Secretive", "v1"),
				exportedSchema("example.org", "Widget", "v1"), exportedSchema("apps", "Deployment", "v1"),
			},
			[]schema.GroupVersionKind{deployment.WithVersion("v1"), {Group: "example.org", Version: "v1", Kind: "Widget"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Empty(t, cmp.Diff(tt.want, tt.opts.kindsOf(tt.schemas)), tt.reason)
		})
	}
}

func TestSubscribersHearOfChangesAlone(t *testing.T) {
	k, err := NewExportedKinds(&rest.Config{}, "tmc", ExportedOptions{})
	require.NoError(t, err)
	secret := schema.GroupVersionKind{Version: "v1", Kind: "Secret"}
	widget := schema.GroupVersionKind{Group: "example.org", Version: "v1", Kind: "Widget"}
	claims := k.Claimed(map[schema.GroupVersionKind]string{secret: "secrets"})
	var told int
	cancel := k.Subscribe(func() { told++ })
	require.Error(t, k.Ready(&http.Request{}), "nothing has been read")
	k.set(nil, nil)
	require.Equal(t, 1, told, "that there is nothing is news, once")
	k.set([]schema.GroupVersionKind{widget}, []schema.GroupResource{{Resource: "secrets"}})
	require.Equal(t, 2, told)
	require.Equal(t, []schema.GroupVersionKind{widget}, k.Kinds())
	require.Equal(t, []schema.GroupVersionKind{secret}, claims.Kinds())
	k.set([]schema.GroupVersionKind{widget}, []schema.GroupResource{{Resource: "secrets"}})
	require.Equal(t, 2, told, "nothing changed")
	require.NoError(t, k.Ready(&http.Request{}))
	k.set([]schema.GroupVersionKind{widget}, nil)
	require.Equal(t, 3, told)
	require.Empty(t, claims.Kinds())
	cancel()
	k.set(nil, nil)
	require.Equal(t, 3, told, "who cancelled hears nothing")
}

func TestChangedKinds(t *testing.T) {
	a, b, c := schema.GroupVersionKind{Version: "v1", Kind: "A"}, schema.GroupVersionKind{Version: "v1", Kind: "B"}, schema.GroupVersionKind{Version: "v1", Kind: "C"}
	came, left := ChangedKinds([]schema.GroupVersionKind{a, b}, []schema.GroupVersionKind{c, b})
	require.Equal(t, []schema.GroupVersionKind{c}, came)
	require.Equal(t, []schema.GroupVersionKind{a}, left)
	require.Equal(t, []schema.GroupVersionKind{a}, StaticKinds{a}.Kinds())
	StaticKinds{a}.Subscribe(func() { t.Error("it never changes") })()
}
