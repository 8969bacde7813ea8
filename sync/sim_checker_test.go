package syncer

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/sync/internal/apisim"
	"github.com/tmc-sdk/tmc/transform"
)

// checker sees every change of every server, as nobody in the world does, and
// says which law it breaks.
type checker struct {
	world      *simWorld
	violations []string
	history    map[namespaceKey][]moment
	healthy    map[copyID]bool
	late       map[types.UID]bool // copies that a late write made
	reselected map[types.UID]bool // originals whose selector was changed
	made       map[types.UID]int  // when a foreign object was made, in commits
	bodies     map[string]string  // what a digest stands for
	strays     map[types.UID]simStray

	born      map[types.UID]bornID // what was ever born
	absent    map[bornID]int       // when there was last nothing of that name, in commits
	unsure    map[string]int       // when a copy on a cluster last came, went or changed its marks
	exhibits  map[types.UID]bool   // what controllers made in workspaces
	exhibited map[types.UID]bornID // of what that is
}

// simStray is a copy that admission took the marks off in a write of a controller,
// which may know of it as its own: it sent the marks.
type simStray struct {
	transform.Marks
	made bool // in that write
}

// copyID names the copy of one original on one cluster.
type copyID struct {
	uid     types.UID
	cluster string
}

// moment is what was asked for in a namespace from one commit to the next.
type moment struct {
	from    int
	demands map[Key]demand
	// named are the clusters that the Placement of the namespace names.
	named map[string]bool
	// users are the clusters of what needs a related object, be it there or not;
	// none, where nothing is decided.
	users map[mention]map[string]bool
	// by says what is mentioned by an account, and not only by what is placed.
	by map[mention]mention
}

// demand is what the truth asks for one original.
type demand struct {
	uid      types.UID
	deleting bool
	// decided says whether there is a decision; targets are its clusters, with
	// whether they are being left.
	decided bool
	targets map[string]bool
}

func newChecker(w *simWorld) *checker {
	return &checker{
		world: w, history: map[namespaceKey][]moment{}, healthy: map[copyID]bool{},
		late: map[types.UID]bool{}, reselected: map[types.UID]bool{}, made: map[types.UID]int{}, bodies: map[string]string{}, strays: map[types.UID]simStray{},
		born: map[types.UID]bornID{}, absent: map[bornID]int{}, unsure: map[string]int{}, exhibits: map[types.UID]bool{}, exhibited: map[types.UID]bornID{},
	}
}

func (c *checker) violate(law int, format string, args ...any) {
	line := fmt.Sprintf("law %d: %s", law, fmt.Sprintf(format, args...))
	c.violations = append(c.violations, line)
	c.world.scheduler.note("VIOLATED %s", line)
}

// demandsOf computes what is asked for in a namespace now.
func demandsOf(tenant *simServer, ns string) map[Key]demand { return momentOf(tenant, ns).demands }

// momentOf computes what is asked for in a namespace now, and by what.
func momentOf(tenant *simServer, ns string) moment {
	_, p := placementOf(tenant, ns)
	demands := map[Key]demand{}
	users := map[mention]map[string]bool{}
	undecided := map[mention]bool{}
	named := map[string]bool{}
	if p != nil {
		for _, target := range p.Status.Targets {
			named[target.Cluster] = true
		}
	}
	for _, d := range tenant.All(simDeployment) {
		if d.GetNamespace() != ns {
			continue
		}
		t := demand{uid: d.GetUID(), deleting: d.GetDeletionTimestamp() != nil, targets: map[string]bool{}}
		if p != nil && p.DeletionTimestamp == nil {
			t.decided = len(p.Status.Targets) > 0 || len(p.Status.Conditions) > 0
			for _, target := range p.Status.Targets {
				t.targets[target.Cluster] = target.Leaving
			}
		}
		demands[keyFor(multiclusterName(tenant), d)] = t
		for _, m := range mentionsOf(d) {
			if users[m] == nil {
				users[m] = map[string]bool{}
			}
			undecided[m] = undecided[m] || !t.decided
			for cluster := range t.targets {
				users[m][cluster] = false
			}
		}
	}
	by := map[mention]mention{}
	for _, u := range tenant.All(accountKind) {
		account := mentionOf(accountKind, u.GetName())
		if u.GetNamespace() != ns {
			continue
		}
		for _, m := range mentionsOf(u) {
			by[m] = account
			if users[account] == nil {
				continue
			}
			if users[m] == nil {
				users[m] = map[string]bool{}
			}
			undecided[m] = undecided[m] || undecided[account]
			maps.Copy(users[m], users[account])
		}
	}
	for _, kind := range simRelated {
		for _, u := range tenant.All(kind) {
			if u.GetNamespace() != ns {
				continue
			}
			m := mention{kind.Kind, u.GetName()}
			t := demand{uid: u.GetUID(), deleting: u.GetDeletionTimestamp() != nil, decided: !undecided[m], targets: users[m]}
			demands[keyFor(multiclusterName(tenant), u)] = t
		}
	}
	return moment{demands: demands, named: named, users: users, by: by}
}

