package syncer

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
)

// showcases remember what workspaces show: how much it is, which is bounded, and
// what was written when. They are read from the workspaces, and lost with the
// process.
type showcases struct {
	mu sync.Mutex
	by map[showcaseKey]*showcase
}

// showcaseKey names what a namespace of a workspace shows of a kind.
type showcaseKey struct {
	kind schema.GroupVersionKind
	namespaceKey
}

func (k Key) showcase() showcaseKey { return showcaseKey{k.Kind, k.namespace()} }

// showcase is what one namespace of a workspace shows of a kind, from all clusters.
type showcase struct {
	known bool // it was read what is there
	shown map[string]*exhibit
	// waiting are sources that are not written yet: there is no room, or too much
	// was written just now.
	waiting map[birthplace]struct{}
	// tokens are the writes that may be made at once, as of refilled.
	tokens   float64
	refilled time.Time
	// told says which objects, by name, somebody was told of that they stand in the
	// way; full, that there is no more room.
	told map[string]obstacle
	full bool
}

// exhibit is one object that is shown.
type exhibit struct {
	birthplace
	// uid and version are those of the object in the workspace when it was last
	// looked at; sent is the digest of what was sent then.
	uid           types.UID
	version, sent string
	// at is when it was last written, or first seen.
	at time.Time
}

// wish is that an object be shown.
type wish struct {
	at   showcaseKey
	name string // in the workspace
	from birthplace
	most int // objects that may be shown there
}

// birthplace is where an object was born.
type birthplace struct{ cluster, source string }

// obstacle is an object that stands where a source would be shown.
type obstacle struct {
	uid  types.UID
	from birthplace // of one of those that would be
}

// pace is how often something is written. Writes to kcp are dear (law 6).
type pace struct {
	burst  float64       // writes at once, in one namespace
	each   time.Duration // a further one for that long
	again  time.Duration // least time between two writes of one object
	repeat time.Duration // the same, of an Event that says only that it happened again
}

var (
	paceOfObjects = pace{burst: 100, each: 200 * time.Millisecond, again: time.Second}
	paceOfEvents  = pace{burst: 25, each: time.Second, again: time.Second, repeat: 5 * time.Minute}
)

func paceOf(kind schema.GroupVersionKind) pace {
	if isEvent(kind) {
		return paceOfEvents
	}
	return paceOfObjects
}

// of returns a showcase, made at its first use. The lock is held.
func (s *showcases) of(key showcaseKey) *showcase {
	c, ok := s.by[key]
	if !ok {
		c = &showcase{shown: map[string]*exhibit{}, waiting: map[birthplace]struct{}{}, told: map[string]obstacle{}, tokens: paceOf(key.kind).burst}
		s.by[key] = c
	}
	return c
}

// exhibit returns what is known of an object that is shown.
func (s *showcases) exhibit(key showcaseKey, name string) (exhibit, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.by[key]; ok {
		if e, ok := c.shown[name]; ok {
			return *e, true
		}
	}
	return exhibit{}, false
}

// know reads, once, what a namespace of a workspace shows of a kind.
func (l *Loop) knowShowcase(ctx context.Context, ws client.Client, key showcaseKey) error {
	s := &l.showcases
	s.mu.Lock()
	known := s.of(key).known
	s.mu.Unlock()
	if known {
		return nil
	}
	items, err := l.listShown(ctx, ws, key.kind, key.namespace)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.of(key)
	c.known = true
	for i := range items {
		l.showcases.note(c, &items[i], l.world.now())
	}
	return nil
}

// note takes in an object that is shown, as it was read. The lock is held.
func (s *showcases) note(c *showcase, shown *unstructured.Unstructured, now time.Time) {
	if _, ok := c.shown[shown.GetName()]; ok || !isShown(shown) {
		return
	}
	cluster, _ := sourceOf(shown)
	c.shown[shown.GetName()] = &exhibit{birthplace: birthplace{cluster, sourceNameOf(shown)}, uid: shown.GetUID(), at: now}
}

// listShown reads what a workspace shows of a kind; all of it with no namespace.
func (l *Loop) listShown(ctx context.Context, ws client.Client, kind schema.GroupVersionKind, namespace string) ([]unstructured.Unstructured, error) {
	var all []unstructured.Unstructured
	for token := ""; ; {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		if err := ws.List(ctx, list, client.InNamespace(namespace), client.MatchingLabels{LabelUpsync: l.installation}, client.Limit(bornPage), client.Continue(token)); err != nil {
			return nil, err
		}
		for _, item := range list.Items {
			all = append(all, unstructured.Unstructured{Object: map[string]any{
				"apiVersion": item.Object["apiVersion"], "kind": item.Object["kind"], "metadata": item.Object["metadata"],
			}})
		}
		if token = list.GetContinue(); token == "" {
			return all, nil
		}
	}
}

// refill adds the writes that may be made since. The lock is held.
func (c *showcase) refill(p pace, now time.Time) {
	if !c.refilled.IsZero() && now.After(c.refilled) {
		c.tokens = min(p.burst, c.tokens+now.Sub(c.refilled).Seconds()/p.each.Seconds())
	}
	c.refilled = now
}

