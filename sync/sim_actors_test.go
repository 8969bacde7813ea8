package syncer

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	"github.com/tmc-sdk/tmc/sync/internal/apisim"
	"github.com/tmc-sdk/tmc/transform"
)

// actors sets everybody to work.
func (w *simWorld) actors() {
	s := w.scheduler
	for _, tenant := range w.tenants {
		s.spawn(nil, tenant.name, func() { w.live(tenant) })
	}
	s.spawn(nil, "placement", w.plan)
	for _, c := range w.clusters {
		s.spawn(nil, "kubelet "+c.name, func() { w.kubelet(c) })
		s.spawn(nil, "vandal "+c.name, func() { w.vandalise(c) })
		s.spawn(nil, "breeder "+c.name, func() { w.breed(c) })
	}
	for _, server := range slices.Concat(w.tenants, w.clusters) {
		s.spawn(nil, "namespaces "+server.name, func() { w.finalize(server) })
	}
}

var simNames = []string{"web", "db", "job"}

// live is a tenant: it makes, changes and deletes until the calm.
func (w *simWorld) live(tenant *simServer) {
	s := w.scheduler
	for !w.calm {
		s.pause(s.between(0, 4*time.Second))
		if w.calm {
			return
		}
		w.tenantActs(tenant)
	}
}

func (w *simWorld) tenantActs(tenant *simServer) {
	s := w.scheduler
	ns := pick(s, simNamespaces)
	name := pick(s, simNames)
	switch s.dice.IntN(15) {
	case 14:
		w.tinker(tenant, ns)
	case 0, 1, 2, 3:
		w.ensureNamespace(tenant, ns)
		if tenant.Peek(simDeployment, ns, name) == nil {
			_, _ = w.do(tenant, "tenant", &apisim.Request{Verb: apisim.Create, Object: w.deployment(tenant, ns, name)})
			return
		}
		w.changeDeployment(tenant, ns, name)
	case 4, 5:
		w.changeDeployment(tenant, ns, name)
	case 6:
		_, _ = w.do(tenant, "tenant", &apisim.Request{Verb: apisim.Delete, Kind: simDeployment, Namespace: ns, Name: name})
	case 7: // delete and recreate in quick succession
		_, _ = w.do(tenant, "tenant", &apisim.Request{Verb: apisim.Delete, Kind: simDeployment, Namespace: ns, Name: name})
		s.pause(s.between(0, 3*time.Second))
		_, _ = w.do(tenant, "tenant", &apisim.Request{Verb: apisim.Create, Object: w.deployment(tenant, ns, name)})
	case 8, 9, 10:
		kind := pick(s, simRelated)
		if there := tenant.Peek(kind, ns, "settings"); there != nil {
			u := there.DeepCopy()
			w.fill(u)
			_, _ = w.do(tenant, "tenant", &apisim.Request{Verb: apisim.Update, Object: u})
			return
		}
		u := simObject(kind, ns, "settings")
		w.fill(u)
		w.sign(tenant, u)
		_, _ = w.do(tenant, "tenant", &apisim.Request{Verb: apisim.Create, Object: u})
	case 11:
		_, _ = w.do(tenant, "tenant", &apisim.Request{Verb: apisim.Delete, Kind: pick(s, simRelated), Namespace: ns, Name: "settings"})
	case 12:
		if ns != "default" && s.chance(3) {
			_, _ = w.do(tenant, "tenant", &apisim.Request{Verb: apisim.Delete, Kind: namespaceKind, Name: ns})
		}
	case 13: // ask for adoption, everywhere
		if u := tenant.Peek(simDeployment, ns, name); u != nil && s.chance(3) {
			u = u.DeepCopy()
			annotate(u, AnnotationAdopt, "east,west,north")
			w.adopted[token(tenant.name, u)] = true
			_, _ = w.do(tenant, "tenant", &apisim.Request{Verb: apisim.Update, Object: u})
		}
	}
}

// token is what ties what a copy contains to its original.
func token(tenant string, u *unstructured.Unstructured) string {
	return tenant + "/" + u.GetNamespace() + "/" + u.GetName()
}

const annotationToken = "example.org/token"