func multiclusterName(s *simServer) multicluster.ClusterName { return multicluster.ClusterName(s.name) }

// upstream looks at a change in a workspace.
func (c *checker) upstream(s *simServer, commit apisim.Commit) {
	c.world.commits++
	obj := commit.After
	if obj == nil {
		obj = commit.Before
	}
	born := slices.Contains(simBorn, obj.GroupVersionKind())
	if commit.Before != nil && commit.After != nil && !reflect.DeepEqual(at(commit.Before.Object, "spec", "selector"), at(commit.After.Object, "spec", "selector")) {
		c.reselected[obj.GetUID()] = true
	}
	if a := c.world.acting; a != nil {
		c.ofShare(a, s.name, commit)
	}
	if a := c.world.acting; a != nil && born {
		c.shownByUs(s, a, commit)
	} else if a != nil {
		c.upstreamByUs(s, a, commit)
	}
	if born {
		return
	}
	if ns := obj.GetNamespace(); ns != "" && (commit.Request == nil || commit.Request.Subresource == "" || obj.GetKind() == "Placement") {
		key := namespaceKey{multiclusterName(s), ns}
		now := momentOf(s, ns)
		now.from = c.world.commits
		c.history[key] = append(c.history[key], now)
	}
}

// upstreamByUs: a controller writes finalizers and statuses, and nothing else.
func (c *checker) upstreamByUs(s *simServer, a *acting, commit apisim.Commit) {
	before, after := commit.Before, commit.After
	finalizer := a.process.loop.finalizer
	switch {
	case before == nil:
		c.violate(1, "%s makes %s in a workspace", a.process.name, commit.Request)
		return
	case commit.Request.Verb == apisim.Delete:
		c.violate(1, "%s deletes an original: %s", a.process.name, commit.Request)
		return
	case commit.Request.Subresource == "status":
		return
	}
	had := slices.Contains(before.GetFinalizers(), finalizer)
	has := after != nil && slices.Contains(after.GetFinalizers(), finalizer)
	if after != nil && !reflect.DeepEqual(content(before), content(after)) {
		c.violate(1, "%s changes the data of an original: %s", a.process.name, commit.Request)
	}
	if had && !has {
		for _, cluster := range c.world.clusters {
			c.mayLetGo(s, a, cluster, before)
		}
	}
}

// mayLetGo: the finalizer goes only when the last copy is gone (law 3).
func (c *checker) mayLetGo(s *simServer, a *acting, cluster *simServer, original *unstructured.Unstructured) {
	copied := c.copyOn(cluster, s.name, original)
	if copied == nil || c.late[copied.GetUID()] || c.rivals(a, s.name) {
		return
	}
	state := a.process.states[cluster.name]
	if lost := c.world.lostAfter; lost >= 0 && !state.Reachable && c.world.scheduler.now.Add(a.process.skew).Sub(state.UnreachableSince) >= lost {
		return // released by policy
	}
	if back := a.process.returned[cluster.name]; c.world.lostAfter >= 0 && back.commits >= a.since && back.away >= c.world.lostAfter {
		return // likewise: it came back after that was decided
	}
	c.violate(3, "%s lets %s go while %s holds a copy of it", a.process.name, commitName(original), cluster.name)
}

