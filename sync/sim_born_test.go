package syncer

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/tmc-sdk/tmc/sync/internal/apisim"
	"github.com/tmc-sdk/tmc/transform"
)

var (
	simPod   = schema.GroupVersionKind{Version: "v1", Kind: "Pod"}
	simEvent = schema.GroupVersionKind{Version: "v1", Kind: "Event"}
	simBorn  = []schema.GroupVersionKind{simPod, simEvent}
)

// simBirths are lists and watches as metadataBirths does them.
type simBirths struct {
	p      *process
	server *simServer
}

var _ births = simBirths{}

func (b simBirths) list(ctx context.Context, q bornQuery, each func(metav1.Object)) (string, error) {
	s := b.p.world.scheduler
	s.park(nil, nil)
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	resp, err := b.server.read(b.p, &apisim.Request{Verb: apisim.List, Kind: q.kind, Namespace: q.namespace, Selector: q.selector})
	if err != nil {
		return "", err
	}
	for _, obj := range resp.Items {
		each(obj)
		if s.chance(8) {
			s.park(nil, nil) // the next page
		}
	}
	return resp.ResourceVersion, nil
}

func (b simBirths) watch(ctx context.Context, q bornQuery, each func(metav1.Object, bool)) (string, error) {
	s, version := b.p.world.scheduler, q.version
	for {
		serial := b.server.Serial()
		events, seen, err := b.server.Since(q.kind, q.selector, version, 1+s.dice.IntN(4))
		if err != nil {
			return version, err
		}
		for _, e := range events {
			each(e.Object.(*unstructured.Unstructured), e.Type == watch.Deleted)
		}
		version = seen
		if len(events) > 0 {
			continue
		}
		broken := func() bool { return ctx.Err() != nil || b.server.away(b.p) != nil }
		s.park(func() bool { return b.server.Serial() != serial || broken() }, nil)
		if broken() {
			return version, fmt.Errorf("watch of %s: connection lost", q.kind.Kind)
		}
		if s.chance(40) {
			s.pause(s.between(0, 5*time.Second))
		}
	}
}

// breed is what controllers of a cluster make of copies, and others beside them: Pods
// and Events; and its garbage collector.
func (w *simWorld) breed(c *simServer) {
	s, seen := w.scheduler, int64(-1)
	next := s.now
	for {
		s.park(func() bool { return c.Serial() != seen || !w.calm && !s.now.Before(next) }, func() time.Time {
			if w.calm {
				return time.Time{}
			}
			return next
		})
		s.pause(s.between(200*time.Millisecond, 2*time.Second))
		seen = c.Serial()
		w.collectGarbage(c)
		if !w.calm && !s.now.Before(next) {
			next = s.now.Add(s.between(time.Second, 12*time.Second))
			w.bear(c)
		}
	}
}

// collectGarbage deletes the Pods whose owner is gone.
func (w *simWorld) collectGarbage(c *simServer) {
	for _, pod := range c.All(simPod) {
		ref := metav1.GetControllerOf(pod)
		if ref == nil {
			continue
		}
		if owner := c.Peek(simDeployment, pod.GetNamespace(), ref.Name); owner == nil || owner.GetUID() != ref.UID {
			_, _ = w.do(c, "collector", &apisim.Request{Verb: apisim.Delete, Kind: simPod, Namespace: pod.GetNamespace(), Name: pod.GetName()})
		}
	}
}

