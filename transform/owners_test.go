package transform_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/transform"
)

func ExampleWithOwnerReferences() {
	pipeline, err := transform.NewPipeline("prod", transform.WithOwnerReferences())
	if err != nil {
		panic(err)
	}
	claim := parse(`
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: data
  namespace: shop
  ownerReferences:
  - {apiVersion: db.example/v1, kind: Database, name: main, uid: 5f0e, controller: true, blockOwnerDeletion: true}
  - {apiVersion: v1, kind: ConfigMap, name: not-synced, uid: 77aa}`)
	rendered, err := pipeline.Render(context.Background(), &transform.Target{Cluster: "eu-1", Owners: []transform.Owner{{
		Original: "5f0e", Kind: schema.GroupVersionKind{Group: "db.example", Version: "v1", Kind: "Database"}, Name: "main", UID: "c0de",
	}}}, claim, transform.Origin{LogicalCluster: "1abc", Namespace: "shop", Name: "data", UID: "1e57"})
	for _, reference := range rendered.GetOwnerReferences() {
		fmt.Println(reference.Kind, reference.Name, reference.UID, *reference.Controller, reference.BlockOwnerDeletion, err)
	}
	// Output: Database main c0de true <nil> <nil>
}

var databaseKind = schema.GroupVersionKind{Group: "db.example", Version: "v1", Kind: "Database"}

func TestOwnerReferences(t *testing.T) {
	owner := func(uid string) map[string]any {
		return map[string]any{"apiVersion": "db.example/v1", "kind": "Database", "name": "main", "uid": uid}
	}
	there := transform.Owner{Original: "up", Kind: databaseKind, Name: "main-x", UID: "down"}
	named := map[string]any{"apiVersion": "db.example/v1", "kind": "Database", "name": "main-x", "uid": "down"}
	on := []transform.Option{transform.WithOwnerReferences()}
	for name, tc := range map[string]struct {
		reason string
		opts   []transform.Option
		above  any
		owners []transform.Owner
		want   any
	}{
		"by default":  {"owner references are dropped", nil, []any{owner("up")}, []transform.Owner{there}, nil},
		"mapped":      {"the copy of the owner is named", on, []any{owner("up")}, []transform.Owner{there}, []any{named}},
		"not there":   {"a cluster deletes what names an owner that is not there", on, []any{owner("up")}, nil, nil},
		"another":     {"a name is no proof: the UID is", on, []any{owner("other")}, []transform.Owner{there}, nil},
		"not asked":   {"who names nobody has no owner", on, nil, []transform.Owner{there}, nil},
		"twice":       {"the server tells owners apart by UID", on, []any{owner("up"), owner("up")}, []transform.Owner{there}, []any{named}},
		"without UID": {"nothing is not the UID of nobody", on, []any{owner("")}, []transform.Owner{{Kind: databaseKind, Name: "x", UID: "y"}}, nil},
		"nonsense":    {"a tenant's workspace may serve anything", on, []any{"x", map[string]any{"uid": int64(1)}, owner("up")}, []transform.Owner{there}, []any{named}},
		"no list":     {"", on, "x", []transform.Owner{there}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			original := object(t, deployment)
			if tc.above != nil {
				original.Object["metadata"].(map[string]any)["ownerReferences"] = tc.above
			}
			before := original.DeepCopy()
			out := render(t, pipeline(t, tc.opts...), &transform.Target{Owners: tc.owners}, original)
			if diff := cmp.Diff(tc.want, at(out, "metadata", "ownerReferences")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			require.Equal(t, before, original)
		})
	}
}

// No transformer and no override may have a copy owned by another, or by nobody.
func TestOwnerReferencesAreNotForTransformers(t *testing.T) {
	target := &transform.Target{Owners: []transform.Owner{{Original: "up", Kind: databaseKind, Name: "main", UID: "down"}}}
	original := object(t, deployment, with([]any{map[string]any{"apiVersion": "db.example/v1", "kind": "Database", "name": "main", "uid": "up"}}, "metadata", "ownerReferences"))
	for name, modify := range map[string]func(*unstructured.Unstructured){
		"removed":  func(u *unstructured.Unstructured) { u.SetOwnerReferences(nil) },
		"replaced": with([]any{map[string]any{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "other"}}, "metadata", "ownerReferences"),
		"in place": func(u *unstructured.Unstructured) {
			u.Object["metadata"].(map[string]any)["ownerReferences"].([]any)[0].(map[string]any)["uid"] = "other"
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := pipeline(t, transform.WithOwnerReferences(), transform.With(change("Bad", modify))).Render(t.Context(), target, original, originOf(original))
			var broken *transform.IdentityError
			require.ErrorAs(t, err, &broken)
			require.Equal(t, "Bad", broken.Transformer)
			require.Equal(t, "metadata.ownerReferences", broken.Field)
		})
	}
	target.Overrides = []transform.Override{{MergePatch: []byte(`{"metadata":{"ownerReferences":null}}`)}}
	_, err := pipeline(t, transform.WithOwnerReferences()).Render(t.Context(), target, original, originOf(original))
	require.Error(t, err)
}