func commitName(u *unstructured.Unstructured) string {
	return u.GetKind() + " " + u.GetNamespace() + "/" + u.GetName() + " " + string(u.GetUID())
}

// copyOn returns the copy of this very original on a cluster.
func (c *checker) copyOn(cluster *simServer, tenant string, original *unstructured.Unstructured) *unstructured.Unstructured {
	ns, name := c.world.where(tenant, original)
	there := cluster.Peek(original.GroupVersionKind(), ns, name)
	if there == nil {
		return nil
	}
	marks, ok := transform.ReadMarks(there)
	if !ok || marks.Installation != simInstallation || marks.UID != original.GetUID() {
		return nil
	}
	return there
}

// content is what belongs to the tenant of an original.
func content(u *unstructured.Unstructured) map[string]any {
	annotations := u.GetAnnotations()    // a map of its own
	delete(annotations, annotationFence) // ours, and the one thing that we write there
	m := map[string]any{"labels": u.GetLabels(), "annotations": len(annotations)}
	for key, value := range annotations {
		m["annotation "+key] = value
	}
	for k, v := range u.Object {
		if k != "metadata" && k != "status" {
			m[k] = v
		}
	}
	return m
}

// foreign says whether an object on a physical cluster is not ours.
func (c *checker) foreign(u *unstructured.Unstructured) bool {
	if _, ok := c.strays[u.GetUID()]; ok {
		return false
	}
	marks, ok := transform.ReadMarks(u)
	return !ok || marks.Installation != simInstallation
}

// physical looks at a change on a physical cluster.
func (c *checker) physical(s *simServer, commit apisim.Commit) {
	c.world.commits++
	c.bornOn(s, commit)
	if commit.Before == nil || commit.After == nil || transform.HasMarks(commit.Before) != transform.HasMarks(commit.After) {
		c.unsure[s.name] = c.world.commits
	}
	if after := commit.After; after != nil {
		if marks, ok := transform.ReadMarks(after); ok && marks.Installation == simInstallation {
			if health, _ := transform.Health(after); health == transform.Healthy {
				c.healthy[copyID{marks.UID, s.name}] = true
			}
		} else if commit.Before == nil {
			c.made[after.GetUID()] = c.world.commits
		}
	}
	a := c.world.acting
	if a == nil {
		return
	}
	c.admitted(s, a, commit)
	for _, u := range []*unstructured.Unstructured{commit.Before, commit.After} {
		if u == nil {
			continue
		}
		if marks, ok := transform.ReadMarks(u); ok && marks.Installation == simInstallation {
			c.ofShare(a, marks.LogicalCluster, commit)
		}
	}
	if commit.Before != nil && c.foreign(commit.Before) && !c.adopts(commit) {
		c.violate(2, "%s: %s touches what is not ours on %s", a.process.name, commit.Request, s.name)
		return
	}
	if c.world.createOnly && commit.Request.Verb == apisim.Apply && commit.Before != nil && commit.Before.GetKind() == simConfigMap.Kind && transform.HasMarks(commit.Before) {
		c.violate(2, "%s: %s on %s changes what is only to be made", a.process.name, commit.Request, s.name)
	}
	if commit.Request.Verb == apisim.Delete {
		if commit.Request.UID == "" {
			c.violate(2, "%s: %s on %s bears no precondition", a.process.name, commit.Request, s.name)
		}
		if commit.Before.GetKind() == "Namespace" {
			c.namespaceGoes(s, a, commit.Before)
			return
		}
		c.copyGoes(s, a, commit)
		return
	}
	c.copyComes(s, a, commit)
}

func (c *checker) adopts(commit apisim.Commit) bool {
	marks, ok := transform.ReadMarks(commit.After)
	return ok && !transform.HasMarks(commit.Before) && c.world.adopted[marks.LogicalCluster+"/"+marks.Namespace+"/"+marks.Name]
}

// sometime says whether something was so at some moment since a commit.
func (c *checker) sometime(ns namespaceKey, since int, so func(moment) bool) bool {
	moments := c.history[ns]
	for _, moment := range slices.Backward(moments) {
		if so(moment) {
			return true
		}
		if moment.from <= since {
			return false
		}
	}
	return len(moments) == 0
}