func (w *simWorld) sign(tenant *simServer, u *unstructured.Unstructured) {
	annotate(u, annotationToken, token(tenant.name, u))
}

func annotate(u *unstructured.Unstructured, key, value string) {
	annotations := maps.Clone(u.GetAnnotations())
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[key] = value
	u.SetAnnotations(annotations)
}

func (w *simWorld) deployment(tenant *simServer, ns, name string) *unstructured.Unstructured {
	s := w.scheduler
	u := simObject(simDeployment, ns, name)
	pod := map[string]any{"containers": []any{map[string]any{
		"name": "main", "image": "app:1", "resources": map[string]any{"requests": map[string]any{"cpu": "1000m"}},
	}}}
	u.Object["spec"] = map[string]any{
		"replicas": int64(1 + s.dice.IntN(5)),
		"selector": map[string]any{"matchLabels": map[string]any{"app": name}},
		"template": map[string]any{"metadata": map[string]any{"labels": map[string]any{"app": name}}, "spec": pod},
	}
	w.mention(pod)
	if s.chance(4) {
		u.SetLabels(map[string]string{"slow": "yes"})
	}
	w.sign(tenant, u)
	return u
}

// fill writes the content of what follows others: data, or of an account the Secret
// that it mentions, or none.
func (w *simWorld) fill(u *unstructured.Unstructured) {
	if u.GroupVersionKind() != accountKind {
		u.Object["data"] = map[string]any{"key": fmt.Sprintf("djo%d", w.scheduler.dice.IntN(9))}
		return
	}
	delete(u.Object, "imagePullSecrets")
	if w.scheduler.chance(2) {
		u.Object["imagePullSecrets"] = []any{map[string]any{"name": "settings"}}
	}
}

// mention makes a pod need a ConfigMap, a Secret, an account, several or none.
func (w *simWorld) mention(pod map[string]any) {
	var volumes []any
	if w.sabotage.smuggle {
		return
	}
	if w.scheduler.chance(2) {
		volumes = append(volumes, map[string]any{"name": "config", "configMap": map[string]any{"name": "settings"}})
	}
	if w.scheduler.chance(2) {
		volumes = append(volumes, map[string]any{"name": "secret", "secret": map[string]any{"secretName": "settings"}})
	}
	delete(pod, "volumes")
	delete(pod, "serviceAccountName")
	if w.scheduler.chance(3) {
		pod["serviceAccountName"] = "settings"
	}
	if len(volumes) > 0 {
		pod["volumes"] = volumes
	}
}

func (w *simWorld) changeDeployment(tenant *simServer, ns, name string) {
	s := w.scheduler
	u := tenant.Peek(simDeployment, ns, name)
	if u == nil {
		return
	}
	u = u.DeepCopy()
	pod := at(u.Object, "spec", "template", "spec")
	switch s.dice.IntN(6) {
	case 0:
		u.Object["spec"].(map[string]any)["replicas"] = int64(s.dice.IntN(6))
	case 1:
		elements(pod["containers"])[0]["image"] = fmt.Sprintf("app:%d", s.dice.IntN(9))
	case 2:
		elements(pod["containers"])[0]["image"] = pick(s, []string{"bad", "app:1", "app:2"})
	case 3:
		w.mention(pod)
	case 4: // what comes and goes
		annotations := u.GetAnnotations()
		key := pick(s, []string{"note/a", "note/b"})
		if _, ok := annotations[key]; ok {
			delete(annotations, key)
		} else {
			annotations[key] = "x"
		}
		u.SetAnnotations(annotations)
	case 5:
		pod["terminationGracePeriodSeconds"] = int64(5)
	}
	if w.recreate && s.chance(4) {
		at(u.Object, "spec", "selector", "matchLabels")["round"] = fmt.Sprint(s.dice.IntN(3))
	}
	_, _ = w.do(tenant, "tenant", &apisim.Request{Verb: apisim.Update, Object: u})
}

