package cluster

import (
	"maps"
	"slices"
	"sync"

	"github.com/cespare/xxhash/v2"
	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// usage is what the nodes of one cluster offer and what its pods request, kept
// as sums: each event costs a constant amount of work, however large the
// cluster is.
type usage struct {
	mu    sync.Mutex
	nodes map[string]*nodeUse
	pods  map[podKey]podUse
	// shapes interns requests: most pods of a cluster are replicas of few
	// templates.
	shapes map[shapeKey]*shape
	// sums over the nodes that count.
	allocatable, allocated Resources
	counted                int32
	// ready and known count nodes that are ready, cordoned or not, and all
	// nodes that exist.
	ready, known int32

	nodesRead, podsRead bool

	// kinds of nodes there are; sorted is the list of them, made anew when one
	// comes or goes.
	kinds  map[nodeKind]*nodesOfKind
	sorted []nodeKind

	// slots are what is free on single nodes, as of when they were fresh.
	slots                 []Resources
	moreSlots, slotsFresh bool
	// rooms and lots are NodeRoom and Pods of a State, fresh with slots.
	rooms, lots []Lot

	// inUse is what the nodes use, where somebody tells.
	inUse inUse

	// reported, if not nil, is what an agent says in the place of all this.
	reported *capacity
}

// podKey is the UID of a pod.
type podKey [16]byte

type podUse struct {
	node  *nodeUse
	shape *shape
}

// nodeUse is one node, or a name that pods are bound to before the node has
// been seen.
type nodeUse struct {
	allocatable, allocated Resources
	kind                   *nodesOfKind
	pods                   int32
	exists, ready, counted bool
}

type shape struct {
	requests Resources
	key      shapeKey
	pods     int32
}

// shapeKey compares requests that have no extended resources.
type shapeKey struct{ cpu, memory, storage int64 }

func newUsage() *usage {
	return &usage{
		nodes:  map[string]*nodeUse{},
		pods:   map[podKey]podUse{},
		shapes: map[shapeKey]*shape{},
		kinds:  map[nodeKind]*nodesOfKind{},
	}
}

func keyOf(uid types.UID) podKey {
	if id, err := uuid.Parse(string(uid)); err == nil {
		return podKey(id)
	}
	// Not what Kubernetes makes. Two hashes make a key that is as good.
	var k podKey
	a, b := xxhash.Sum64String(string(uid)), xxhash.Sum64String("\x00"+string(uid))
	for i := range 8 {
		k[i], k[8+i] = byte(a>>(8*i)), byte(b>>(8*i))
	}
	return k
}

// setNode adds or changes a node.
func (u *usage) setNode(n *nodeItem) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.setNodeLocked(n)
}

func (u *usage) setNodeLocked(n *nodeItem) {
	u.slotsFresh = false
	use := u.nodeLocked(n.Name)
	u.forgetNodeLocked(use)
	use.allocatable, use.exists, use.ready, use.counted = n.allocatable, true, n.ready, n.ready && !n.unschedulable
	u.known++
	use.kind = u.joinKindLocked(n.kind)
	if use.ready {
		u.ready++
	}
	if use.counted {
		u.counted++
		add(&u.allocatable, &use.allocatable, 1)
		add(&u.allocated, &use.allocated, 1)
	}
}

// forgetNodeLocked takes a node out of the sums.
func (u *usage) forgetNodeLocked(use *nodeUse) {
	if !use.exists {
		return
	}
	u.known--
	u.leaveKindLocked(use.kind)
	use.kind = nil
	if use.ready {
		u.ready--
	}
	if use.counted {
		u.counted--
		add(&u.allocatable, &use.allocatable, -1)
		add(&u.allocated, &use.allocated, -1)
	}
	use.allocatable, use.exists, use.ready, use.counted = Resources{}, false, false, false
}

func (u *usage) joinKindLocked(kind nodeKind) *nodesOfKind {
	k, ok := u.kinds[kind]
	if !ok {
		k = &nodesOfKind{kind: kind}
		u.kinds[kind] = k
		u.sorted = nil
	}
	k.nodes++
	return k
}

func (u *usage) leaveKindLocked(k *nodesOfKind) {
	if k.nodes--; k.nodes == 0 {
		delete(u.kinds, k.kind)
		u.sorted = nil
	}
}

// kindsLocked returns the kinds of nodes there are, sorted. It is shared, and
// never changed.
func (u *usage) kindsLocked() []nodeKind {
	if u.sorted == nil && len(u.kinds) > 0 {
		u.sorted = slices.SortedFunc(maps.Keys(u.kinds), compareKinds)
	}
	return u.sorted
}

func (u *usage) removeNode(name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.removeNodeLocked(name)
}

func (u *usage) removeNodeLocked(name string) {
	u.slotsFresh = false
	use, ok := u.nodes[name]
	if !ok {
		return
	}
	u.forgetNodeLocked(use)
	if use.pods == 0 {
		delete(u.nodes, name)
	}
}

func (u *usage) nodeLocked(name string) *nodeUse {
	use, ok := u.nodes[name]
	if !ok {
		use = &nodeUse{}
		u.nodes[name] = use
	}
	return use
}