// copyGoes: a copy is deleted only when its original is deleting or gone, or
// its decision no longer names the cluster (law 1); on a move not before the
// new copy is healthy (law 4).
func (c *checker) copyGoes(s *simServer, a *acting, commit apisim.Commit) {
	marks, _ := transform.ReadMarks(commit.Before)
	if stray, ok := c.strays[commit.Before.GetUID()]; ok {
		if stray.made {
			return // taken back
		}
		marks = stray.Marks
	}
	key := keyOf(commit.Before.GroupVersionKind(), marks.Origin)
	if c.world.recreate && c.reselected[marks.UID] && key.Kind == simDeployment {
		return // the platform asks for it
	}
	proven, left := false, false
	var staying []string
	c.sometime(key.namespace(), a.since, func(m moment) bool {
		d, ok := m.demands[key]
		leaving, named := d.targets[s.name]
		switch {
		case !ok, d.uid != marks.UID, d.deleting, d.decided && !named:
			proven = true
		case leaving:
			left = true
			staying = staying[:0]
			for cluster, leaving := range d.targets {
				if !leaving {
					staying = append(staying, cluster)
				}
			}
		}
		return proven
	})
	if proven {
		return
	}
	if !left {
		c.violate(1, "%s: %s on %s, and its original is there and wants it", a.process.name, commit.Request, s.name)
		return
	}
	for _, cluster := range staying {
		if !c.healthy[copyID{marks.UID, cluster}] {
			c.violate(4, "%s: %s on %s, and the copy on %s was never healthy", a.process.name, commit.Request, s.name, cluster)
			return
		}
	}
	if len(staying) == 0 {
		c.violate(4, "%s: %s on %s, and there is no other copy", a.process.name, commit.Request, s.name)
	}
}

// namespaceGoes: what others put into a namespace of ours survives (law 2).
func (c *checker) namespaceGoes(s *simServer, a *acting, ns *unstructured.Unstructured) {
	for _, kind := range s.Kinds() {
		if !kind.Namespaced || kind.GroupVersionKind == simEvent {
			continue // Events are nobody's to keep
		}
		for _, u := range s.All(kind.GroupVersionKind) {
			if u.GetNamespace() != ns.GetName() {
				continue
			}
			if c.foreign(u) && c.made[u.GetUID()] <= a.since {
				c.violate(2, "%s deletes namespace %s on %s with %s of others in it", a.process.name, ns.GetName(), s.name, commitName(u))
			}
		}
	}
}

// copyComes looks at what a controller makes or changes on a cluster.
func (c *checker) copyComes(s *simServer, a *acting, commit apisim.Commit) {
	after := commit.After
	if after == nil {
		return // an apply that took the last finalizer off
	}
	marks, ok := transform.ReadMarks(after)
	if sent, marked := sentMarks(commit.Request); !ok && marked && sent.Installation == simInstallation {
		c.strays[after.GetUID()] = simStray{sent, commit.Before == nil}
		return
	}
	delete(c.strays, after.GetUID())
	if !ok || marks.Installation != simInstallation {
		c.violate(2, "%s: %s on %s bears no marks of ours", a.process.name, commit.Request, s.name)
		return
	}
	if after.GetKind() == "Namespace" {
		return
	}
	if commit.Before == nil && a.late {
		c.late[after.GetUID()] = true
	}
	tenant := c.world.tenant(marks.LogicalCluster)
	original := simObject(after.GroupVersionKind(), marks.Namespace, marks.Name)
	ns, name := c.world.where(marks.LogicalCluster, original)
	if ns != after.GetNamespace() || name != after.GetName() || after.GetAnnotations()[annotationToken] != token(marks.LogicalCluster, original) {
		c.violate(10, "%s: %s on %s holds what is of %q, and bears the marks of %s/%s/%s", a.process.name, commit.Request, s.name,
			after.GetAnnotations()[annotationToken], marks.LogicalCluster, marks.Namespace, marks.Name)
	}
	c.held(s, a, commit, tenant.Peek(after.GroupVersionKind(), marks.Namespace, marks.Name), marks)
	c.needed(s, a, commit, marks)
	if commit.Before != nil {
		for key, value := range commit.Before.GetAnnotations() {
			if strings.HasPrefix(key, "foreign/") && after.GetAnnotations()[key] != value {
				c.violate(5, "%s: %s on %s takes away %s of others", a.process.name, commit.Request, s.name, key)
			}
		}
	}
	c.same(a, commit)
}