// plan is the placement controller: it decides, moves, and drops a cluster that
// is left when the loop says that nothing is there any more.
func (w *simWorld) plan() {
	s := w.scheduler
	for {
		next := s.now.Add(s.between(500*time.Millisecond, 3*time.Second))
		s.park(func() bool { return w.nudged || !s.now.Before(next) }, func() time.Time { return next })
		w.nudged = false
		tenant, ns := pick(s, w.tenants), pick(s, simNamespaces)
		w.dropLeft(tenant, ns)
		if n := tenant.Peek(namespaceKind, "", ns); n == nil || n.GetDeletionTimestamp() != nil {
			continue
		}
		_, p := placementOf(tenant, ns)
		nowhere := p == nil || !slices.ContainsFunc(p.Status.Targets, func(t v1alpha1.Target) bool { return !t.Leaving })
		if nowhere && (w.calm || s.chance(3)) || !w.calm && s.chance(12) {
			w.redecide(tenant, ns, p)
		}
	}
}

func (w *simWorld) dropLeft(tenant *simServer, ns string) {
	_, p := placementOf(tenant, ns)
	if p == nil {
		return
	}
	kept := slices.DeleteFunc(slices.Clone(p.Status.Targets), func(t v1alpha1.Target) bool {
		return t.Leaving && w.nothingLeft(tenant, ns, t.Cluster)
	})
	if len(kept) < len(p.Status.Targets) {
		w.decide(tenant, ns, kept)
	}
}

func (w *simWorld) nothingLeft(tenant *simServer, ns, cluster string) bool {
	for _, p := range w.alive() {
		if !p.holds(tenant.name) {
			continue // its placement controller knows nothing of it
		}
		n, err := p.loop.Remaining(context.Background(), multicluster.ClusterName(tenant.name), types.NamespacedName{Namespace: ns, Name: "default"}, cluster)
		if err == nil && n == 0 {
			return true
		}
		w.scheduler.note("%s: on %s remain %d of %s/%s: %v", p.name, cluster, n, tenant.name, ns, err)
	}
	return false
}

func (w *simWorld) redecide(tenant *simServer, ns string, p *v1alpha1.Placement) {
	s := w.scheduler
	wanted := map[string]bool{}
	for range 1 + s.dice.IntN(2) {
		wanted[pick(s, w.clusters).name] = true
	}
	if !w.calm && s.chance(15) {
		clear(wanted) // no cluster fits
	}
	var targets []v1alpha1.Target
	one := int64(1)
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		targets = append(targets, v1alpha1.Target{Cluster: name, Share: &one})
	}
	if p != nil {
		for _, t := range p.Status.Targets {
			if !wanted[t.Cluster] {
				targets = append(targets, v1alpha1.Target{Cluster: t.Cluster, Leaving: true})
			}
		}
	}
	w.decide(tenant, ns, targets)
}

// kubelet makes copies healthy and finishes what was held.
func (w *simWorld) kubelet(c *simServer) {
	s, seen := w.scheduler, int64(-1)
	for {
		s.park(func() bool { return c.Serial() != seen }, nil) // nothing to do while nothing happens
		s.pause(s.between(200*time.Millisecond, 2*time.Second))
		seen = c.Serial()
		for _, d := range c.All(simDeployment) {
			if d.GetDeletionTimestamp() != nil && slices.Contains(d.GetFinalizers(), "example.org/slow") {
				if !s.chance(3) {
					seen = -1 // another time
					continue
				}
				u := d.DeepCopy()
				u.SetFinalizers(nil)
				_, _ = w.do(c, "kubelet", &apisim.Request{Verb: apisim.Update, Object: u})
				continue
			}
			reported, _ := number(at(d.Object, "status")["observedGeneration"])
			if w.sick || int64(reported) == d.GetGeneration() {
				continue
			}
			if s.chance(3) {
				seen = -1
				continue
			}
			replicas := at(d.Object, "spec")["replicas"]
			u := d.DeepCopy()
			u.Object["status"] = map[string]any{
				"observedGeneration": d.GetGeneration(), "replicas": replicas, "updatedReplicas": replicas,
				"readyReplicas": replicas, "availableReplicas": replicas,
				"conditions": []any{map[string]any{"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"}},
			}
			_, _ = w.do(c, "kubelet", &apisim.Request{Verb: apisim.Update, Subresource: "status", Object: u})
		}
	}
}

