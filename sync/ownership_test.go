package syncer

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const owned = `
metadata:
  managedFields:
  - {manager: tmc-a, operation: Apply, fieldsType: FieldsV1, fieldsV1: {"f:metadata": {"f:labels": {"f:team": {}, "f:stage": {}}}, "f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"main\"}": {".": {}, "f:image": {}, "f:name": {}}}}}}}}
  - {manager: hpa, operation: Update, fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:replicas": {}}}}
  - {manager: injector, operation: Update, fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"main\"}": {"f:image": {}}}}}}}}
  - {manager: kcm, operation: Update, subresource: status, fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:replicas": {}}}}
  - {manager: newer, operation: Update, fieldsType: FieldsV1, fieldsV1: {"x:what": {}}}
  labels: {team: blue, stage: test}
spec: {replicas: 9, template: {spec: {containers: [{name: side, image: x}, {name: main, image: "a:1"}]}}}
`

func TestOwnersOf(t *testing.T) {
	tests := map[string]struct {
		reason string
		path   []string
		want   []string
	}{
		"a field":    {reason: "its owner but us", path: []string{"spec", "replicas"}, want: []string{"hpa"}},
		"an element": {reason: "found by its name", path: []string{"spec", "template", "spec", "containers", "=main", "image"}, want: []string{"injector"}},
		"the whole":  {reason: "who owns a part changed it, too", path: []string{"spec", "template"}, want: []string{"injector"}},
		"nobody's":   {reason: "there is none", path: []string{"spec", "paused"}},
		"ours alone": {reason: "we are no other", path: []string{"metadata", "labels", "team"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, ownersOf(parse(t, owned), tc.path, "tmc-a")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestDroppedFieldsAreOursAndNoLongerRendered(t *testing.T) {
	rendered := parse(t, `{metadata: {labels: {team: blue}}, spec: {template: {spec: {containers: [{name: main}]}}}}`)
	var got []string
	for _, d := range dropped(rendered, parse(t, owned), "tmc-a") {
		got = append(got, d.String())
	}
	want := []string{`- metadata.labels.stage: "test"`} // replicas and the image have another owner, and stay
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	require.Empty(t, dropped(&unstructured.Unstructured{Object: map[string]any{}}, &unstructured.Unstructured{Object: map[string]any{}}, "tmc-a"))
}