func (w *simWorld) bear(c *simServer) {
	s := w.scheduler
	switch s.dice.IntN(8) {
	case 0, 1, 2: // a Pod of a Deployment, of ours or not
		d := anyOf(s, c.All(simDeployment))
		if d == nil {
			return
		}
		pod := simObject(simPod, d.GetNamespace(), fmt.Sprintf("%s-%d", d.GetName(), s.dice.IntN(3)))
		w.own(pod, d)
		pod.SetLabels(d.GetLabels()) // marks included
		pod.Object["spec"] = map[string]any{"nodeName": pick(s, []string{"a", "b"})}
		_, _ = w.do(c, "controller", &apisim.Request{Verb: apisim.Create, Object: pod})
	case 3: // one that only says so, or says nothing
		if ns := anyOf(s, c.All(namespaceKind)); ns != nil {
			pod := simObject(simPod, ns.GetName(), fmt.Sprintf("web-%d", s.dice.IntN(3)))
			if s.chance(2) {
				forged := simObject(simDeployment, ns.GetName(), "web")
				forged.SetUID("forged")
				w.own(pod, forged)
			}
			_, _ = w.do(c, "vandal", &apisim.Request{Verb: apisim.Create, Object: pod})
		}
	case 4, 5: // something happens to a Pod, a Deployment, or to what is in another namespace
		about := anyOf(s, append(c.All(simPod), c.All(simDeployment)...))
		if about == nil {
			return
		}
		w.happen(c, about)
	case 6: // a Pod changes
		if pod := anyOf(s, c.All(simPod)); pod != nil {
			u := pod.DeepCopy()
			u.Object["status"] = map[string]any{"phase": pick(s, []string{"Pending", "Running", "Failed"})}
			_, _ = w.do(c, "kubelet", &apisim.Request{Verb: apisim.Update, Subresource: "status", Object: u})
		}
	case 7:
		kind := pick(s, simBorn)
		if u := anyOf(s, c.All(kind)); u != nil {
			_, _ = w.do(c, "kubelet", &apisim.Request{Verb: apisim.Delete, Kind: kind, Namespace: u.GetNamespace(), Name: u.GetName()})
		}
	}
}

func (w *simWorld) own(obj, by *unstructured.Unstructured) {
	obj.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: by.GetAPIVersion(), Kind: by.GetKind(), Name: by.GetName(), UID: by.GetUID(), Controller: new(true)}})
}

// happen makes an Event, or counts one more of it.
func (w *simWorld) happen(c *simServer, about *unstructured.Unstructured) {
	s := w.scheduler
	name := fmt.Sprintf("%s-%s.%d", about.GetKind(), about.GetName(), s.dice.IntN(2))
	namespace := about.GetNamespace()
	if ns := anyOf(s, c.All(namespaceKind)); s.chance(5) && ns != nil {
		namespace = ns.GetName() // it may lie
	}
	if there := c.Peek(simEvent, namespace, name); there != nil {
		u := there.DeepCopy()
		n, _ := number(u.Object["count"])
		u.Object["count"] = int64(n) + 1
		_, _ = w.do(c, "kubelet", &apisim.Request{Verb: apisim.Update, Object: u})
		return
	}
	e := simObject(simEvent, namespace, name)
	e.Object["involvedObject"] = map[string]any{
		"apiVersion": about.GetAPIVersion(), "kind": about.GetKind(), "name": about.GetName(), "namespace": about.GetNamespace(), "uid": string(about.GetUID()),
	}
	e.Object["reason"], e.Object["count"] = "Seen", int64(1)
	_, _ = w.do(c, "kubelet", &apisim.Request{Verb: apisim.Create, Object: e})
}

// tinker is a tenant that has hands on what it is shown, or stands in its way.
func (w *simWorld) tinker(tenant *simServer, ns string) {
	s := w.scheduler
	kind := pick(s, simBorn)
	var mine []*unstructured.Unstructured
	for _, u := range tenant.All(kind) {
		if u.GetNamespace() == ns {
			mine = append(mine, u)
		}
	}
	there := anyOf(s, mine)
	switch {
	case there == nil || s.chance(4):
		u := simObject(simPod, ns, fmt.Sprintf("%s-%d", pick(s, simNames), s.dice.IntN(3)))
		u.Object["spec"] = map[string]any{"mine": "yes"}
		_, _ = w.do(tenant, "tenant", &apisim.Request{Verb: apisim.Create, Object: u})
	case s.chance(3):
		_, _ = w.do(tenant, "tenant", &apisim.Request{Verb: apisim.Delete, Kind: kind, Namespace: ns, Name: there.GetName()})
	default:
		u := there.DeepCopy()
		if kind == simEvent {
			u.Object["reason"] = "edited"
		} else {
			u.Object["spec"] = map[string]any{"nodeName": "edited"}
		}
		if s.chance(3) {
			u.SetLabels(nil)
		}
		_, _ = w.do(tenant, "tenant", &apisim.Request{Verb: apisim.Update, Object: u})
	}
}

