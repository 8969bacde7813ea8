package syncer

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tmc-sdk/tmc/sync/internal/apisim"
)

// simCache is what informers are in production: a list, then a watch, per kind,
// which lags as long as the dice want, loses its connection, and begins anew
// when it is told 410 Gone.
type simCache struct {
	cache.Cache // what is not implemented panics
	process     *process
	server      *simServer
	selector    labels.Selector
	strip       toolscache.TransformFunc
	informers   map[schema.GroupVersionKind]*simInformer
	ended       func() bool
}

func (p *process) newCache(server *simServer, selector labels.Selector, strip toolscache.TransformFunc) *simCache {
	return &simCache{process: p, server: server, selector: selector, strip: strip, informers: map[schema.GroupVersionKind]*simInformer{}}
}

// simInformer is the informer of one kind.
type simInformer struct {
	cache.Informer
	cache    *simCache
	kind     schema.GroupVersionKind
	store    map[types.NamespacedName]*unstructured.Unstructured
	asCame   map[types.NamespacedName]map[string]any // a copy of each, to show that nobody writes into the cache
	handlers []toolscache.ResourceEventHandler
	synced   bool
	lied     bool // the last list was not the truth: its watch breaks
}

// GetInformer implements cache.Cache.
func (c *simCache) GetInformer(_ context.Context, obj client.Object, _ ...cache.InformerGetOption) (cache.Informer, error) {
	kind := obj.GetObjectKind().GroupVersionKind()
	if i, ok := c.informers[kind]; ok {
		return i, nil
	}
	if err := c.server.away(c.process); err != nil {
		return nil, err
	}
	if err := c.server.mapped(kind); err != nil {
		return nil, err
	}
	i := &simInformer{cache: c, kind: kind, store: map[types.NamespacedName]*unstructured.Unstructured{}, asCame: map[types.NamespacedName]map[string]any{}}
	c.informers[kind] = i
	c.process.world.scheduler.spawn(c.process, c.process.name+" watch "+c.server.name+" "+kind.Kind, i.reflect)
	return i, nil
}

// Start implements cache.Cache: it runs until ctx ends, and with it the
// informers.
func (c *simCache) Start(ctx context.Context) error {
	c.ended = func() bool { return ctx.Err() != nil }
	c.process.world.scheduler.park(c.ended, nil)
	return nil
}

func (i *simInformer) ended() bool { return i.cache.ended != nil && i.cache.ended() }

// reflect lists and watches until the cache ends.
func (i *simInformer) reflect() {
	s, wait := i.cache.process.world.scheduler, time.Second
	for !i.ended() {
		version, err := i.list()
		if err == nil {
			wait = time.Second
			err = i.watch(version)
		}
		if apierrors.IsResourceExpired(err) {
			continue
		}
		s.pause(min(wait, 30*time.Second))
		wait *= 2
	}
}

// list replaces what is known.
func (i *simInformer) list() (string, error) {
	s := i.cache.process.world.scheduler
	s.park(nil, nil)
	resp, err := i.cache.server.read(i.cache.process, &apisim.Request{Verb: apisim.List, Kind: i.kind, Selector: i.cache.selector})
	if err != nil {
		return "", err
	}
	if i.lied = i.cache.server.lies(i.cache.process); i.lied {
		resp.Items = nil // a server that was just restored may list nothing
	}
	s.note("%s lists %s of %s: %d at %s", i.cache.process.name, i.kind.Kind, i.cache.server.name, len(resp.Items), resp.ResourceVersion)
	seen := map[types.NamespacedName]bool{}
	for _, obj := range resp.Items {
		seen[types.NamespacedName{Namespace: obj.GetNamespace(), Name: obj.GetName()}] = true
		i.take(watch.Event{Type: watch.Modified, Object: obj}, !i.synced)
	}
	for _, key := range i.keys() {
		if !seen[key] {
			i.take(watch.Event{Type: watch.Deleted, Object: i.store[key]}, false)
		}
	}
	i.synced = true
	return resp.ResourceVersion, nil
}

func (i *simInformer) keys() []types.NamespacedName {
	keys := make([]types.NamespacedName, 0, len(i.store))
	for key := range i.store {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b types.NamespacedName) int { return strings.Compare(a.String(), b.String()) })
	return keys
}