// setPod adds or changes a pod. One that is not on a node, or that has ended,
// requests nothing.
func (u *usage) setPod(p *podItem) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.setPodLocked(p)
}

func (u *usage) setPodLocked(p *podItem) {
	k := keyOf(p.UID)
	if p.node == "" || p.ended {
		u.removePodLocked(k)
		return
	}
	node := u.nodeLocked(p.node)
	if old, ok := u.pods[k]; ok && old.node == node && equalResources(&old.shape.requests, &p.requests) {
		return
	}
	u.removePodLocked(k)
	u.slotsFresh = false
	s := u.shapeLocked(p.requests)
	u.pods[k] = podUse{node: node, shape: s}
	node.pods++
	add(&node.allocated, &s.requests, 1)
	if node.counted {
		add(&u.allocated, &s.requests, 1)
	}
}

func (u *usage) removePod(uid types.UID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.removePodLocked(keyOf(uid))
}

func (u *usage) removePodLocked(k podKey) {
	p, ok := u.pods[k]
	if !ok {
		return
	}
	u.slotsFresh = false
	delete(u.pods, k)
	p.node.pods--
	add(&p.node.allocated, &p.shape.requests, -1)
	if p.node.counted {
		add(&u.allocated, &p.shape.requests, -1)
	}
	if p.shape.pods--; p.shape.pods == 0 && p.shape.requests.Extended == nil {
		delete(u.shapes, p.shape.key)
	}
}

func (u *usage) shapeLocked(r Resources) *shape {
	if r.Extended != nil {
		return &shape{requests: r, pods: 1}
	}
	k := shapeKey{r.MilliCPU, r.Memory, r.EphemeralStorage}
	s, ok := u.shapes[k]
	if !ok {
		s = &shape{requests: r, key: k}
		u.shapes[k] = s
	}
	s.pods++
	return s
}

// replaceNodes makes the given nodes the only ones.
func (u *usage) replaceNodes(items []*nodeItem) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.nodesRead = true
	listed := make(map[string]struct{}, len(items))
	for _, n := range items {
		listed[n.Name] = struct{}{}
		u.setNodeLocked(n)
	}
	for name := range u.nodes {
		if _, ok := listed[name]; !ok {
			u.removeNodeLocked(name)
		}
	}
}

// replacePods makes the given pods the only ones.
func (u *usage) replacePods(items []*podItem) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.podsRead = true
	listed := make(map[podKey]struct{}, len(items))
	for _, p := range items {
		listed[keyOf(p.UID)] = struct{}{}
		u.setPodLocked(p)
	}
	for k := range u.pods {
		if _, ok := listed[k]; !ok {
			u.removePodLocked(k)
		}
	}
}

// capacity is what usage amounts to at one moment.
type capacity struct {
	allocatable, allocated Resources
	inUse                  inUse
	nodes                  int32
	// existing nodes, and those of them that are ready, cordoned or not.
	existing, ready int32
	kinds           []nodeKind
	slots           []Resources
	moreSlots       bool
	rooms, lots     []Lot
	// known says that nodes and pods have been read, nodesRead that nodes have.
	known, nodesRead bool
}

// noneReady says that there are nodes, and that none is ready.
func (c *capacity) noneReady() bool { return c.nodesRead && c.existing > 0 && c.ready == 0 }

func (u *usage) capacity() capacity {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.reported != nil {
		return *u.reported
	}
	slots, more := u.freeSlotsLocked()
	return capacity{
		slots:       slots,
		moreSlots:   more,
		rooms:       u.rooms,
		lots:        u.lots,
		allocatable: settled(u.allocatable),
		allocated:   settled(u.allocated),
		inUse:       u.inUse,
		nodes:       u.counted,
		existing:    u.known,
		ready:       u.ready,
		kinds:       u.kindsLocked(),
		known:       u.nodesRead && u.podsRead,
		nodesRead:   u.nodesRead,
	}
}

// setReported takes over what an agent says.
func (u *usage) setReported(c capacity) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.reported = &c
}

// add adds sign times r to dst, in place.
func add(dst, r *Resources, sign int64) {
	dst.MilliCPU += sign * r.MilliCPU
	dst.Memory += sign * r.Memory
	dst.EphemeralStorage += sign * r.EphemeralStorage
	dst.Pods += sign * r.Pods
	for name, v := range r.Extended {
		if dst.Extended == nil {
			dst.Extended = map[corev1.ResourceName]int64{}
		}
		if dst.Extended[name] += sign * v; dst.Extended[name] == 0 {
			delete(dst.Extended, name)
		}
	}
}

// settled is a copy that shares nothing with the sum it is of.
func settled(r Resources) Resources {
	if len(r.Extended) == 0 {
		r.Extended = nil
		return r
	}
	r.Extended = maps.Clone(r.Extended)
	return r
}

func equalResources(a, b *Resources) bool {
	return a.MilliCPU == b.MilliCPU && a.Memory == b.Memory && a.EphemeralStorage == b.EphemeralStorage &&
		a.Pods == b.Pods && maps.Equal(a.Extended, b.Extended)
}
