package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apisv1alpha2 "github.com/kcp-dev/sdk/apis/apis/v1alpha2"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	"github.com/tmc-sdk/tmc/sync/audit"
	"github.com/tmc-sdk/tmc/sync/recovery"
	"github.com/tmc-sdk/tmc/transform"
)

func exportOf(ctx context.Context, c client.Client) []string {
	export := &apisv1alpha2.APIExport{}
	if c.Get(ctx, client.ObjectKey{Name: "tmc"}, export) != nil {
		return nil
	}
	var names []string
	for _, r := range export.Spec.Resources {
		names = append(names, r.Name)
	}
	return names
}

// The built program against a real kcp and two real clusters, and the drills of
// docs/recovery.md.
func TestOnRealServers(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real servers")
	}
	w := newWorld(t)
	w.makePlatform()
	w.register()
	stop := w.start(transform.HashedNaming{})
	tenant := w.bind("team-a")
	w.deploy(tenant.Path)
	home := w.settled(tenant, "")
	other := map[string]string{"eu-1": "us-1", "us-1": "eu-1"}[home]

	w.looks(tenant, home, other)
	w.operates(tenant, home, other)
	w.drillControllerWiped(tenant, home, stop)
	w.drillKCPFromSnapshot(tenant, home)
	w.drillClusterFromOldEtcd(tenant, home)
	w.drillRegionLost(tenant, home, other)
	w.auditIsWhole()
	w.drillKCPLost(tenant, other)
}

// settled waits until the tenant's work is healthy on one cluster alone, and
// says on which; on the one given, if any.
func (w *world) settled(tenant tmcenvtest.Workspace, on string) (home string) {
	w.t.Helper()
	w.until("the work is healthy on "+orDash(on), func() error {
		p, web := &v1alpha1.Placement{}, &appsv1.Deployment{}
		if err := w.at(tenant.Path).Get(w.t.Context(), client.ObjectKey{Namespace: "default", Name: "default"}, p); err != nil {
			return err
		}
		if err := w.at(tenant.Path).Get(w.t.Context(), client.ObjectKey{Namespace: "default", Name: "web"}, web); err != nil {
			return err
		}
		if len(p.Status.Targets) != 1 || on != "" && p.Status.Targets[0].Cluster != on {
			return fmt.Errorf("decided on %s", targetsText(p.Status.Targets))
		}
		home = p.Status.Targets[0].Cluster
		for name := range w.clusters {
			if d := w.copies(name); (len(d) > 0) != (name == home) {
				return fmt.Errorf("%d copies on %s", len(d), name)
			}
		}
		if web.Status.ReadyReplicas != *web.Spec.Replicas {
			return fmt.Errorf("%d of %d ready", web.Status.ReadyReplicas, *web.Spec.Replicas)
		}
		return nil
	})
	return home
}

func (w *world) copies(cluster string) []appsv1.Deployment {
	list := &appsv1.DeploymentList{}
	require.NoError(w.t, w.on(cluster).List(w.t.Context(), list, client.MatchingLabels{transform.LabelInstallation: installation}))
	return list.Items
}

// pods returns the UIDs of the pods on a cluster.
func (w *world) pods(cluster string) []types.UID {
	list := &corev1.PodList{}
	require.NoError(w.t, w.on(cluster).List(w.t.Context(), list, client.MatchingLabels{"app": "web"}))
	var uids []types.UID
	for i := range list.Items {
		uids = append(uids, list.Items[i].UID)
	}
	slices.Sort(uids)
	return uids
}

