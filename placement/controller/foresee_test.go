package controller_test

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	placementcontroller "github.com/tmc-sdk/tmc/placement/controller"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// What would be decided is what is decided when it is so: each row is foreseen, then
// done, and compared.
func TestWhatIsForeseenIsWhatIsDecided(t *testing.T) {
	layer := placementcontroller.WithLayers(placementcontroller.NewLayer("platform", placementcontroller.Policy{
		Clusters: &v1alpha1.ClusterSelector{MatchLabels: map[string]string{"env": "prod"}},
	}))
	web := func(replicas int64) *unstructured.Unstructured { return deployment("web", "500m", replicas) }
	for name, tt := range map[string]struct {
		reason    string
		placement string // its spec
		objects   []*unstructured.Unstructured
		of        string
		want      string
		refused   string
	}{
		"a changed placement": {
			reason:    "its work moves, and leaves where it is",
			placement: "{clusters: {names: [b]}, resources: [{group: apps, kind: Deployment, name: web}]}",
			of:        "web", want: "(a) b",
		},
		"a layer above": {
			reason:    "what the platform forbids stays forbidden",
			placement: "{clusters: {names: [c]}, resources: [{group: apps, kind: Deployment, name: web}]}",
			of:        "web", want: "(a)", refused: v1alpha1.ReasonNoClusterFits,
		},
		"work that grows": {
			reason:  "work that fits no longer where it is stays, as it does",
			objects: []*unstructured.Unstructured{web(4)},
			of:      "web", want: "a",
		},
		"new work and its placement": {
			reason:    "both are new",
			placement: "{clusters: {names: [b]}, resources: [{group: apps, kind: Deployment, name: api}]}",
			objects:   []*unstructured.Unstructured{deployment("api", "1", 1)},
			of:        "api", want: "b",
		},
		"work that nothing covers": {
			reason:  "the default is made for it",
			objects: []*unstructured.Unstructured{deployment("api", "1", 1)},
			of:      v1alpha1.DefaultName, want: "b", // more is free there: web is reckoned with
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMemory(1)
			f := newFleet(cores("a", 8), cores("b", 4), cores("c", 8))
			for cluster, env := range map[string]string{"a": "prod", "b": "prod", "c": "dev"} {
				f.change(cluster, func(s *tmccluster.State) { s.Labels = map[string]string{"env": env} })
			}
			c := &copies{}
			c.set("a", false)
			placer, _ := m.run(t, f, layer, placementcontroller.WithCopies(c))
			ws := m.names[0]
			m.app(t, ws, "web", "{}", "500m", 2)
			m.eventually(t, ws, "web", on("a"))
			m.written()

			foreseen, err := placer.Foresee(t.Context(), placementcontroller.Supposition{Workspace: ws, Placements: m.supposed(t, ws, tt.of, tt.placement), Objects: tt.objects})
			require.NoError(t, err, tt.reason)
			require.Len(t, foreseen, 1, tt.reason)
			require.Equal(t, tt.of, foreseen[0].After.Name, tt.reason)
			require.Equal(t, tt.want, foreseen[0].After.Status.Summary, "%s: %+v", tt.reason, foreseen[0].After.Status)
			require.Equal(t, m.get(ws, "default", tt.of) == nil, foreseen[0].Before == nil, tt.reason)
			writes, _ := m.written()
			require.Empty(t, writes, "nothing is recorded")

			for _, o := range tt.objects {
				m.put(ws, o)
			}
			if tt.placement != "" {
				m.respec(t, ws, tt.of, tt.placement)
			}
			is := on(tt.want)
			if tt.refused != "" {
				is = refused(tt.refused)
			}
			after := m.eventually(t, ws, tt.of, is)
			require.Equal(t, tt.want, after.Status.Summary, tt.reason)
			reason := func(p *v1alpha1.Placement) string { return condition(p).Reason + ": " + condition(p).Message }
			require.Equal(t, reason(after), reason(foreseen[0].After), tt.reason)
		})
	}
}

// respec gives a Placement of the namespace default another spec.
func (m *memory) respec(tb testing.TB, ws multicluster.ClusterName, name, spec string) {
	tb.Helper()
	p := placementWith(tb, "default", name, spec)
	if m.get(ws, "default", name) == nil {
		m.put(ws, p)
		return
	}
	m.edit(ws, "default", name, func(old map[string]any) {
		clear(old)
		maps.Copy(old, p.Object["spec"].(map[string]any))
	})
}

// supposed returns a Placement with another spec, and else as a dry run of an apply
// would have it.
func (m *memory) supposed(tb testing.TB, ws multicluster.ClusterName, name, spec string) []*v1alpha1.Placement {
	tb.Helper()
	if spec == "" {
		return nil
	}
	p := &v1alpha1.Placement{}
	require.NoError(tb, fromUnstructured(placementWith(tb, "default", name, spec), p))
	p.Generation = 1
	if there := m.get(ws, "default", name); there != nil {
		p.ObjectMeta, p.Status = there.ObjectMeta, there.Status
		p.Generation++
	}
	return []*v1alpha1.Placement{p}
}