// watch takes in events until the connection breaks or the server no longer
// remembers.
func (i *simInformer) watch(version string) error {
	s, server := i.cache.process.world.scheduler, i.cache.server
	for {
		serial, err := strconv.ParseInt(version, 10, 64)
		if err != nil {
			return err
		}
		broken := func() bool {
			return i.ended() || server.away(i.cache.process) != nil || i.lied || server.lies(i.cache.process)
		}
		s.park(func() bool { return server.Serial() != serial || broken() }, nil)
		if broken() {
			return fmt.Errorf("watch of %s: connection lost", i.kind.Kind)
		}
		if err := server.mapped(i.kind); err != nil {
			return err
		}
		if s.chance(40) {
			s.pause(s.between(0, 5*time.Second)) // a cache that is far behind
		}
		events, seen, err := server.Since(i.kind, i.cache.selector, version, 1+s.dice.IntN(4))
		if err != nil {
			return err
		}
		version = seen
		for _, e := range events {
			i.take(e, false)
		}
	}
}

// take stores an event and tells the handlers.
func (i *simInformer) take(e watch.Event, initial bool) {
	obj := e.Object.(*unstructured.Unstructured)
	key := types.NamespacedName{Namespace: obj.GetNamespace(), Name: obj.GetName()}
	before := i.store[key]
	if before != nil && !reflect.DeepEqual(before.Object, i.asCame[key]) {
		i.cache.process.world.checker.violate(5, "%s changed %s %s in its cache, which all read", i.cache.process.name, i.kind.Kind, key)
	}
	if e.Type == watch.Deleted {
		if before == nil {
			return
		}
		delete(i.store, key)
		delete(i.asCame, key)
		for _, h := range i.handlers {
			h.OnDelete(obj)
		}
		return
	}
	obj = obj.DeepCopy()
	if i.cache.strip != nil {
		stripped, err := i.cache.strip(obj)
		if err != nil {
			panic(err)
		}
		obj = stripped.(*unstructured.Unstructured)
	}
	i.store[key], i.asCame[key] = obj, runtime.DeepCopyJSON(obj.Object)
	for _, h := range i.handlers {
		if before == nil {
			h.OnAdd(obj, initial)
		} else if before.GetResourceVersion() != obj.GetResourceVersion() {
			h.OnUpdate(before, obj)
		}
	}
}

// AddEventHandler implements cache.Informer.
func (i *simInformer) AddEventHandler(h toolscache.ResourceEventHandler) (toolscache.ResourceEventHandlerRegistration, error) {
	i.handlers = append(i.handlers, h)
	for _, key := range i.keys() {
		h.OnAdd(i.store[key], true)
	}
	return nil, nil
}

// HasSynced implements cache.Informer.
func (i *simInformer) HasSynced() bool { return i.synced }

// Get implements client.Reader; the object is shared, as it is in production.
func (c *simCache) Get(_ context.Context, key client.ObjectKey, obj client.Object, _ ...client.GetOption) error {
	u := obj.(*unstructured.Unstructured)
	kind := u.GroupVersionKind()
	i, ok := c.informers[kind]
	if !ok {
		return &cache.ErrResourceNotCached{GVK: kind}
	}
	stored, ok := i.store[key]
	if !ok {
		return apierrors.NewNotFound(schema.GroupResource{Group: kind.Group, Resource: kind.Kind}, key.Name)
	}
	u.Object = stored.Object
	return nil
}

// List implements client.Reader; the objects are shared.
func (c *simCache) List(_ context.Context, list client.ObjectList, opts ...client.ListOption) error {
	o := (&client.ListOptions{}).ApplyOptions(opts)
	l := list.(*unstructured.UnstructuredList)
	kind := l.GroupVersionKind()
	kind.Kind = strings.TrimSuffix(kind.Kind, "List")
	i, ok := c.informers[kind]
	if !ok {
		return &cache.ErrResourceNotCached{GVK: kind}
	}
	for _, key := range i.keys() {
		obj := i.store[key]
		if (o.Namespace == "" || key.Namespace == o.Namespace) && (o.LabelSelector == nil || o.LabelSelector.Matches(labels.Set(obj.GetLabels()))) {
			l.Items = append(l.Items, *obj)
		}
	}
	return nil
}

// mapped says whether a server serves a kind.
func (s *simServer) mapped(kind schema.GroupVersionKind) error {
	if s.Serves(kind) {
		return nil
	}
	return &meta.NoKindMatchError{GroupKind: kind.GroupKind(), SearchedVersions: []string{kind.Version}}
}