// finalize is the namespace controller of a server.
func (w *simWorld) finalize(server *simServer) {
	s, seen := w.scheduler, int64(-1)
	for {
		s.park(func() bool { return server.Serial() != seen }, nil)
		s.pause(s.between(300*time.Millisecond, 2*time.Second))
		seen = server.Serial()
		for _, ns := range server.All(namespaceKind) {
			if ns.GetDeletionTimestamp() != nil {
				server.FinalizeNamespace(ns.GetName())
			}
		}
	}
}

// vandalise is everybody who has hands on a physical cluster.
func (w *simWorld) vandalise(c *simServer) {
	s := w.scheduler
	for !w.calm {
		s.pause(s.between(0, 12*time.Second))
		if w.calm {
			return
		}
		switch s.dice.IntN(6) {
		case 0: // deletes a copy by hand
			if d := anyOf(s, c.All(pick(s, c.Kinds()).GroupVersionKind)); d != nil && transform.HasMarks(d) {
				_, _ = w.do(c, "vandal", &apisim.Request{Verb: apisim.Delete, Kind: d.GroupVersionKind(), Namespace: d.GetNamespace(), Name: d.GetName()})
			}
		case 1: // turns a knob that is ours
			if d := anyOf(s, c.All(simDeployment)); d != nil {
				u := d.DeepCopy()
				u.Object["spec"].(map[string]any)["replicas"] = int64(7)
				_, _ = w.do(c, "vandal", &apisim.Request{Verb: apisim.Update, Object: u})
			}
		case 2: // adds something of its own
			if d := anyOf(s, c.All(simDeployment)); d != nil {
				u := d.DeepCopy()
				annotate(u, "foreign/note", "mine")
				_, _ = w.do(c, "vandal", &apisim.Request{Verb: apisim.Update, Object: u})
			}
		case 3, 4: // puts something where a copy would go
			w.obstruct(c)
		case 5: // puts something next to copies
			if ns := anyOf(s, c.All(namespaceKind)); ns != nil {
				u := simObject(simConfigMap, ns.GetName(), "neighbour")
				u.Object["data"] = map[string]any{"foreign": "yes"}
				_, _ = w.do(c, "vandal", &apisim.Request{Verb: apisim.Create, Object: u})
			}
		}
	}
}

func anyOf(s *scheduler, list []*unstructured.Unstructured) *unstructured.Unstructured {
	if len(list) == 0 {
		return nil
	}
	return pick(s, list)
}

// obstruct puts an object that is not ours, or another installation's, where
// the copy of an original goes or would go.
func (w *simWorld) obstruct(c *simServer) {
	s := w.scheduler
	tenant := pick(s, w.tenants)
	original := simObject(simDeployment, pick(s, simNamespaces), pick(s, simNames))
	ns, name := w.where(tenant.name, original)
	if c.Peek(simDeployment, ns, name) != nil || c.Peek(namespaceKind, "", ns) == nil && s.chance(2) {
		return
	}
	w.ensureNamespace(c, ns)
	u := w.deployment(tenant, ns, name)
	u.SetLabels(nil)
	u.SetAnnotations(map[string]string{"foreign/note": "stay away"})
	if s.chance(3) {
		transform.Marks{Installation: "other", Origin: transform.Origin{LogicalCluster: tenant.name, Namespace: "x", Name: "y", UID: "z"}}.Stamp(u)
	}
	_, _ = w.do(c, "vandal", &apisim.Request{Verb: apisim.Create, Object: u})
}

// clear takes away, at the calm, most of what stands in the way.
func (w *simWorld) clear() {
	for _, c := range w.clusters {
		for _, kind := range []apisim.Kind{{GroupVersionKind: simDeployment}, {GroupVersionKind: simConfigMap}} {
			for _, u := range c.All(kind.GroupVersionKind) {
				if w.checker.foreign(u) && !w.scheduler.chance(3) {
					_, _ = w.do(c, "vandal", &apisim.Request{Verb: apisim.Delete, Kind: u.GroupVersionKind(), Namespace: u.GetNamespace(), Name: u.GetName()})
				}
			}
		}
		for _, ns := range c.All(namespaceKind) {
			if !transform.HasMarks(ns) {
				_, _ = w.do(c, "admin", &apisim.Request{Verb: apisim.Delete, Kind: namespaceKind, Name: ns.GetName()})
			}
		}
	}
}

