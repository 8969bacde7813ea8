package syncer

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	toolscache "k8s.io/client-go/tools/cache"
	events "k8s.io/client-go/tools/record"
	"sigs.k8s.io/controller-runtime/pkg/client"
	crcluster "sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/workspaces"
	"github.com/tmc-sdk/tmc/sync/internal/apisim"
	"github.com/tmc-sdk/tmc/transform"
)

// process is one controller with the real loop in it, and all that dies with it.
type process struct {
	world  *simWorld
	name   string
	loop   *Loop
	ctx    context.Context //nolint:containedctx // it is the life of the process
	cancel context.CancelFunc
	dead   bool
	skew   time.Duration // its clock is off by so much
	frozen time.Time     // until then it does nothing, as a machine that is suspended

	simShare
	books *books

	states map[string]*tmccluster.State
	// returned says of clusters that are reachable again when the process saw that,
	// in commits, and how long it had seen them away.
	returned map[string]simReturn
	spaces   map[multicluster.ClusterName]*simSpace
}

// simReturn is when, in commits, a cluster was seen to be back, and how long it
// was away.
type simReturn struct {
	commits int
	away    time.Duration
}

// simSpace is an engaged workspace.
type simSpace struct {
	crcluster.Cluster
	process *process
	server  *simServer
	cache   *simCache
	synced  map[schema.GroupVersionKind]bool
	ended   bool
	leave   context.CancelFunc // ends the engagement; nil where there is none
}

// start runs a controller: where several share the work, of the first replica that
// does not run.
func (w *simWorld) start() *process { return w.startAs(w.vacant()) }

