package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	"github.com/tmc-sdk/tmc/transform"
)

// timed returns what logs how long a drill took to get to a step, from its disaster
// on. docs/recovery.md has the figures.
func (w *world) timed(drill string) (reached func(step string)) {
	began := time.Now()
	return func(step string) {
		w.t.Helper()
		w.t.Logf("drill %s: %s after %s", drill, step, time.Since(began).Round(100*time.Millisecond))
	}
}

// settledAs waits until exactly these Deployments of the tenant are healthy on
// the cluster, with so many replicas.
func (w *world) settledAs(tenant tmcenvtest.Workspace, home string, want map[string]int32) {
	w.t.Helper()
	w.until(fmt.Sprintf("%s holds %v", home, want), func() error {
		got := map[string]int32{}
		copies := w.copies(home)
		for i := range copies {
			marks, _ := transform.ReadMarks(&copies[i])
			if copies[i].DeletionTimestamp == nil && copies[i].Status.ReadyReplicas == *copies[i].Spec.Replicas {
				got[marks.Name] = *copies[i].Spec.Replicas
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) || len(copies) != len(want) {
			return fmt.Errorf("healthy are %v of %d", got, len(copies))
		}
		var originals appsv1.DeploymentList
		if err := w.at(tenant.Path).List(w.t.Context(), &originals, client.InNamespace("default")); err != nil {
			return err
		}
		for i := range originals.Items {
			d := &originals.Items[i]
			if d.Status.ReadyReplicas != want[d.Name] || *d.Spec.Replicas != want[d.Name] {
				return fmt.Errorf("the tenant sees %d of %d of %s ready", d.Status.ReadyReplicas, *d.Spec.Replicas, d.Name)
			}
		}
		if len(originals.Items) != len(want) {
			return fmt.Errorf("%d originals", len(originals.Items))
		}
		return nil
	})
}

// drillKCPFromSnapshot loses ten minutes of kcp. The controller is stopped while
// kcp is restored.
func (w *world) drillKCPFromSnapshot(tenant tmcenvtest.Workspace, home string) {
	t := w.t
	stop := w.start(transform.HashedNaming{})
	w.create(tenant.Path, "doomed", 1)
	w.settledAs(tenant, home, map[string]int32{"web": 3, "doomed": 1})
	web, running := w.copyOf(home, "web"), w.podsOf(home, "web")
	then, err := w.kcp.Snapshot()
	require.NoError(t, err)

	w.scale(tenant, home, 5)
	w.create(tenant.Path, "late", 1)
	require.NoError(t, w.at(tenant.Path).Delete(t.Context(), named("doomed")))
	w.settledAs(tenant, home, map[string]int32{"web": 5, "late": 1})

	stop()
	reached := w.timed("kcp from a snapshot")
	require.NoError(t, w.kcp.RestartFrom(t.Context(), then))
	reached("kcp serves again")
	require.Len(t, w.podsOf(home, "web"), 5, "work runs on without kcp and controller")
	stop = w.start(transform.HashedNaming{})
	// What was changed since is as it was, what was deleted is back, and what was
	// created is gone, on the cluster too.
	w.settledAs(tenant, home, map[string]int32{"web": 3, "doomed": 1})
	reached("all copies are what kcp knows of")
	require.Equal(t, web.UID, w.copyOf(home, "web").UID)
	left := w.podsOf(home, "web")
	require.Len(t, left, 3)
	require.True(t, slices.ContainsFunc(left, func(uid types.UID) bool { return slices.Contains(running, uid) }))
	require.NoError(t, w.at(tenant.Path).Delete(t.Context(), named("doomed")))
	w.settledAs(tenant, home, map[string]int32{"web": 3})
	stop()
}

// drillClusterFromOldEtcd loses ten minutes of a physical cluster, while the
// controller runs.
func (w *world) drillClusterFromOldEtcd(tenant tmcenvtest.Workspace, home string) {
	t := w.t
	stop := w.start(transform.HashedNaming{})
	w.create(tenant.Path, "doomed", 1)
	w.settledAs(tenant, home, map[string]int32{"web": 3, "doomed": 1})
	web, running := w.copyOf(home, "web"), w.podsOf(home, "web")
	then, err := w.clusters[home].Snapshot()
	require.NoError(t, err)

	w.scale(tenant, home, 4)
	w.create(tenant.Path, "late", 1)
	require.NoError(t, w.at(tenant.Path).Delete(t.Context(), named("doomed")))
	w.settledAs(tenant, home, map[string]int32{"web": 4, "late": 1})
	w.countOn(home, 1000)

	reached := w.timed("a cluster from an old etcd")
	require.NoError(t, w.clusters[home].RestartFrom(t.Context(), then))
	reached("the cluster serves again")
	w.settledAs(tenant, home, map[string]int32{"web": 4, "late": 1})
	reached("all copies are up to date")
	require.Equal(t, web.UID, w.copyOf(home, "web").UID)
	require.Subset(t, w.podsOf(home, "web"), running, "no pod was restarted")
	require.NoError(t, w.at(tenant.Path).Delete(t.Context(), named("late")))
	w.scale(tenant, home, 3)
	w.settledAs(tenant, home, map[string]int32{"web": 3})
	stop()
}

// countOn has a cluster's storage count on by so many revisions, as any does in ten
// minutes. What a cluster lost of a few seconds it writes again while it starts, and
// then nobody can tell by its revision that it went back (docs/state.md).
func (w *world) countOn(cluster string, revisions int) {
	t := w.t
	c, err := w.clusters[cluster].Client()
	require.NoError(t, err)
	var group errgroup.Group
	group.SetLimit(10)
	for i := range 10 {
		counter := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: fmt.Sprintf("counter-%d", i)}}
		require.NoError(t, client.IgnoreAlreadyExists(c.Create(t.Context(), counter)))
		group.Go(func() error {
			for n := range revisions / 10 {
				patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"data":{"n":"%d"}}`, n))
				if err := c.Patch(t.Context(), counter, patch); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
}

// drillRegionLost loses the only cluster of a region for longer than the grace, while
// the controller runs, and has it back.
func (w *world) drillRegionLost(tenant tmcenvtest.Workspace, home, other string) {
	t := w.t
	w.grace = 5 * time.Second
	stop := w.start(transform.HashedNaming{})
	restrict := func(clusters string) {
		p := &v1alpha1.Placement{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "default"}}
		require.NoError(t, w.at(tenant.Path).Patch(t.Context(), p, client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"spec":{"clusters":%s}}`, clusters))))
	}
	restrict("null") // a move before has tied it to its cluster
	w.settled(tenant, home)
	lost := w.copyOf(home, "web")
	reached := w.timed("a region is lost, and back")
	w.clusters[home].Kill()
	w.until("the tenant sees its work healthy in the other region", func() error {
		web := &appsv1.Deployment{}
		if err := w.at(tenant.Path).Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "web"}, web); err != nil {
			return err
		}
		if n := len(w.podsOf(other, "web")); n != 3 || web.Status.ReadyReplicas != 3 || len(w.copies(other)) != 1 {
			return fmt.Errorf("%d pods, %d ready", n, web.Status.ReadyReplicas)
		}
		return nil
	})
	reached("the tenant sees its work healthy in the other region")
	moved := w.copyOf(other, "web")
	require.NoError(t, w.clusters[home].Restart(t.Context()))
	reached("the region is back")
	w.settled(tenant, other) // and nowhere else
	reached("what the region still ran is retired")
	require.NotEqual(t, lost.UID, moved.UID)
	require.Equal(t, moved.UID, w.copyOf(other, "web").UID, "what took over stays")
	restrict(`{"names":["` + other + `"]}`) // for the drill that decides anew
	w.settled(tenant, other)
	stop()
	w.grace = 5 * time.Minute
}

func named(name string) *appsv1.Deployment {
	return &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
}

// copyOf returns the copy of a Deployment.
func (w *world) copyOf(cluster, name string) appsv1.Deployment {
	w.t.Helper()
	for _, c := range w.copies(cluster) {
		if marks, _ := transform.ReadMarks(&c); marks.Name == name {
			return c
		}
	}
	w.t.Fatalf("no copy of %s on %s", name, cluster)
	return appsv1.Deployment{}
}

// podsOf returns the UIDs of the pods of a Deployment that are not going.
func (w *world) podsOf(cluster, name string) []types.UID {
	w.t.Helper()
	list := &corev1.PodList{}
	require.NoError(w.t, w.on(cluster).List(w.t.Context(), list, client.MatchingLabels{"app": name}))
	var uids []types.UID
	for i := range list.Items {
		if list.Items[i].DeletionTimestamp == nil {
			uids = append(uids, list.Items[i].UID)
		}
	}
	return uids
}
