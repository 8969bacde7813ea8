package syncer_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tmc-sdk/tmc/transform"
)

func isCopyPath(path string) bool {
	return strings.Contains(path, "/deployments/") || strings.Contains(path, "/configmaps/")
}

// there are the objects on all clusters that bear our label: by cluster, kind,
// namespace and name.
type there map[string]map[schema.GroupVersionKind]map[client.ObjectKey]*unstructured.Unstructured

// A survey compares what there is with what there should be.
type survey struct {
	c        *chaos
	pipeline *transform.Pipeline
	there    there
	expected map[string]bool // copies and namespaces, by cluster
	open     []string
}

func (s *survey) say(format string, args ...any) {
	s.open = append(s.open, fmt.Sprintf(format, args...))
}

// unsettled says what is not as it should be, by what the servers hold now and
// by what the tenants want.
func (c *chaos) unsettled() []string {
	pipeline, err := transform.NewPipeline(chaosInstall)
	require.NoError(c.t, err)
	s := &survey{c: c, pipeline: pipeline, there: there{}, expected: map[string]bool{}}
	for _, name := range chaosClusters {
		s.there[name] = map[schema.GroupVersionKind]map[client.ObjectKey]*unstructured.Unstructured{}
		for _, kind := range append(slices.Clone(chaosKinds), namespaceKind) {
			s.there[name][kind] = s.list(c.physical(name), kind, client.MatchingLabels{transform.LabelInstallation: chaosInstall})
		}
	}
	for _, tenant := range c.tenants {
		s.workspace(tenant)
	}
	s.leftovers()
	return s.open
}

func (s *survey) list(cl client.Client, kind schema.GroupVersionKind, opts ...client.ListOption) map[client.ObjectKey]*unstructured.Unstructured {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind)
	if err := cl.List(s.c.t.Context(), list, opts...); err != nil {
		s.say("list %s: %v", kind.Kind, err)
	}
	objects := map[client.ObjectKey]*unstructured.Unstructured{}
	for i := range list.Items {
		objects[client.ObjectKeyFromObject(&list.Items[i])] = &list.Items[i]
	}
	return objects
}

func (s *survey) workspace(t *chaosTenant) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.open = append(s.open, t.wrong...)
	targets := map[string][]string{} // of each namespace
	for key, p := range s.list(t.cl, placementKind) {
		if err := condition("Placed", "True", "Placed")(p); err != nil {
			s.say("tenant %d: Placement %s: %v", t.n, key, err)
		}
		list, _, _ := unstructured.NestedSlice(p.Object, "status", "targets")
		for _, item := range list {
			target, _ := item.(map[string]any)
			if leaving, _ := target["leaving"].(bool); leaving {
				s.say("tenant %d: Placement %s: %v is still leaving", t.n, key, target["cluster"])
				continue
			}
			targets[key.Namespace] = append(targets[key.Namespace], target["cluster"].(string))
		}
	}
	deployments := s.list(t.cl, deploymentKind)
	for key := range deployments {
		if t.works[key] == nil {
			s.say("tenant %d: Deployment %s was deleted, and is there", t.n, key)
		}
	}
	used := map[client.ObjectKey]bool{}
	for key, w := range t.works {
		if w.mentions != "" {
			used[client.ObjectKey{Namespace: key.Namespace, Name: w.mentions}] = true
		}
		switch u := deployments[key]; {
		case u == nil || u.GetUID() != w.uid:
			s.say("tenant %d: Deployment %s is lost", t.n, key)
		case w.foreign:
			if err := condition("Synced", "False", "Conflict")(u); err != nil {
				s.say("tenant %d: Deployment %s: %v", t.n, key, err)
			}
		default:
			s.deployment(t, u, w, targets[key.Namespace])
		}
	}
	configs := s.list(t.cl, configMapKind)
	for key, value := range t.configs {
		u := configs[key]
		if u == nil {
			s.say("tenant %d: ConfigMap %s is lost", t.n, key)
			continue
		}
		s.config(t, u, value, used[key], targets[key.Namespace])
	}
}