// bornID names an object that may be born on a cluster.
type bornID struct {
	cluster string
	kind    schema.GroupVersionKind
	types.NamespacedName
}

// bornOn takes note of what is born on a cluster.
func (c *checker) bornOn(s *simServer, commit apisim.Commit) {
	obj := commit.After
	if obj == nil || commit.Before != nil || !slices.Contains(simBorn, obj.GroupVersionKind()) {
		return
	}
	id := bornID{s.name, obj.GroupVersionKind(), types.NamespacedName{Namespace: obj.GetNamespace(), Name: obj.GetName()}}
	c.absent[id] = c.world.commits
	c.born[obj.GetUID()] = id
}

// kin says whether an object of a cluster belongs to a copy, by truth, and whether
// that can be told at all: what an Event was about may be gone.
func (c *checker) kin(s *simServer, obj *unstructured.Unstructured) (belongs, open bool) {
	ours := func(u *unstructured.Unstructured) bool {
		marks, ok := transform.ReadMarks(u)
		return ok && marks.Installation == simInstallation
	}
	if obj.GetKind() == "Pod" {
		ref := metav1.GetControllerOf(obj)
		if ref == nil {
			return false, false
		}
		owner := s.Peek(simDeployment, obj.GetNamespace(), ref.Name)
		return owner != nil && owner.GetUID() == ref.UID && ours(owner), false
	}
	ref := at(obj.Object, "involvedObject")
	if ref["namespace"] != obj.GetNamespace() {
		return false, false
	}
	kind := simDeployment
	if ref["kind"] == "Pod" {
		kind = simPod
	}
	about := s.Peek(kind, obj.GetNamespace(), fmt.Sprint(ref["name"]))
	if about == nil || string(about.GetUID()) != ref["uid"] {
		return false, true
	}
	if kind == simDeployment {
		return ours(about), false
	}
	return c.kin(s, about)
}

// shownByUs: a controller shows what was born in the namespace of the copies of that
// workspace (law 10), writes nothing of a tenant's own (law 2), and takes nothing down
// whose source is there (law 1).
func (c *checker) shownByUs(s *simServer, a *acting, commit apisim.Commit) {
	before, after := commit.Before, commit.After
	if before != nil && !c.exhibits[before.GetUID()] {
		c.violate(2, "%s: %s in %s touches what is the tenant's own", a.process.name, commit.Request, s.name)
		return
	}
	if after == nil || commit.Request.Verb == apisim.Delete {
		c.takenDown(s, a, commit)
		return
	}
	c.exhibits[after.GetUID()] = true
	cluster, uid := sourceOf(after)
	id, known := c.born[types.UID(uid)]
	ns, _ := c.world.where(s.name, after)
	if !known || id.cluster != cluster || id.kind != after.GroupVersionKind() || id.Namespace != ns || id.Name != sourceNameOf(after) {
		c.violate(10, "%s: %s in %s shows %q, which was not born there", a.process.name, commit.Request, s.name, after.GetAnnotations()[AnnotationSource])
	}
	c.exhibited[after.GetUID()] = id
}