func (w *world) looks(tenant tmcenvtest.Workspace, home, other string) {
	t, at := w.t, []string{"--workspace", tenant.Path.String()}
	require.Equal(t, "physicalcluster.cluster.tmc-sdk.dev/eu-1\nphysicalcluster.cluster.tmc-sdk.dev/us-1\n", w.fine("clusters", "-o", "name"))
	require.Contains(t, w.fine("clusters", "-o", "wide"), "Ready")
	all := w.fine("placements", "--all-workspaces", "--on", home)
	require.Contains(t, all, tenant.Cluster.String())
	require.Contains(t, w.fine(append(at, "placements", "-o", "yaml")...), "cluster: "+home)

	var why explanation
	w.decode(&why, append(at, "explain", "default")...)
	require.Equal(t, []string{"deployment/web (2 replicas)"}, why.Workloads)
	require.True(t, why.Clusters[0].Here && why.Clusters[0].Cluster == home, "%+v", why)
	require.Contains(t, why.Clusters[1].Change, "spec.count.max")

	var sight tree
	w.decode(&sight, append(at, "tree", "deploy/web")...)
	require.Len(t, sight.Targets, 1)
	require.Equal(t, "Healthy", sight.Targets[0].Health, "%+v", sight)

	require.Contains(t, w.fine("capacity"), "If one cluster were lost")
	out, code := w.run("what-if", "--lose", home, "--exit-code")
	require.Equal(t, 2, code)
	require.Contains(t, out, other)
	file := filepath.Join(w.dir, "placement.yaml")
	require.NoError(t, os.WriteFile(file, []byte("apiVersion: placement.tmc-sdk.dev/v1alpha1\nkind: Placement\nmetadata:\n  name: default\nspec:\n  clusters:\n    names: ["+other+"]\n"), 0o600))
	require.Contains(t, w.fine(append(at, "plan", "-f", file)...), "1 decisions would change")
	w.plans(tenant, home, other, file)

	require.Contains(t, w.fine("doctor"), "0 failed")
	require.Contains(t, w.fine("__complete", "cordon", ""), "eu-1")
	_, code = w.run("--context", "nowhere", "clusters")
	require.Equal(t, 1, code)
}