// sentMarks returns the marks that an apply sent.
func sentMarks(r *apisim.Request) (transform.Marks, bool) {
	if r.Verb != apisim.Apply {
		return transform.Marks{}, false
	}
	return transform.ReadMarks(r.Object)
}

// rivals says whether an act may be that of one who did not know of another at the
// same time: there are two, it began while there were two (seed 219), or what it read
// in its caches may be from then (seeds 221 and 407).
func (c *checker) rivals(a *acting, tenant string) bool {
	w := c.world
	if w.replicas > 0 {
		return w.rivalsOver(a, tenant)
	}
	return a.process.rivalled() || w.rivals > 0 && (a.since <= w.rivals || w.scheduler.now.Sub(w.rivalled) < mostLag)
}

// mostLag is longer than a cache lags behind.
const mostLag = 10 * time.Second

// held: no copy without the finalizer on its original (law 3). Of two
// controllers at once, which leader election forbids, one may know no better;
// what it leaves must be gone in the end.
func (c *checker) held(s *simServer, a *acting, commit apisim.Commit, original *unstructured.Unstructured, marks transform.Marks) {
	if a.late || commit.Before != nil || c.rivals(a, marks.LogicalCluster) {
		return
	}
	if original == nil || original.GetUID() != marks.UID || !slices.Contains(original.GetFinalizers(), a.process.loop.finalizer) {
		c.violate(3, "%s: %s on %s, and its original does not bear our finalizer", a.process.name, commit.Request, s.name)
	}
}

// needed: what nothing mentions never goes down (law 10).
func (c *checker) needed(s *simServer, a *acting, commit apisim.Commit, marks transform.Marks) {
	if commit.Before != nil || a.late {
		return
	}
	key := keyOf(commit.After.GroupVersionKind(), marks.Origin)
	// Caches may show what was asked for before, and at different times: a mention
	// that has just been taken back, of what has just been made, and a decision that
	// came after. But both there were, in the same tenant's namespace.
	wanted := mentionOf(key.Kind, key.Name)
	mentioned := func(m moment) bool {
		if m.users[wanted] != nil {
			return true
		}
		account, ok := m.by[wanted]
		return ok && c.sometime(key.namespace(), 0, func(m moment) bool { return m.users[account] != nil })
	}
	named := func(m moment) bool { return m.named[s.name] }
	if !c.sometime(key.namespace(), 0, named) || key.Kind != simDeployment && !c.sometime(key.namespace(), 0, mentioned) {
		c.violate(10, "%s: %s on %s, and nothing ever asked for it", a.process.name, commit.Request, s.name)
	}
}

// same: one digest stands for one rendering, on every replica (law 7).
func (c *checker) same(a *acting, commit apisim.Commit) {
	sent := commit.Request.Object
	if commit.Request.Verb != apisim.Apply {
		return
	}
	sent = sent.DeepCopy()
	sent.SetUID("")
	sent.SetResourceVersion("")
	body := fmt.Sprint(sent.Object) // maps print sorted
	digest := digestOf(sent)
	if known, ok := c.bodies[digest]; ok && known != body {
		c.violate(7, "%s: %s: two renderings under the digest %s", a.process.name, commit.Request, digest)
	}
	c.bodies[digest] = body
}

// conditionOf returns a condition of an original.
func conditionOf(u *unstructured.Unstructured, kind string) *metav1.Condition {
	for _, e := range elements(at(u.Object, "status")["conditions"]) {
		if e["type"] == kind {
			status, _ := e["status"].(string)
			reason, _ := e["reason"].(string)
			message, _ := e["message"].(string)
			return &metav1.Condition{Type: kind, Status: metav1.ConditionStatus(status), Reason: reason, Message: message}
		}
	}
	return nil
}
