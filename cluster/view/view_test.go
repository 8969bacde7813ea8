package view_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/view"
)

var deployment = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}

func TestObjectOf(t *testing.T) {
	cases := map[string]struct {
		reason string
		status string
		want   view.Object
	}{
		"nothing":   {"nothing has been said", `{}`, view.Object{Health: view.Unknown}},
		"healthy":   {"all is well", `{conditions: [{type: Synced, status: "True"}, {type: Healthy, status: "True"}]}`, view.Object{Health: view.Healthy}},
		"unhealthy": {"its own reason", `{conditions: [{type: Healthy, status: "False", reason: Progressing}]}`, view.Object{Health: view.Unhealthy, Reason: "Progressing"}},
		"unsynced":  {"what is not synced has no health", `{conditions: [{type: Healthy, status: "True"}, {type: Synced, status: "False", reason: Conflict}]}`, view.Object{Health: view.Unsynced, Reason: "Conflict"}},
		"placed":    {"a Placement says where", `{conditions: [{type: Placed, status: "True"}], targets: [{cluster: us-1}, {cluster: eu-1}, {cluster: eu-1}]}`, view.Object{Health: view.Healthy, Clusters: []string{"eu-1", "us-1"}}},
		"unplaced":  {"a Placement says why not", `{conditions: [{type: Placed, status: "False", reason: NoClusterFits}]}`, view.Object{Health: view.Unplaced, Reason: "NoClusterFits"}},
		"strange":   {"a tenant writes what they like", `{conditions: {a: b}, targets: [1, {cluster: 7}]}`, view.Object{Health: view.Unknown}},
		"stranger":  {"a tenant writes what they like", `{conditions: [{type: 1}, 2, {status: []}]}`, view.Object{Health: view.Unknown}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			u := &unstructured.Unstructured{Object: map[string]any{}}
			status := map[string]any{}
			require.NoError(t, yaml.Unmarshal([]byte(tc.status), &status))
			u.Object["status"] = status
			u.SetGroupVersionKind(deployment)
			u.SetNamespace("default")
			u.SetName("web")
			tc.want.Kind, tc.want.KindName, tc.want.Namespace, tc.want.Name = deployment, "Deployment.apps", "default", "web"
			if diff := cmp.Diff(tc.want, view.ObjectOf(u)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// TestCountsAreWhatARecountGives changes a view in any order, and compares its
// counts with those of a recount of what exists.
func TestCountsAreWhatARecountGives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := view.New()
		exists := map[string]map[string]view.Object{}
		tenantName := rapid.SampledFrom([]string{"t0", "t1", "t2"})
		draw := func(t *rapid.T) view.Object {
			return view.Object{
				Kind: deployment, KindName: "Deployment.apps", Name: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name"),
				Health:   rapid.SampledFrom([]view.Health{view.Healthy, view.Unhealthy, view.Unknown}).Draw(t, "health"),
				Clusters: rapid.SampledFrom([][]string{nil, {"eu"}, {"eu", "us"}}).Draw(t, "clusters"),
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				name, o := tenantName.Draw(t, "tenant"), draw(t)
				if exists[name] == nil {
					exists[name] = map[string]view.Object{}
				}
				exists[name][o.Name] = o
				v.Set(name, o)
			},
			"delete": func(t *rapid.T) {
				name, o := tenantName.Draw(t, "tenant"), draw(t)
				delete(exists[name], o.Name)
				v.Delete(name, o)
			},
			"forget": func(t *rapid.T) {
				name := tenantName.Draw(t, "tenant")
				delete(exists, name)
				v.Forget(name)
			},
			"": func(t *rapid.T) {
				total := view.Counts{}
				for _, name := range slices.Sorted(maps.Keys(exists)) {
					want := recount(exists[name])
					got, ok := v.Tenant(name)
					if diff := cmp.Diff(want, got.Counts, cmpopts.EquateEmpty()); !ok || diff != "" {
						t.Fatalf("counts of %s (-recount +view):\n%s", name, diff)
					}
					if len(v.Objects(name)) != len(exists[name]) {
						t.Fatalf("want %d objects of %s, got %v", len(exists[name]), name, v.Objects(name))
					}
				}
				all := map[string]view.Object{}
				for tenant, objects := range exists {
					for name, o := range objects {
						all[tenant+"/"+name] = o
					}
				}
				total = recount(all)
				if diff := cmp.Diff(total, v.Fleet().Counts, cmpopts.EquateEmpty()); diff != "" {
					t.Fatalf("counts of the fleet (-recount +view):\n%s", diff)
				}
			},
		})
	})
}

func recount(objects map[string]view.Object) view.Counts {
	c := view.Counts{ByKind: map[string]int{}, ByHealth: map[view.Health]int{}, ByCluster: map[string]int{}}
	for _, o := range objects {
		c.Objects++
		c.ByKind[o.KindName]++
		c.ByHealth[o.Health]++
		for _, name := range o.Clusters {
			c.ByCluster[name]++
		}
	}
	return c
}

type snapshots struct{ fleet *tmccluster.Snapshot }

func (s snapshots) Snapshot() *tmccluster.Snapshot { return s.fleet }

// BenchmarkSet is one event of one object among a hundred thousand.
func BenchmarkSet(b *testing.B) {
	v := view.New()
	object := func(i int) view.Object {
		return view.Object{Kind: deployment, KindName: "Deployment.apps", Namespace: "default", Name: fmt.Sprint("web-", i%1000), Health: view.Healthy, Clusters: []string{"eu-1"}}
	}
	for tenant := range 100 {
		for i := range 1000 {
			v.Set(fmt.Sprint("t", tenant), object(i))
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		v.Set("t7", object(i))
	}
}

func ExampleView() {
	v := view.New()
	v.Set("2vz9", view.Object{Kind: deployment, KindName: "Deployment.apps", Namespace: "default", Name: "web", Health: view.Healthy, Clusters: []string{"eu-1", "us-1"}})
	v.Set("2vz9", view.Object{Kind: deployment, KindName: "Deployment.apps", Namespace: "default", Name: "db", Health: view.Unsynced, Reason: "Conflict", Clusters: []string{"eu-1"}})
	v.Set("8fk2", view.Object{Kind: deployment, KindName: "Deployment.apps", Namespace: "default", Name: "web", Health: view.Healthy, Clusters: []string{"us-1"}})

	tenant, _ := v.Tenant("2vz9")
	fmt.Println(tenant.Objects, tenant.ByHealth, tenant.ByCluster)
	fleet := v.Fleet()
	fmt.Println(fleet.Tenants, fleet.Objects, fleet.ByCluster)
	// Output:
	// 2 map[Healthy:1 Unsynced:1] map[eu-1:2 us-1:1]
	// 2 3 map[eu-1:2 us-1:2]
}