// plans asks the controller what a file would do, and finds nothing changed by that.
func (w *world) plans(tenant tmcenvtest.Workspace, home, other, placement string) {
	t := w.t
	at := []string{"--workspace", tenant.Path.String(), "--controller", w.controller, "plan", "--exit-code"}
	before := w.copies(home)[0]
	out, code := w.run(at...)
	require.Zero(t, code, "all is done")
	require.Contains(t, out, "0 copies would be created, 0 configured, 0 deleted, 0 refused; 0 decisions would change.")

	app := filepath.Join(w.dir, "app.yaml")
	require.NoError(t, os.WriteFile(app, []byte(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {replicas: 5}
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {greeting: goodbye}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: unused}, data: {greeting: nobody}}
`), 0o600))
	out, code = w.run(append(at, "-f", app)...)
	require.Equal(t, 2, code)
	for _, want := range []string{
		"configured Deployment default/web in " + tenant.Cluster.String() + " on " + home + " as " + before.Namespace + "/web (Changed)\n  ~ spec.replicas: 2 -> 5\n",
		"configured ConfigMap default/settings", `~ data.greeting: "hello" -> "goodbye"`,
		"0 copies would be created, 2 configured, 0 deleted, 0 refused; 0 decisions would change.",
	} {
		require.Contains(t, out, want)
	}
	// What the file has and what the decision makes of it are planned together.
	out, code = w.run(append(at, "-f", app, "-f", placement)...)
	require.Equal(t, 2, code)
	for _, want := range []string{
		"created Deployment default/web in " + tenant.Cluster.String() + " on " + other, "+ spec.replicas: 5",
		"deleted Deployment default/web in " + tenant.Cluster.String() + " on " + home,
		"waits: until its copies on " + other + " are healthy", "created ConfigMap default/settings", "1 decisions would change.",
	} {
		require.Contains(t, out, want)
	}
	require.Equal(t, "deployment.apps/web\nconfigmap/settings\n", w.sortedNames(append(at, "-f", app, "-o", "name")))
	_, code = w.run(append(at, "-f", filepath.Join(w.dir, "kubeconfig"))...)
	require.Equal(t, 1, code, "a file that is none fails")
	after := w.copies(home)[0]
	require.Equal(t, before.ResourceVersion, after.ResourceVersion, "planning writes nothing")
}

// sortedNames runs the program, which finds something, and sorts its lines.
func (w *world) sortedNames(args []string) string {
	w.t.Helper()
	out, code := w.run(args...)
	require.Equal(w.t, 2, code)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	slices.Sort(lines)
	slices.Reverse(lines)
	return strings.Join(lines, "\n") + "\n"
}

func (w *world) operates(tenant tmcenvtest.Workspace, home, other string) {
	t := w.t
	require.Contains(t, w.fine("cordon", other, "--dry-run"), "cordoned (dry run)")
	require.Contains(t, w.fine("uncordon", other), "already uncordoned")
	_, code := w.run("drain", home)
	require.Equal(t, 1, code, "nobody confirmed it")
	w.fine("drain", home, "--yes")
	w.settled(tenant, other)
	w.fine("uncordon", home)
	w.until("the cluster takes work again", func() error {
		if out := w.fine("clusters"); strings.Contains(out, "Draining") || strings.Contains(out, "Cordoned") {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
	w.evicts(tenant, home, other)
	w.fine("--workspace", tenant.Path.String(), "move", "default", "--from", other, "--to", home, "--yes")
	w.settled(tenant, home)
}

// evicts moves the work of one tenant off the cluster where it is, and back.
func (w *world) evicts(tenant tmcenvtest.Workspace, home, other string) {
	t, name := w.t, tenant.Path.String()
	_, code := w.run("evict", other, "--tenant", "root:nobody", "--yes")
	require.Equal(t, 1, code, "there is no such tenant")
	_, code = w.run("evict", other, "--tenant", name)
	require.Equal(t, 1, code, "nobody confirmed it")
	require.Contains(t, w.fine("evict", other, "--tenant", name, "--dry-run"), "evicting for "+tenant.Cluster.String()+" (dry run)")
	w.settled(tenant, other)
	w.fine("evict", other, "--tenant", name, "--yes", "--wait")
	w.settled(tenant, home)
	require.NotContains(t, w.fine("clusters"), "Draining", "others may stay, and come")
	require.Contains(t, w.fine("evict", other, "--tenant", tenant.Cluster.String(), "--yes"), "already evicting")
	w.fine("uncordon", other, "--tenant", name)
	w.fine("--workspace", name, "move", "default", "--from", home, "--to", other, "--yes")
	w.settled(tenant, other)
}

// drillControllerWiped loses all that the controller itself keeps: its process,
// its leases, its memory. What it needs is in kcp and on the clusters.
func (w *world) drillControllerWiped(tenant tmcenvtest.Workspace, home string, stop func()) {
	t := w.t
	stop()
	before, running := w.copies(home)[0], w.pods(home)
	reached := w.timed("the controller is wiped")
	stop = w.start(transform.HashedNaming{})
	w.scale(tenant, home, 3) // it is at work again
	reached("a change is on the cluster and back")
	after := w.copies(home)[0]
	require.Equal(t, before.UID, after.UID)
	require.Subset(t, w.pods(home), running, "no pod was restarted")
	stop()
}

// scale changes the original and waits for the pods.
func (w *world) scale(tenant tmcenvtest.Workspace, home string, replicas int32) {
	w.t.Helper()
	web := &appsv1.Deployment{}
	key := client.ObjectKey{Namespace: "default", Name: "web"}
	require.NoError(w.t, w.at(tenant.Path).Get(w.t.Context(), key, web))
	patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas)
	require.NoError(w.t, w.at(tenant.Path).Patch(w.t.Context(), web, client.RawPatch(types.MergePatchType, patch)))
	w.until("the tenant sees its replicas", func() error {
		if err := w.at(tenant.Path).Get(w.t.Context(), key, web); err != nil {
			return err
		}
		if n := len(w.pods(home)); web.Status.ReadyReplicas != replicas || n != int(replicas) {
			return fmt.Errorf("%d ready of %d, %d pods", web.Status.ReadyReplicas, replicas, n)
		}
		return nil
	})
}

func (w *world) auditIsWhole() {
	require.Contains(w.t, w.fine("audit", "verify", w.auditDir()), "Every chain is whole.")
	require.Contains(w.t, w.fine("audit", "query", w.auditDir(), "--verb", "decide", "--name", "default/default"), "Placement")
	var list struct{ Items []audit.Event }
	w.decode(&list, "audit", "query", w.auditDir(), "--kind", "Deployment")
	verbs := map[string]bool{}
	for i := range list.Items {
		verbs[list.Items[i].Verb] = true
	}
	if diff := cmp.Diff(map[string]bool{"create": true, "delete": true, "patch": true}, verbs); diff != "" {
		w.t.Errorf("verbs (-want +got):\n%s", diff)
	}
}

// drillKCPLost loses kcp with all its data. There is a backup.
func (w *world) drillKCPLost(tenant tmcenvtest.Workspace, home string) {
	t, file, names := w.t, filepath.Join(w.dir, "backup.json"), filepath.Join(w.dir, "renamed.json")
	w.fine("backup", "-f", file, "--secrets")
	halt := w.start(transform.HashedNaming{})
	w.create(tenant.Path, "younger", 1) // than the backup
	w.until("a copy of what is younger than the backup is there", func() error {
		if n := len(w.copies(home)); n != 2 {
			return fmt.Errorf("%d copies", n)
		}
		return nil
	})
	halt()
	before, running := w.copies(home)[0], w.pods(home)
	reached := w.timed("kcp is lost")
	require.NoError(t, w.kcp.RestartEmpty(t.Context()))
	reached("an empty kcp serves")

	w.makePlatform()
	w.fine("restore", "-f", file, "--platform-only", "--yes")
	stop := w.start(transform.HashedNaming{}) // publishes the export
	rebuilt := w.bind("team-a")
	stop()
	reached("the platform and the tenant's workspace are made anew")
	require.NotEqual(t, tenant.Cluster, rebuilt.Cluster)
	require.Contains(t, w.fine("restore", "-f", file, "--dry-run", "--installation", installation), "this was a dry run")
	w.fine("restore", "-f", file, "--yes", "--installation", installation, "--renamed", names)
	again := w.fine("restore", "-f", file, "--yes", "--installation", installation)
	require.Contains(t, again, "0 created, 0 configured", "it can be repeated")
	require.Contains(t, again, "1 copies are left", "younger has no original, and says so")

	data, err := os.ReadFile(names)
	require.NoError(t, err)
	var renamed recovery.Renamed
	require.NoError(t, json.Unmarshal(data, &renamed))
	naming, err := recovery.KeepNames(transform.HashedNaming{}, renamed)
	require.NoError(t, err)
	stop = w.start(naming)
	w.settled(rebuilt, home)
	reached("the tenant sees its work healthy")
	w.until("the copy bears the marks of its new original", func() error {
		marks, _ := transform.ReadMarks(&w.copies(home)[0])
		if marks.LogicalCluster != rebuilt.Cluster.String() {
			return fmt.Errorf("%+v", marks)
		}
		return nil
	})
	after := w.copies(home)[0]
	require.Equal(t, before.UID, after.UID)
	// Its generation is another: that of Deployments counts annotations, too.
	if diff := cmp.Diff(before.Spec, after.Spec); diff != "" {
		t.Errorf("spec of the copy (-before +after):\n%s", diff)
	}
	require.Equal(t, running, w.pods(home), "no pod was restarted")
	w.scale(rebuilt, home, 4)
	require.Subset(t, w.pods(home), running)
	stop()
	w.auditIsWhole()
}
