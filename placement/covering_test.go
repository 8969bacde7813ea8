package placement_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

func covering(name string, age int, selectors ...v1alpha1.ResourceSelector) *v1alpha1.Placement {
	return &v1alpha1.Placement{
		ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(time.Unix(int64(1000-age), 0))},
		Spec:       v1alpha1.PlacementSpec{Resources: selectors},
	}
}

func ExampleCovering() {
	all := &v1alpha1.Placement{ObjectMeta: metav1.ObjectMeta{Name: "all"}}
	web := &v1alpha1.Placement{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: v1alpha1.PlacementSpec{
		Resources: []v1alpha1.ResourceSelector{{Group: "apps", Kind: "Deployment", Name: "web"}},
	}}
	object := placement.Object{Group: "apps", Kind: "Deployment", Name: "web"}
	fmt.Println(placement.Covering(object, []*v1alpha1.Placement{all, web}).Name)
	// Output: web
}

func TestCovering(t *testing.T) {
	named := v1alpha1.ResourceSelector{Group: "apps", Kind: "Deployment", Name: "web"}
	other := v1alpha1.ResourceSelector{Group: "apps", Kind: "Deployment", Name: "db"}
	labelled := v1alpha1.ResourceSelector{Group: "apps", Kind: "Deployment", LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}}
	kind := v1alpha1.ResourceSelector{Group: "apps", Kind: "Deployment"}
	broken := v1alpha1.ResourceSelector{Group: "apps", Kind: "Deployment", LabelSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Nonsense"}}}}
	deleting := covering("deleting", 9)
	deleting.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	for name, tc := range map[string]struct {
		reason string
		list   []*v1alpha1.Placement
		want   string
	}{
		"none":              {"nothing covers it", nil, ""},
		"the namespace":     {"an empty selection is the whole namespace", []*v1alpha1.Placement{covering("a", 1)}, "a"},
		"by name first":     {"the most specific wins", []*v1alpha1.Placement{covering("a", 9), covering("b", 5, labelled), covering("c", 1, named)}, "c"},
		"then by labels":    {"a selection beats the namespace", []*v1alpha1.Placement{covering("a", 9), covering("b", 1, labelled)}, "b"},
		"then by kind":      {"a kind is a selection", []*v1alpha1.Placement{covering("a", 9), covering("b", 1, kind)}, "b"},
		"the oldest":        {"among equals the oldest wins", []*v1alpha1.Placement{covering("a", 1), covering("b", 2)}, "b"},
		"the first by name": {"among those as old the first by name", []*v1alpha1.Placement{covering("b", 1), covering("a", 1)}, "a"},
		"of others":         {"a placement of another object", []*v1alpha1.Placement{covering("a", 1, other)}, ""},
		"broken":            {"an invalid selector selects nothing", []*v1alpha1.Placement{covering("a", 1, broken)}, ""},
		"deleting":          {"a placement that goes covers nothing", []*v1alpha1.Placement{deleting, covering("a", 1)}, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			got := placement.Covering(placement.Object{Group: "apps", Kind: "Deployment", Name: "web", Labels: map[string]string{"app": "web"}}, tc.list)
			if tc.want == "" {
				require.Nil(t, got, tc.reason)
				return
			}
			require.NotNil(t, got, tc.reason)
			require.Equal(t, tc.want, got.Name, tc.reason)
		})
	}
}