func (c *checker) takenDown(s *simServer, a *acting, commit apisim.Commit) {
	id, ok := c.exhibited[commit.Before.GetUID()]
	if !ok {
		return
	}
	cluster := c.world.cluster(id.cluster)
	there := cluster.Peek(id.kind, id.Namespace, id.Name)
	if there == nil || c.absent[id] >= a.since || there.GetDeletionTimestamp() != nil {
		return
	}
	if belongs, _ := c.kin(cluster, there); !belongs || c.unsure[id.cluster] >= a.since || c.rivals(a, s.name) {
		return // or it did not a moment ago
	}
	if lost := c.world.lostAfter; lost >= 0 {
		state := a.process.states[id.cluster]
		if back := a.process.returned[id.cluster]; !state.Reachable || back.commits >= a.since {
			return // by policy
		}
	}
	c.violate(1, "%s: %s in %s, and its source is on %s", a.process.name, commit.Request, s.name, id.cluster)
}

// unshown says what workspaces do not show as they should, or show and should not.
func (c *checker) unshown() (open []string) {
	expected := map[types.UID]bool{}
	for _, cluster := range c.world.clusters {
		for _, ns := range cluster.All(namespaceKind) {
			marks, ok := transform.ReadMarks(ns)
			if !ok || marks.Installation != simInstallation {
				continue
			}
			tenant := c.world.tenant(marks.LogicalCluster)
			for _, kind := range simBorn {
				for _, obj := range cluster.All(kind) {
					if obj.GetNamespace() == ns.GetName() {
						open = append(open, c.unshownOne(tenant, marks.Name, cluster, obj, expected)...)
					}
				}
			}
		}
	}
	for _, tenant := range c.world.tenants {
		for _, kind := range simBorn {
			for _, u := range tenant.All(kind) {
				if c.exhibits[u.GetUID()] && isShown(u) && !expected[u.GetUID()] {
					open = append(open, fmt.Sprintf("%s shows %s, which has no source: %s", tenant.name, commitName(u), u.GetAnnotations()[AnnotationSource]))
				}
			}
		}
	}
	return open
}

func (c *checker) unshownOne(tenant *simServer, ns string, cluster *simServer, obj *unstructured.Unstructured, expected map[types.UID]bool) (open []string) {
	belongs, unknowable := c.kin(cluster, obj)
	shown := tenant.Peek(obj.GroupVersionKind(), ns, simShownAs(obj, cluster))
	from := cluster.name + "/" + string(obj.GetUID())
	if shown != nil && shown.GetAnnotations()[AnnotationSource] == from {
		expected[shown.GetUID()] = belongs || unknowable
	}
	what := fmt.Sprintf("%s on %s", commitName(obj), cluster.name)
	switch {
	case !belongs && (!unknowable || shown == nil || !isShown(shown) || !expected[shown.GetUID()]):
		// An Event about what has gone is the tenant's own once its marks are off.
		return nil
	case shown == nil:
		return []string{what + " is not shown in " + tenant.name}
	case shown.GetAnnotations()[AnnotationSource] != from, !isShown(shown) && slices.Contains(c.world.events[shown.GetUID()], ReasonConflict):
		if !slices.Contains(c.world.events[shown.GetUID()], ReasonConflict) {
			return []string{fmt.Sprintf("law 9: %s can't be shown in %s, and nobody was told", what, tenant.name)}
		}
		return nil
	}
	less := maps.Clone(obj.Object)
	delete(less, "metadata")
	delete(less, "involvedObject")
	if !isShown(shown) || drifted(less, shown.Object) || shown.Object["reason"] != obj.Object["reason"] {
		open = append(open, fmt.Sprintf("%s is not shown as it is in %s", what, tenant.name))
	}
	return open
}

// simShownAs is what an object is called where it is shown: Events are told apart by
// cluster, Pods meet each other.
func simShownAs(obj *unstructured.Unstructured, cluster *simServer) string {
	if obj.GetKind() == "Event" {
		return obj.GetName() + "." + cluster.name
	}
	return obj.GetName()
}