// trouble makes faults until the calm.
func (w *simWorld) trouble() {
	s := w.scheduler
	for !w.calm {
		s.pause(s.between(time.Second, 15*time.Second))
		if w.calm {
			return
		}
		w.fault()
	}
}

func (w *simWorld) fault() {
	s := w.scheduler
	c := pick(s, slices.Concat(w.tenants, w.clusters, w.clusters))
	end := s.now.Add(s.between(time.Second, 40*time.Second))
	if w.replicas > 0 && s.chance(3) {
		w.reshare()
		return
	}
	switch s.dice.IntN(15) {
	case 0, 1:
		s.note("%s can't be reached until %s", c.name, end.Sub(epoch))
		c.cut = end
	case 2:
		s.note("kcp can't be reached until %s", end.Sub(epoch))
		for _, t := range w.tenants {
			t.cut = end
		}
	case 3, 4:
		s.note("%s forgets its changes", c.name)
		c.Compact()
	case 5:
		s.note("%s answers with errors", c.name)
		c.stormy = end
	case 6:
		w.crash()
	case 7: // two leaders for a moment
		if len(w.alive()) == 1 {
			old := w.alive()[0]
			s.note("two leaders")
			w.start()
			s.pause(s.between(0, 10*time.Second))
			old.die()
		}
	case 8:
		if alive := w.alive(); len(alive) > 0 {
			p := pick(s, alive)
			p.frozen = end
			s.note("%s freezes until %s", p.name, end.Sub(epoch))
			if s.chance(2) && w.replicas > 0 {
				w.reassign(p.replica) // and others take over
			} else if s.chance(2) && len(alive) == 1 {
				w.start() // and another takes over
				s.until(end.Add(s.between(0, 5*time.Second)))
				p.die()
			}
		}
	case 9:
		s.note("the clock jumps")
		s.now = s.now.Add(s.between(time.Second, 10*time.Minute))
	case 10:
		c := pick(s, w.clusters)
		s.note("%s loses its data", c.name)
		if s.chance(2) {
			c.uid = w.newUID()
		}
		c.Wipe()
	case 11:
		tenant := pick(s, w.tenants)
		s.note("%s lists nothing", tenant.name)
		tenant.lying = end
	case 12:
		w.outOfSight(pick(s, w.tenants), end)
	case 13:
		c := pick(s, w.clusters)
		s.note("%s takes digests off until %s", c.name, end.Sub(epoch))
		c.meddling = end
	case 14:
		c := pick(s, w.clusters)
		c.region = pick(s, []string{"eu", "us", "ap"})
		s.note("%s is in %s", c.name, c.region)
	}
}

func (w *simWorld) crash() {
	one := w.replicas > 0 && !w.scheduler.chance(3)
	for _, p := range w.alive() {
		if p.die(); one {
			break
		}
	}
	w.scheduler.pause(w.scheduler.between(0, 5*time.Second))
	w.resurrect()
}

// resurrect starts controllers that don't run.
func (w *simWorld) resurrect() {
	for w.vacancy() {
		w.start()
	}
}

// outOfSight disengages a workspace, or unbinds it, for a while.
func (w *simWorld) outOfSight(tenant *simServer, end time.Time) {
	s := w.scheduler
	if s.chance(2) {
		tenant.unbound = true
		s.note("%s is unbound", tenant.name)
	}
	for _, p := range w.alive() {
		p.disengage(tenant)
	}
	s.until(end)
	tenant.unbound = false
	for _, p := range w.alive() {
		p.engage(tenant)
	}
}

// guard starts a controller anew when it died.
func (w *simWorld) guard() {
	s := w.scheduler
	for {
		s.park(w.vacancy, nil)
		if w.replicas > 0 && s.chance(2) {
			w.reassign(w.vacant()) // others take over, and give back
		}
		s.pause(s.between(0, 5*time.Second))
		w.resurrect()
	}
}