func (w *simWorld) startAs(replica int) *process {
	w.started++
	p := &process{
		world: w, name: fmt.Sprintf("p%d", w.started), states: map[string]*tmccluster.State{}, returned: map[string]simReturn{},
		spaces: map[multicluster.ClusterName]*simSpace{},
		skew:   time.Duration(w.scheduler.dice.IntN(7200)-3600) * time.Second,
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.books = newBooks(p)
	w.scheduler.note("%s starts as replica %d", p.name, replica)
	pipeline := simPipeline()
	var err error
	p.loop, err = newLoop(simProvider{p}, (*simFleet)(p), pipeline, logr.Discard(), p.options(replica))
	if err != nil {
		panic(err)
	}
	p.loop.world = p.surroundings()
	p.loop.watcher = simOriginals{p}
	queue := newDiceQueue(w.scheduler, 5*time.Millisecond, Key.String)
	queue.hasty = w.sabotage.hasty
	p.loop.queue = &sinceQueue[Key]{queue, p}
	close(p.loop.started)
	p.loop.startUpsync(p.ctx)
	w.scheduler.spawn(p, p.name+" recall", func() { p.loop.recall(p.ctx) })
	p.loop.NotifyRetired(func(ws multicluster.ClusterName, _ types.NamespacedName, _ string) { w.nudged = true })
	for _, c := range w.clusters {
		p.states[c.name] = c.state()
	}
	p.loop.fleet.Subscribe(func(change tmccluster.Change) { p.loop.fleetChanged(p.ctx, change) })
	for range 3 {
		w.scheduler.spawn(p, p.name+" worker", p.work)
	}
	w.scheduler.spawn(p, p.name+" fleet", p.probe)
	if w.replicas > 0 {
		w.scheduler.spawn(p, p.name+" share", p.followShare)
	}
	for _, tenant := range w.tenants {
		p.engage(tenant)
	}
	w.processes = append(w.processes, p)
	return p
}

// options are those of the loop of a process.
func (p *process) options(replica int) []Option {
	w := p.world
	opts := []Option{
		Resources(simDeployment), Related(simRelated...), WithWorkers(3, cmp.Or(w.lanes, 2)), ReleaseLostAfter(w.lostAfter),
		UpsyncOf(simPod), UpsyncOf(simEvent, UpsyncClusterInName(true)), WithAudit(p.books),
	}
	if w.createOnly {
		opts = append(opts, WithStrategy(StrategyCreateOnly, simConfigMap.GroupKind()))
	}
	if w.recreate {
		opts = append(opts, WithStrategy(StrategyRecreate, simDeployment.GroupKind()))
	}
	if w.gated {
		opts = append(opts, WithGate(p.books))
	}
	if w.replicas > 0 {
		p.join(replica)
		opts = append(opts, WithShare(p))
	}
	return opts
}

// work is what controller-runtime does around Reconcile.
func (p *process) work() {
	for {
		key, shutdown := p.loop.queue.Get()
		if shutdown {
			return
		}
		result, err := p.loop.Reconcile(p.ctx, key)
		switch {
		case err != nil:
			p.world.scheduler.note("%s reconcile %s: %v", p.name, key, err)
			p.loop.queue.AddRateLimited(key)
		case result.RequeueAfter > 0:
			p.world.scheduler.note("%s reconcile %s: again in %s", p.name, key, result.RequeueAfter)
			p.loop.queue.Forget(key)
			p.loop.queue.AddAfter(key, result.RequeueAfter)
		default:
			p.world.scheduler.note("%s reconcile %s", p.name, key)
			p.loop.queue.Forget(key)
		}
		p.loop.queue.Done(key)
	}
}

// rivalled says whether another controller runs besides, or took over while
// this one did nothing.
func (p *process) rivalled() bool {
	return len(p.world.alive()) > 1 || p.world.processes[len(p.world.processes)-1] != p
}

// die ends the process at once, wherever it is.
func (p *process) die() {
	if p.dead {
		return
	}
	if len(p.world.alive()) > 1 {
		p.world.rivals, p.world.rivalled = p.world.commits, p.world.scheduler.now
	}
	for _, tenant := range p.world.tenants {
		p.world.noteBelievers(tenant.name)
	}
	p.dead = true
	p.cancel()
	p.world.scheduler.note("%s dies", p.name)
	p.world.scheduler.kill(p)
}

// probe keeps the fleet's states.
func (p *process) probe() {
	s := p.world.scheduler
	for {
		s.pause(s.between(time.Second, 3*time.Second))
		for _, c := range p.world.clusters {
			before := p.states[c.name]
			now := *before
			now.Reachable = c.away(p) == nil && !c.silent
			now.UnreachableSince = time.Time{}
			if now.Reachable {
				now.UID, now.Region = c.uid, c.region
			} else if now.UnreachableSince = before.UnreachableSince; before.Reachable {
				now.UnreachableSince = s.now.Add(p.skew)
			}
			if now.Reachable == before.Reachable && now.UID == before.UID && now.Region == before.Region {
				continue
			}
			if now.Reachable && !before.Reachable {
				p.returned[c.name] = simReturn{p.world.commits, s.now.Add(p.skew).Sub(before.UnreachableSince)}
			}
			p.states[c.name] = &now
			s.note("%s sees %s: reachable %t, uid %s, region %s", p.name, c.name, now.Reachable, now.UID, now.Region)
			p.loop.fleetChanged(p.ctx, tmccluster.Change{Old: before, New: &now, Reconnected: now.UID != before.UID})
		}
	}
}

// simFleet is the fleet as a process sees it.
type simFleet process

func (f *simFleet) Snapshot() *tmccluster.Snapshot {
	states := make([]*tmccluster.State, 0, len(f.states))
	for _, s := range f.states {
		states = append(states, s)
	}
	return tmccluster.NewSnapshot(states...)
}

func (f *simFleet) Subscribe(fn func(tmccluster.Change)) func() {
	for s := range f.Snapshot().All() {
		fn(tmccluster.Change{New: s})
	}
	return func() {}
}

func (f *simFleet) Connection(name string) (*tmccluster.Connection, error) {
	s, ok := f.states[name]
	if !ok {
		return nil, tmccluster.ErrNotFound
	}
	return &tmccluster.Connection{Name: name, UID: s.UID}, nil
}

func (f *simFleet) WaitForSync(context.Context) bool { return true }

// connect builds what a lane speaks to its cluster by.
func (p *process) connect(l *Loop, conn *tmccluster.Connection, copies labels.Selector) (*wires, error) {
	server := p.world.cluster(conn.Name)
	strip := l.strip
	if rosy := p.world.sabotage.rosy; rosy != nil {
		strip = func(obj any) (any, error) { rosy(obj.(*unstructured.Unstructured)); return l.strip(obj) }
	}
	return &wires{
		live:      apisim.NewClient(server.Server, l.manager, p.transport(server)),
		cached:    p.newCache(server, copies, toolscache.TransformFunc(strip)),
		births:    simBirths{p: p, server: server},
		discovery: simDiscovery{p: p, server: server},
	}, nil
}

type simDiscovery struct {
	discovery.ServerResourcesInterface
	p      *process
	server *simServer
}

func (d simDiscovery) ServerPreferredNamespacedResources() ([]*metav1.APIResourceList, error) {
	d.p.world.scheduler.park(nil, nil)
	if err := d.server.away(d.p); err != nil {
		return nil, err
	}
	var lists []*metav1.APIResourceList
	for _, k := range d.server.Kinds() {
		if k.Namespaced {
			lists = append(lists, &metav1.APIResourceList{GroupVersion: k.GroupVersion().String(), APIResources: []metav1.APIResource{
				{Name: k.Plural, Kind: k.Kind, Namespaced: true, Verbs: metav1.Verbs{"list", "delete"}},
			}})
		}
	}
	return lists, nil
}

// engage shows a workspace to the process: to its provider, and to its loop where it
// is of its share.
func (p *process) engage(server *simServer) {
	name := multicluster.ClusterName(server.name)
	if _, ok := p.spaces[name]; ok || p.dead {
		return
	}
	p.show(server)
	if p.mine(server.name) {
		p.takeUp(server)
	}
}

func (p *process) show(server *simServer) {
	space := &simSpace{process: p, server: server, cache: p.newCache(server, nil, nil), synced: map[schema.GroupVersionKind]bool{}}
	space.cache.ended = func() bool { return space.ended }
	p.spaces[multicluster.ClusterName(server.name)] = space
}

// takeUp engages a workspace that the provider knows.
func (p *process) takeUp(server *simServer) {
	name := multicluster.ClusterName(server.name)
	space, ok := p.spaces[name]
	if !ok || space.leave != nil {
		return
	}
	var ctx context.Context
	ctx, space.leave = context.WithCancel(p.ctx)
	p.world.scheduler.note("%s engages %s", p.name, name)
	p.world.noteHolder(server.name, p)
	_ = p.loop.Engage(ctx, name, space)
}

// disengage takes a workspace out of the process's sight.
func (p *process) disengage(server *simServer) {
	name := multicluster.ClusterName(server.name)
	space, ok := p.spaces[name]
	if !ok {
		return
	}
	p.world.noteBelievers(server.name)
	space.ended = true
	delete(p.spaces, name)
	if space.leave != nil {
		space.leave()
		p.world.scheduler.note("%s disengages %s", p.name, name)
	}
}

func (p *process) provide(name multicluster.ClusterName) (*simSpace, error) {
	space, ok := p.spaces[name]
	if !ok {
		return nil, multicluster.ErrClusterNotFound
	}
	return space, nil
}

// GetClient implements crcluster.Cluster.
func (s *simSpace) GetClient() client.Client {
	return apisim.NewClient(s.server.Server, s.process.loop.manager, s.process.transport(s.server))
}

// GetEventRecorderFor implements crcluster.Cluster.
func (s *simSpace) GetEventRecorderFor(string) events.EventRecorder {
	return simRecorder{world: s.process.world}
}

type simRecorder struct {
	events.EventRecorder
	world *simWorld
}

// Event implements events.EventRecorder.
func (r simRecorder) Event(obj runtime.Object, _, reason, _ string) {
	uid := obj.(*unstructured.Unstructured).GetUID()
	r.world.events[uid] = append(r.world.events[uid], reason)
}

// simProvider is the multicluster provider of a process.
type simProvider struct{ p *process }

func (s simProvider) Get(_ context.Context, name multicluster.ClusterName) (crcluster.Cluster, error) {
	space, err := s.p.provide(name)
	if err != nil {
		return nil, err
	}
	return space, nil
}

func (simProvider) IndexField(context.Context, client.Object, string, client.IndexerFunc) error {
	return nil
}

// simOriginals is what workspaces.Watcher is in production.
type simOriginals struct{ p *process }

var _ originals = simOriginals{}

func (o simOriginals) Engage(_ context.Context, name multicluster.ClusterName, cl crcluster.Cluster) error {
	space := cl.(*simSpace)
	l := o.p.loop
	for _, kind := range append(l.kinds(), placementKind, clusterPlacementKind) {
		o.p.world.scheduler.spawn(o.p, o.p.name+" follow "+kind.Kind, func() { o.follow(space, name, kind) })
	}
	return nil
}

func (o simOriginals) follow(space *simSpace, name multicluster.ClusterName, kind schema.GroupVersionKind) {
	s, l := o.p.world.scheduler, o.p.loop
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(kind)
	informer, err := space.cache.GetInformer(o.p.ctx, u)
	for err != nil && !space.ended {
		s.pause(time.Second)
		informer, err = space.cache.GetInformer(o.p.ctx, u)
	}
	if space.ended {
		return
	}
	tell := func(e workspaces.Event) {
		if !space.ended {
			l.handle(e)
		}
	}
	_, _ = informer.AddEventHandler(toolscache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(obj any, initial bool) {
			tell(workspaces.Event{Cluster: name, New: obj.(*unstructured.Unstructured), Initial: initial})
		},
		UpdateFunc: func(before, after any) {
			tell(workspaces.Event{Cluster: name, Old: before.(*unstructured.Unstructured), New: after.(*unstructured.Unstructured)})
		},
		DeleteFunc: func(obj any) {
			tell(workspaces.Event{Cluster: name, Old: obj.(*unstructured.Unstructured)})
		},
	})
	s.park(func() bool { return informer.HasSynced() || space.ended }, nil)
	if space.ended {
		return
	}
	space.synced[kind] = true
	for _, key := range informer.(*simInformer).keys() {
		tell(workspaces.Event{Cluster: name, New: informer.(*simInformer).store[key], Initial: true})
	}
}

