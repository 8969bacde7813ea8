package recovery

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tmc-sdk/tmc/transform"
)

func TestMarksAreGivenToKnownOriginalsAlone(t *testing.T) {
	now := Renamed{Clusters: map[string]string{"old": "new", "same": "same"}, UIDs: map[types.UID]types.UID{"u1": "v1", "s1": "s1"}}
	for name, c := range map[string]struct {
		reason  string
		cluster string
		uid     types.UID
		want    bool
		left    bool
	}{
		"renamed":           {"both are known", "old", "u1", true, false},
		"unknown workspace": {"it was not restored, or is another's", "other", "u1", false, true},
		"unknown original":  {"it was not in the backup, or was refused", "old", "u2", false, true},
		"a namespace":       {"it has no UID", "old", "", true, false},
		"done":              {"nothing changed", "same", "s1", false, false},
		"done before":       {"a restore that is repeated finds the new marks", "new", "v1", false, false},
		"made since":        {"the loop knows the workspace, and sees to the copy", "same", "s2", false, false},
		"a done namespace":  {"nothing changed", "same", "", false, false},
		"namespace of none": {"it goes when it is empty", "other", "", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			marks := transform.Marks{Installation: "i", Origin: transform.Origin{LogicalCluster: c.cluster, Name: "web", UID: c.uid}}
			metadata, changed := marksOf(marks, now)
			if changed != c.want {
				t.Fatalf("changed is %v: %s", changed, c.reason)
			}
			if left := !changed && isLeft(marks, now); left != c.left {
				t.Fatalf("left is %v: %s", left, c.reason)
			}
			if !changed {
				return
			}
			obj := &unstructured.Unstructured{Object: map[string]any{}}
			marks.Stamp(obj)
			for kind, set := range map[string]func(map[string]string){"labels": obj.SetLabels, "annotations": obj.SetAnnotations} {
				all := map[string]map[string]string{"labels": obj.GetLabels(), "annotations": obj.GetAnnotations()}[kind]
				patch, _ := metadata[kind].(map[string]string)
				maps.Copy(all, patch)
				set(all)
			}
			got, ok := transform.ReadMarks(obj)
			marks.LogicalCluster = "new"
			if c.uid != "" {
				marks.UID = "v1"
			}
			if diff := cmp.Diff(marks, got); !ok || diff != "" {
				t.Errorf("marks (-want +got):\n%s", diff)
			}
		})
	}
}

func TestABackupHoldsNothingThatAServerWrites(t *testing.T) {
	objects := []unstructured.Unstructured{{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "data": map[string]any{"a": "b"}, "status": map[string]any{"x": "y"},
		"metadata": map[string]any{
			"name": "a", "uid": "u1", "resourceVersion": "7", "generation": int64(3), "finalizers": []any{"tmc-sdk.dev/copies-x"},
			"annotations": map[string]any{"kcp.io/cluster": "2abc", "mine": "1"},
			"labels":      map[string]any{"claimed.internal.apis.kcp.io/x": "1"},
		},
	}}}
	clean(objects, false)
	want := map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "data": map[string]any{"a": "b"},
		"metadata": map[string]any{"name": "a", "uid": "u1", "annotations": map[string]any{"mine": "1"}},
	}
	if diff := cmp.Diff(want, objects[0].Object); diff != "" {
		t.Errorf("object (-want +got):\n%s", diff)
	}
}
