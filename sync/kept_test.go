package syncer

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/yaml"

	"github.com/tmc-sdk/tmc/transform"
)

func TestOwnFieldsAreWhatWeAppliedAsItIsNow(t *testing.T) {
	tests := map[string]struct{ reason, object, fields, want string }{
		"maps": {
			reason: "what others set stays theirs", object: `{spec: {replicas: 3, paused: true, strategy: {type: Recreate}}}`,
			fields: `{"f:spec":{"f:replicas":{},"f:strategy":{"f:type":{}}}}`, want: `{spec: {replicas: 3, strategy: {type: Recreate}}}`,
		},
		"elements by key": {
			reason: "an injected sidecar is not ours; an element has its key", object: `{containers: [{name: injected, image: z}, {name: main, image: a, tty: true}]}`,
			fields: `{"f:containers":{"k:{\"name\":\"main\"}":{".":{},"f:image":{}}}}`, want: `{containers: [{name: main, image: a}]}`,
		},
		"elements of a set": {
			reason: "our finalizer, not another's", object: `{metadata: {finalizers: [a, b]}}`,
			fields: `{"f:metadata":{"f:finalizers":{"v:\"b\"":{}}}}`, want: `{metadata: {finalizers: [b]}}`,
		},
		"as a whole": {
			reason: "an atomic list has one owner", object: `{args: [x, {deep: [1]}]}`, fields: `{"f:args":{}}`, want: `{args: [x, {deep: [1]}]}`,
		},
		"gone": {reason: "what is not there is not told of", object: `{spec: {}}`, fields: `{"f:spec":{"f:replicas":{}}}`, want: `{spec: {}}`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var object, want map[string]any
			require.NoError(t, yaml.Unmarshal([]byte(tc.object), &object))
			require.NoError(t, yaml.Unmarshal([]byte(tc.want), &want))
			set := &fieldpath.Set{}
			require.NoError(t, set.FromJSON(strings.NewReader(tc.fields)))
			if diff := cmp.Diff(any(want), extract(object, set)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// Whatever is extracted stands in the object: to apply it changes nothing.
func TestWhatIsExtractedIsInTheObject(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		object, set := map[string]any{}, fieldpath.NewSet()
		for i := range rapid.IntRange(0, 6).Draw(t, "fields") {
			name := fmt.Sprintf("f%d", i)
			if rapid.Bool().Draw(t, "isList") {
				var list []any
				for j := range rapid.IntRange(0, 4).Draw(t, "elements") {
					list = append(list, map[string]any{"name": fmt.Sprint(j), "value": int64(j), "other": "x"})
					if rapid.Bool().Draw(t, "ours") {
						set.Insert(fieldpath.MakePathOrDie(name, fieldpath.KeyByFields("name", fmt.Sprint(j)), "value"))
					}
				}
				object[name] = list
				continue
			}
			object[name] = map[string]any{"a": "1", "b": int64(2)}
			if rapid.Bool().Draw(t, "ours") {
				set.Insert(fieldpath.MakePathOrDie(name, "a"))
			}
		}
		got := extract(object, set)
		require.False(t, drifted(got, object), "%v is not in %v", got, object)
		set.Leaves().Iterate(func(path fieldpath.Path) {
			_, there := find(got, path)
			require.True(t, there, "%s is missing", path)
		})
	})
}

func TestOfWhatCannotBeToldNothingIsKept(t *testing.T) {
	copied := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"replicas": int64(1)}}}
	require.Nil(t, ownFields(copied, "tmc-a"), "no field is ours")
	copied.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "tmc-a", Operation: metav1.ManagedFieldsOperationApply, FieldsV1: metav1.NewFieldsV1("?")}})
	require.Nil(t, ownFields(copied, "tmc-a"), "they can't be read")
}

// What counts as a change of the template, and what does not.
func TestTheDigestOfATemplateLeavesReplicasOut(t *testing.T) {
	pipeline, err := transform.NewPipeline("test")
	require.NoError(t, err)
	digest := func(spec string) string {
		u := &unstructured.Unstructured{}
		require.NoError(t, yaml.Unmarshal([]byte("{apiVersion: apps/v1, kind: Deployment, spec: "+spec+"}"), &u.Object))
		require.NoError(t, sealTemplate(pipeline)(u))
		return templateDigestOf(u)
	}
	one := digest(`{replicas: 1, template: {spec: {containers: [{name: a, image: x}]}}}`)
	require.Len(t, one, 16)
	require.Equal(t, one, digest(`{replicas: 7, template: {spec: {containers: [{name: a, image: x}]}}}`))
	require.NotEqual(t, one, digest(`{replicas: 1, template: {spec: {containers: [{name: a, image: y}]}}}`))
}
