package controller

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/cluster/workspaces"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// book is a Directory of what it has.
type book map[multicluster.ClusterName]*WorkspaceInfo

func (b book) Workspace(_ context.Context, name multicluster.ClusterName) (*WorkspaceInfo, error) {
	if info := b[name]; info != nil {
		return info, nil
	}
	return nil, errors.New("it is not known")
}

func TestMatchesPath(t *testing.T) {
	tests := map[string]struct {
		pattern, path string
		want          bool
	}{
		"the same":               {"root:prod", "root:prod", true},
		"another":                {"root:prod", "root:dev", false},
		"a part of any text":     {"root:*:team", "root:prod:team", true},
		"not beyond the part":    {"root:*", "root:prod:team", false},
		"a part of some text":    {"root:team-*", "root:team-a", true},
		"any parts":              {"root:orgs:**", "root:orgs:a:b:c", true},
		"no part":                {"root:orgs:**", "root:orgs", true},
		"a parent":               {"root:orgs:**", "root", false},
		"a name that begins so":  {"root:orgs:**", "root:orgs-evil", false},
		"longer than the path":   {"root:a:b", "root:a", false},
		"everything":             {"**", "root:a", true},
		"stars within are parts": {"root:**:x", "root:a:b:x", false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, matchesPath(tc.pattern, tc.path)) })
	}
}

func TestSelectedLayerSpeaksForTheWorkspacesItSelects(t *testing.T) {
	directory := book{
		"a": {Path: "root:prod:a", Labels: map[string]string{"tier": "gold"}},
		"b": {Path: "root:dev:b", Labels: map[string]string{"tier": "gold"}},
		"c": {Path: "root:prod:c"},
	}
	gold := &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "gold"}}
	tests := map[string]struct {
		selector WorkspaceSelector
		want     string
	}{
		"all":              {want: "abc?"},
		"names":            {selector: WorkspaceSelector{Names: []multicluster.ClusterName{"a", "?"}}, want: "a?"},
		"paths":            {selector: WorkspaceSelector{Paths: []string{"root:prod:*"}}, want: "ac"},
		"several paths":    {selector: WorkspaceSelector{Paths: []string{"root:prod:a", "root:dev:**"}}, want: "ab"},
		"labels":           {selector: WorkspaceSelector{Labels: gold}, want: "ab"},
		"paths and lables": {selector: WorkspaceSelector{Paths: []string{"root:prod:*"}, Labels: gold}, want: "a"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			layer, err := NewSelectedLayer(NewLayer("l", Policy{MaxClusters: 1}), tc.selector, directory)
			require.NoError(t, err)
			require.Equal(t, "l", layer.Name())
			got := ""
			for _, workspace := range []multicluster.ClusterName{"a", "b", "c", "?"} {
				policy, err := layer.Policy(t.Context(), &Scope{Workspace: workspace})
				if workspace == "?" && len(tc.selector.Names) == 0 && name != "all" {
					require.Error(t, err, "what can't be looked up is not left out")
				}
				if policy != nil {
					got += string(workspace)
				}
			}
			require.Equal(t, tc.want, got)
		})
	}
	_, err := NewSelectedLayer(nil, WorkspaceSelector{}, nil)
	require.ErrorContains(t, err, "needs a layer")
	_, err = NewSelectedLayer(NewLayer("l", Policy{}), WorkspaceSelector{Paths: []string{"a"}}, nil)
	require.ErrorContains(t, err, "need a directory")
	_, err = NewSelectedLayer(NewLayer("l", Policy{}), WorkspaceSelector{Paths: []string{"["}}, directory)
	require.ErrorContains(t, err, "no pattern")
}

// What is told of a workspace counts at once, and is told on when it is news.
func TestADirectoryTellsOfChangedLabels(t *testing.T) {
	d := NewDirectory(nil)
	var told []multicluster.ClusterName
	layer, err := NewSelectedLayer(NewLayer("l", Policy{}), WorkspaceSelector{Labels: &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "gold"}}}, d)
	require.NoError(t, err)
	layer.(LayerNotifier).NotifyChanged(func(name multicluster.ClusterName) { told = append(told, name) })
	says := func() bool {
		policy, err := layer.Policy(t.Context(), &Scope{Workspace: "a"})
		require.NoError(t, err)
		return policy != nil
	}
	lc := func(name, tier string) *unstructured.Unstructured {
		u := &unstructured.Unstructured{Object: map[string]any{}}
		u.SetName(name)
		u.SetLabels(map[string]string{"tier": tier})
		return u
	}
	d.observe(workspaces.Event{Cluster: "a", New: lc("cluster", "iron"), Initial: true})
	require.False(t, says())
	require.Empty(t, told, "nobody knew otherwise")
	d.observe(workspaces.Event{Cluster: "a", New: lc("cluster", "gold")})
	require.True(t, says())
	d.observe(workspaces.Event{Cluster: "a", New: lc("cluster", "gold")})
	require.Equal(t, []multicluster.ClusterName{"a"}, told, "once")
	d.observe(workspaces.Event{Cluster: "a", New: lc("another", "iron")})
	d.observe(workspaces.Event{Cluster: "a", Old: lc("cluster", "gold")})
	require.True(t, says(), "not to be seen is not to be without labels")
}