func (o simOriginals) Synced(name multicluster.ClusterName, kind schema.GroupVersionKind) bool {
	space, err := o.p.provide(name)
	return err == nil && space.synced[kind]
}

func (o simOriginals) space(name multicluster.ClusterName, kind schema.GroupVersionKind) (*simSpace, error) {
	if !o.Synced(name, kind) {
		return nil, fmt.Errorf("%s in workspace %s: %w", kind.Kind, name, workspaces.ErrNotSynced)
	}
	return o.p.provide(name)
}

func (o simOriginals) Get(ctx context.Context, name multicluster.ClusterName, kind schema.GroupVersionKind, key client.ObjectKey) (*unstructured.Unstructured, error) {
	space, err := o.space(name, kind)
	if err != nil {
		return nil, err
	}
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(kind)
	if err := space.cache.Get(ctx, key, u); err != nil {
		return nil, err
	}
	return u, nil
}

func (o simOriginals) List(ctx context.Context, name multicluster.ClusterName, kind schema.GroupVersionKind, namespace string) ([]unstructured.Unstructured, error) {
	space, err := o.space(name, kind)
	if err != nil {
		return nil, err
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err := space.cache.List(ctx, list, client.InNamespace(namespace)); err != nil {
		return nil, err
	}
	if o.p.world.sabotage.smuggle && kind == simDeployment {
		for i := range list.Items {
			list.Items[i] = *list.Items[i].DeepCopy()
			at(list.Items[i].Object, "spec", "template", "spec")["volumes"] = []any{
				map[string]any{"name": "secret", "secret": map[string]any{"secretName": "settings"}},
			}
		}
	}
	return list.Items, nil
}

// transport carries the requests of a process to a server, through all that
// can happen on the way.
func (p *process) transport(server *simServer) apisim.Transport {
	w := p.world
	s := w.scheduler
	return func(ctx context.Context, r *apisim.Request) (resp *apisim.Response, err error) {
		since := s.current.since
		s.park(nil, nil) // others may go first
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		w.requests++
		if r.Writes() && w.cluster(server.name) != nil {
			defer func() { p.books.wrote(server, r, err) }()
		}
		if answer := w.sabotage.before; answer != nil {
			if resp, err, done := answer(p, server, r); done {
				return resp, err
			}
		}
		if err := server.away(p); err != nil {
			if s.chance(2) {
				s.pause(requestTimeout)
				err = context.DeadlineExceeded
			}
			return nil, err
		}
		if err := server.storm(s); err != nil {
			s.note("%s %s on %s: %v", p.name, r, server.name, err)
			return nil, err
		}
		if !r.Writes() {
			resp, err := server.read(p, r)
			s.park(nil, nil)
			return resp, err
		}
		return p.write(ctx, server, r, since)
	}
}

// write carries a write to a server, or not, or twice, or late.
func (p *process) write(ctx context.Context, server *simServer, r *apisim.Request, since int) (*apisim.Response, error) {
	w, s := p.world, p.world.scheduler
	by := s.current
	do := func(late bool) (*apisim.Response, error) {
		w.acting = &acting{process: p, task: by, since: since, late: late}
		resp, err := server.Do(ctx, r)
		w.acting = nil
		s.note("%s %s on %s: %v", p.name, r, server.name, err)
		return resp, err
	}
	w.writes++
	switch o := w.odds; {
	case w.writes == w.crashBefore || s.chance(o.crash):
		p.die()
	case s.chance(o.lost):
		s.note("%s %s on %s is lost on the way", p.name, r, server.name)
		s.pause(requestTimeout)
		return nil, context.DeadlineExceeded
	case s.chance(o.unanswered):
		_, _ = do(false)
		s.note("its answer is lost")
		return nil, fmt.Errorf("read: connection reset by peer: %w", context.DeadlineExceeded)
	case s.chance(o.late):
		late := s.between(time.Second, 40*time.Second)
		s.note("%s %s on %s is late by %s", p.name, r, server.name, late)
		s.spawn(nil, "late", func() { s.pause(late); _, _ = do(true) })
		s.pause(requestTimeout)
		return nil, context.DeadlineExceeded
	case s.chance(o.twice):
		_, _ = do(false)
		s.park(nil, nil)
	}
	resp, err := do(false)
	if w.writes == w.crashAfter || s.chance(w.odds.crash) {
		p.die()
	}
	s.park(nil, nil)
	return resp, err
}

// simServer is an API server and what is wrong with it.
type simServer struct {
	*apisim.Server
	world *simWorld
	name  string
	uid   types.UID
	// cut, stormy, lying and meddling say until when it can't be reached, answers
	// with errors, lists nothing, and takes digests off what is written.
	cut, stormy, lying, meddling time.Time
	// region is where it is, which every rendering for it says.
	region string
	// unbound answers "not found" to everything.
	unbound bool
	// pull says that it is the mailbox of a cluster in pull mode; silent, that its
	// agent is not heard of, though the mailbox answers.
	pull, silent bool
	// decoded are the Placements that were decoded last, by namespace.
	decoded map[string]decodedPlacement
}

func (s *simServer) state() *tmccluster.State {
	return &tmccluster.State{Name: s.name, UID: s.uid, Region: s.region, Reachable: true, Ready: true, Version: "v1.36.3", Pull: s.pull}
}

func (s *simServer) away(*process) error {
	if s.world.scheduler.now.Before(s.cut) {
		return fmt.Errorf("dial %s: %w", s.name, syscall.ECONNREFUSED)
	}
	return nil
}

// meddle is an admission webhook that, for a while, lets no digest pass.
func (s *simServer) meddle(_ *apisim.Request, u *unstructured.Unstructured) error {
	if s.world.scheduler.now.Before(s.meddling) && digestOf(u) != "" {
		annotations := maps.Clone(u.GetAnnotations())
		delete(annotations, transform.AnnotationDigest)
		u.SetAnnotations(annotations)
	}
	return nil
}

func (s *simServer) lies(*process) bool { return s.world.scheduler.now.Before(s.lying) }

func (s *simServer) storm(sched *scheduler) error {
	if !sched.now.Before(s.stormy) || sched.chance(3) {
		return nil
	}
	if sched.chance(2) {
		return apierrors.NewTooManyRequests("slow down", 1)
	}
	return apierrors.NewInternalError(fmt.Errorf("storage is unwell"))
}

// read answers a read.
func (s *simServer) read(p *process, r *apisim.Request) (*apisim.Response, error) {
	if err := s.away(p); err != nil {
		return nil, err
	}
	if s.unbound {
		return nil, apierrors.NewNotFound(schema.GroupResource{Group: r.Kind.Group, Resource: r.Kind.Kind}, r.Name)
	}
	return s.Do(context.Background(), r)
}