// mayWrite says whether an object may be written now, or has to wait for others to
// leave or for others that were written just now. What waits is remembered.
func (s *showcases) mayWrite(w wish, now time.Time) (ok, full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.of(w.at)
	c.refill(paceOf(w.at.kind), now)
	_, there := c.shown[w.name]
	full = !there && len(c.shown) >= w.most
	if full || c.tokens < 1 {
		c.waiting[w.from] = struct{}{}
		return false, full
	}
	delete(c.waiting, w.from)
	return true, false
}

// begin counts a write, and an object that is about to be shown. It returns whether
// it may be written still.
func (s *showcases) begin(w wish, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.of(w.at)
	if _, there := c.shown[w.name]; !there {
		if len(c.shown) >= w.most {
			c.waiting[w.from] = struct{}{}
			return false
		}
		c.shown[w.name] = &exhibit{birthplace: w.from}
	}
	c.tokens--
	c.shown[w.name].at = now
	return true
}

// wrote takes note of what an object is in the workspace now.
func (s *showcases) wrote(w wish, shown *unstructured.Unstructured, sent string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.of(w.at)
	e, ok := c.shown[shown.GetName()]
	if !ok {
		e = &exhibit{at: now}
		c.shown[shown.GetName()] = e
	}
	e.birthplace, e.uid, e.version, e.sent = w.from, shown.GetUID(), shown.GetResourceVersion(), sent
	delete(c.told, shown.GetName())
}

// left takes note that an object is not shown any more, or is not to be. It returns
// whether another waits for its place.
func (s *showcases) left(key showcaseKey, name string, from birthplace) (waiting bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.by[key]
	if !ok {
		return false
	}
	c.leave(name, from)
	if c.told[name].from == from {
		delete(c.told, name) // of another that waits for the name it has to be known
	}
	return len(c.waiting) > 0
}

// leave forgets an object. The lock is held.
func (c *showcase) leave(name string, from birthplace) {
	if e, ok := c.shown[name]; ok && e.birthplace == from {
		delete(c.shown, name)
	}
	delete(c.waiting, from)
	if len(c.waiting) == 0 {
		c.full = false
	}
}

// mostTold bounds of how many objects that stand in the way it is remembered that
// it was told of them.
const mostTold = 1000

// taken takes note that an object stands where another would be shown. It returns
// whether that has to be told.
func (s *showcases) taken(key showcaseKey, there *unstructured.Unstructured, from birthplace) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.of(key)
	c.leave(there.GetName(), from)
	if c.told[there.GetName()].uid == there.GetUID() {
		return false
	}
	if len(c.told) >= mostTold {
		clear(c.told)
	}
	c.told[there.GetName()] = obstacle{there.GetUID(), from}
	return true
}

// tellFull says whether it has to be told that there is no more room.
func (s *showcases) tellFull(key showcaseKey) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.of(key)
	if c.full {
		return false
	}
	c.full = true
	return true
}

// next returns some of what waits and may be written now, sorted, and when to look
// again; zero if nothing waits that time alone helps.
func (s *showcases) next(key showcaseKey, rule *upsyncRule, now time.Time) (some []birthplace, again time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.by[key]
	if !ok || len(c.waiting) == 0 {
		return nil, 0
	}
	p := paceOf(key.kind)
	c.refill(p, now)
	room := rule.most - len(c.shown)
	for from := range c.waiting {
		if _, there := c.shown[rule.nameOf(from.source, from.cluster)]; there || room > 0 {
			some = append(some, from)
		}
	}
	slices.SortFunc(some, func(a, b birthplace) int {
		return strings.Compare(a.source+"\x00"+a.cluster, b.source+"\x00"+b.cluster)
	})
	if n := int(c.tokens); len(some) > n {
		some, again = some[:n], max(p.each, time.Second)
	}
	for _, from := range some {
		delete(c.waiting, from)
	}
	return some, again
}

// missing returns what a workspace should show of a kind, and was not listed; and what
// it would show if nothing had stood in the way, which may have gone.
func (s *showcases) missing(ws multicluster.ClusterName, kind schema.GroupVersionKind, listed map[types.NamespacedName]bool) (gone map[types.NamespacedName]birthplace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	gone = map[types.NamespacedName]birthplace{}
	for key, c := range s.by {
		if key.workspace != ws || key.kind != kind {
			continue
		}
		if len(c.shown)+len(c.waiting)+len(c.told) == 0 {
			delete(s.by, key)
		}
		for name, e := range c.shown {
			if at := (types.NamespacedName{Namespace: key.namespace, Name: name}); !listed[at] {
				gone[at] = e.birthplace
			}
		}
		for name, o := range c.told {
			gone[types.NamespacedName{Namespace: key.namespace, Name: name}] = o.from
		}
	}
	return gone
}

// drop forgets a workspace: what it shows is read anew when it is in sight.
func (s *showcases) drop(ws multicluster.ClusterName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.by {
		if key.workspace == ws {
			delete(s.by, key)
		}
	}
}