// Every combination of who says something: the nearest default counts, and no
// one is wider than any mandatory bound.
func TestEveryCombinationOfLayers(t *testing.T) {
	for mask := range 1 << 5 {
		says := func(bit int) bool { return mask&(1<<bit) != 0 }
		t.Run(fmt.Sprintf("%05b", mask), func(t *testing.T) {
			platform, export, workspace := Policy{}, Policy{}, Policy{}
			spec := &v1alpha1.PlacementSpec{}
			want, by := int32(0), ""
			count := func(n int32, who string) *v1alpha1.Count {
				want, by = n, who
				return &v1alpha1.Count{Max: &n}
			}
			if says(0) {
				platform.Defaults = &v1alpha1.PlacementSpec{Count: count(7, "platform")}
			}
			if says(1) {
				export.Defaults = &v1alpha1.PlacementSpec{Count: count(6, "export")}
			}
			if says(2) {
				workspace.Defaults = &v1alpha1.PlacementSpec{Count: count(5, "workspace")}
			}
			if says(3) {
				spec.Count = count(9, "")
			}
			if says(4) {
				platform.MaxClusters = 4
				if want > 4 {
					want, by = 4, "platform"
				}
			}
			n := narrow(spec, []named{{"platform", &platform}, {"export", &export}, {workspaceLayer, &workspace}})
			require.Empty(t, n.refusal)
			if want == 0 {
				require.Nil(t, n.spec.Count)
				return
			}
			require.Equal(t, want, *n.spec.Count.Max)
			require.Equal(t, by, n.layers["count"], "who decided is known")
			require.Equal(t, by != "", len(n.notes) > 0, "and told: %v", n.notes)
		})
	}
}

func TestNarrowBoundsSpreadPriorityAndPreemption(t *testing.T) {
	regions := func(least, most int32) v1alpha1.Spread {
		s := v1alpha1.Spread{TopologyKey: "region"}
		if least > 0 {
			s.MinGroups = &least
		}
		if most > 0 {
			s.MaxGroups = &most
		}
		return s
	}
	tests := map[string]struct {
		reason   string
		own      []v1alpha1.Spread
		demanded v1alpha1.Spread
		want     []v1alpha1.Spread
		refused  bool
	}{
		"added":           {reason: "the spec says nothing", demanded: regions(2, 0), want: []v1alpha1.Spread{regions(2, 0)}},
		"stricter stays":  {reason: "a tenant may narrow", own: []v1alpha1.Spread{regions(3, 0)}, demanded: regions(2, 0), want: []v1alpha1.Spread{regions(3, 0)}},
		"wider is raised": {reason: "it can't widen", own: []v1alpha1.Spread{regions(1, 0)}, demanded: regions(2, 0), want: []v1alpha1.Spread{regions(2, 0)}},
		"both bounds":     {reason: "each counts where it is stricter", own: []v1alpha1.Spread{regions(0, 3)}, demanded: regions(2, 5), want: []v1alpha1.Spread{regions(2, 3)}},
		"contradiction":   {reason: "no choice satisfies both", own: []v1alpha1.Spread{regions(0, 1)}, demanded: regions(2, 0), refused: true},
		"soft is no excuse": {
			reason:   "a soft spread of the tenant gives way to a hard one above",
			own:      []v1alpha1.Spread{{TopologyKey: "region", MaxGroups: new(int32(1)), WhenUnsatisfiable: "ScheduleAnyway"}},
			demanded: regions(2, 0), want: []v1alpha1.Spread{regions(2, 0)},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			n := narrow(&v1alpha1.PlacementSpec{Spread: tc.own}, []named{{"a", &Policy{Spread: []v1alpha1.Spread{tc.demanded}}}})
			if tc.refused {
				require.Contains(t, n.refusal, "exclude each other", tc.reason)
				return
			}
			require.Equal(t, tc.want, n.spec.Spread, tc.reason)
		})
	}
	n := narrow(&v1alpha1.PlacementSpec{Priority: 100, PreemptionPolicy: v1alpha1.PreemptLowerPriority}, []named{{"a", &Policy{MaxPriority: new(int32(10)), NoPreemption: true}}})
	require.Equal(t, int32(10), n.spec.Priority)
	require.Equal(t, v1alpha1.PreemptNever, n.spec.PreemptionPolicy)
	require.Equal(t, []string{`Layer "a" allows a priority of 10 at most.`, `Layer "a" allows no preemption.`}, n.notes)
	n = narrow(&v1alpha1.PlacementSpec{ReservePercent: new(int32(5))}, []named{{"a", &Policy{ReservePercent: 10}}, {"b", &Policy{ReservePercent: 8}}})
	require.Equal(t, int32(10), *n.spec.ReservePercent, "a tenant may raise what stays free, and not lower it")
	require.Equal(t, []string{`Layer "a" keeps 10% of every cluster free.`}, n.notes)
	n = narrow(&v1alpha1.PlacementSpec{ReservePercent: new(int32(30))}, []named{{"a", &Policy{ReservePercent: 10}}})
	require.Equal(t, int32(30), *n.spec.ReservePercent)
	require.Empty(t, n.notes)
	n = narrow(&v1alpha1.PlacementSpec{Priority: -5}, []named{{"a", &Policy{MaxPriority: new(int32(10)), NoPreemption: true}}})
	require.Empty(t, n.notes, "nothing was narrowed")
}