// copyOn returns the copy of an original, which there should be.
func (s *survey) copyOn(cluster string, t *chaosTenant, u *unstructured.Unstructured) *unstructured.Unstructured {
	ns, name := s.pipeline.Locate(u.GroupVersionKind(), transform.Origin{
		LogicalCluster: string(t.ws.Cluster), Namespace: u.GetNamespace(), Name: u.GetName(),
	})
	s.expected[cluster+u.GetKind()+ns+"/"+name] = true
	s.expected[cluster+ns] = true
	found := s.there[cluster][u.GroupVersionKind()][client.ObjectKey{Namespace: ns, Name: name}]
	if found == nil {
		s.say("tenant %d: %s %s/%s has no copy on %s", t.n, u.GetKind(), u.GetNamespace(), u.GetName(), cluster)
		return nil
	}
	switch marks, _ := transform.ReadMarks(found); {
	case marks.UID != u.GetUID():
		s.say("tenant %d: the copy of %s %s/%s on %s is of an earlier original", t.n, u.GetKind(), u.GetNamespace(), u.GetName(), cluster)
	case found.GetDeletionTimestamp() != nil:
		s.say("tenant %d: the copy of %s %s/%s on %s is going", t.n, u.GetKind(), u.GetNamespace(), u.GetName(), cluster)
	default:
		return found
	}
	return nil
}

func number(u *unstructured.Unstructured, path ...string) int64 {
	n, _, _ := unstructured.NestedInt64(u.Object, path...)
	return n
}

func (s *survey) deployment(t *chaosTenant, u *unstructured.Unstructured, w *work, targets []string) {
	who := fmt.Sprintf("tenant %d: Deployment %s/%s", t.n, u.GetNamespace(), u.GetName())
	if number(u, "spec", "replicas") != w.replicas || u.GetLabels()[labelVersion] != w.version {
		s.say("%s is not what its owner wrote", who)
	}
	if len(targets) == 0 {
		s.say("%s is placed nowhere", who)
	}
	var asked, ready int64
	for _, cluster := range targets {
		copied := s.copyOn(cluster, t, u)
		if copied == nil {
			continue
		}
		if copied.GetLabels()[labelVersion] != w.version {
			s.say("%s on %s is of another version", who, cluster)
		}
		asked += number(copied, "spec", "replicas")
		ready += number(copied, "status", "readyReplicas")
	}
	if asked != w.replicas {
		s.say("%s asks for %d replicas, its copies for %d", who, w.replicas, asked)
	}
	if told := number(u, "status", "readyReplicas"); ready != w.replicas || told != ready {
		s.say("%s has %d replicas, %d are ready, and its status says %d", who, w.replicas, ready, told)
	}
	for _, typ := range []string{"Synced", "Healthy"} {
		if err := condition(typ, "True", typ)(u); err != nil {
			s.say("%s: %v", who, err)
		}
	}
	if number(u, "status", "observedGeneration") != u.GetGeneration() {
		s.say("%s: observedGeneration is behind", who)
	}
	if !slices.Equal(u.GetFinalizers(), []string{"tmc-sdk.dev/copies-" + chaosInstall}) {
		s.say("%s has the finalizers %v", who, u.GetFinalizers())
	}
}

func (s *survey) config(t *chaosTenant, u *unstructured.Unstructured, value string, used bool, targets []string) {
	who := fmt.Sprintf("tenant %d: ConfigMap %s/%s", t.n, u.GetNamespace(), u.GetName())
	if err := field("data.key", value)(u); err != nil {
		s.say("%s is not what its owner wrote: %v", who, err)
	}
	if u.GetNamespace() == squatNamespace {
		return // what stands there is looked at otherwise
	}
	if held := len(u.GetFinalizers()) > 0; held != used {
		s.say("%s is mentioned: %v, and has the finalizers %v", who, used, u.GetFinalizers())
	}
	if !used {
		return
	}
	for _, cluster := range targets {
		copied := s.copyOn(cluster, t, u)
		if copied == nil {
			continue
		}
		if err := field("data.key", value)(copied); err != nil {
			s.say("%s on %s: %v", who, cluster, err)
		}
	}
}

// leftovers finds what is ours, and nothing asks for.
func (s *survey) leftovers() {
	for _, cluster := range chaosClusters {
		for _, kind := range chaosKinds {
			for key, u := range s.there[cluster][kind] {
				if _, marked := transform.ReadMarks(u); marked && !s.expected[cluster+kind.Kind+key.String()] {
					s.say("%s holds the %s %s, of %s %s, and nothing asks for it", cluster, kind.Kind, key,
						u.GetLabels()[transform.LabelLogicalCluster], u.GetAnnotations()[transform.AnnotationName])
				}
			}
		}
		for key := range s.there[cluster][namespaceKind] {
			if !s.expected[cluster+key.Name] {
				s.say("%s holds the namespace %s, and nothing is in it", cluster, key.Name)
			}
		}
	}
}

// A plant is an object on a cluster that is not ours.
type plant struct {
	cluster string
	obj     *unstructured.Unstructured
}

// replant puts on a cluster what others have there: of itself, of another
// installation, and something that looks like ours and is not.
func (c *chaos) replant(name string) error {
	ctx, cl := c.t.Context(), c.physical(name)
	ns := object(namespaceKind, "", "theirs")
	if err := cl.Create(ctx, ns); err != nil {
		return err
	}
	plants := []*plant{{name, ns}}
	others, looksOurs := configMap("others", "x"), configMap("looks-ours", "x")
	transform.Marks{Installation: "other", Origin: transform.Origin{LogicalCluster: string(c.tenants[0].ws.Cluster), Namespace: "default", Name: "web-0", UID: "0"}}.Stamp(others)
	looksOurs.SetLabels(map[string]string{transform.LabelInstallation: chaosInstall})
	for _, cm := range []*unstructured.Unstructured{configMap("plain", "x"), others, looksOurs} {
		cm.SetNamespace(ns.GetName())
		if err := cl.Create(ctx, cm); err != nil {
			return err
		}
		plants = append(plants, &plant{name, cm})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.plants = append(slices.DeleteFunc(c.plants, func(p *plant) bool { return p.cluster == name }), plants...)
	return nil
}

// plantForeigners puts what is not ours on all clusters, and, on the one that
// keeps its data, where copies of a tenant's would go.
func (c *chaos) plantForeigners() {
	t, ctx := c.t, c.t.Context()
	for _, name := range chaosClusters {
		require.NoError(t, c.replant(name))
	}
	tenant := c.tenants[0]
	require.NoError(t, tenant.cl.Create(ctx, object(namespaceKind, "", squatNamespace)))
	require.NoError(t, tenant.place(ctx, squatNamespace, keeper))
	key := func(name string) client.ObjectKey { return client.ObjectKey{Namespace: squatNamespace, Name: name} }
	tenant.create(key("anchor"), &work{replicas: 1, version: "0", mentions: "squatted"})
	pipeline, err := transform.NewPipeline(chaosInstall)
	require.NoError(t, err)
	cl := c.physical(keeper)
	locate := func(kind schema.GroupVersionKind, name string) client.ObjectKey {
		ns, name := pipeline.Locate(kind, transform.Origin{LogicalCluster: string(tenant.ws.Cluster), Namespace: squatNamespace, Name: name})
		return client.ObjectKey{Namespace: ns, Name: name}
	}
	eventually(t, "the anchor is there", func() error {
		return cl.Get(ctx, locate(deploymentKind, "anchor"), object(deploymentKind, "", ""))
	})
	for _, foreign := range []*unstructured.Unstructured{configMap("squatted", "theirs"), deployment("taken", 1)} {
		at := locate(foreign.GroupVersionKind(), foreign.GetName())
		foreign.SetNamespace(at.Namespace)
		foreign.SetName(at.Name)
		require.NoError(t, cl.Create(ctx, foreign))
		c.plants = append(c.plants, &plant{keeper, foreign})
	}
	ours := configMap("squatted", "ours")
	ours.SetNamespace(squatNamespace)
	require.NoError(t, tenant.cl.Create(ctx, ours))
	tenant.configs[key("squatted")] = "ours"
	tenant.create(key("taken"), &work{replicas: 1, version: "0", foreign: true})
	eventually(t, "the conflict is told", func() error {
		u := object(deploymentKind, "", "")
		if err := tenant.cl.Get(ctx, key("taken"), u); err != nil {
			return err
		}
		return condition("Synced", "False", "Conflict")(u)
	})
}

// mustHaveTouchedNothingOfOthers is law 2.
func (c *chaos) mustHaveTouchedNothingOfOthers() {
	c.t.Helper()
	kinds := map[string]int{}
	for _, p := range c.plants {
		kinds[p.obj.GetKind()]++
		u := object(p.obj.GroupVersionKind(), "", "")
		err := c.physical(p.cluster).Get(c.t.Context(), client.ObjectKeyFromObject(p.obj), u)
		mustBeUntouched(c.t, p, u, err)
	}
	c.t.Logf("untouched: %v", kinds)
}

func mustBeUntouched(t *testing.T, p *plant, u *unstructured.Unstructured, err error) {
	t.Helper()
	who := fmt.Sprintf("law 2: %s %s of others on %s", p.obj.GetKind(), client.ObjectKeyFromObject(p.obj), p.cluster)
	require.NoError(t, err, who)
	require.Equal(t, p.obj.GetUID(), u.GetUID(), who)
	require.Nil(t, u.GetDeletionTimestamp(), who)
	require.Equal(t, p.obj.GetGeneration(), u.GetGeneration(), who)
	if p.obj.GetKind() == configMapKind.Kind { // nobody on the cluster tends to those
		require.Equal(t, p.obj.GetResourceVersion(), u.GetResourceVersion(), who)
	}
	managers := func(e metav1.ManagedFieldsEntry) bool { return strings.HasPrefix(e.Manager, "tmc-") }
	require.False(t, slices.ContainsFunc(u.GetManagedFields(), managers), who)
}
