package syncer

import (
	"context"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/transform"
)

// births tells of objects that stand on a cluster, of their metadata alone. Nothing
// is kept: a cluster may hold a hundred thousand that are not ours.
type births interface {
	// list calls each for every object, a page at a time, and returns the version
	// from which to watch.
	list(ctx context.Context, q bornQuery, each func(metav1.Object)) (version string, err error)
	// watch calls each for every change after a version, until the connection ends,
	// and returns the version to go on from.
	watch(ctx context.Context, q bornQuery, each func(obj metav1.Object, gone bool)) (version string, err error)
}

// bornQuery says what is told of.
type bornQuery struct {
	kind      schema.GroupVersionKind
	selector  labels.Selector // nil: all
	namespace string          // empty: all
	version   string          // of a watch
}

func (q bornQuery) options() metav1.ListOptions {
	o := metav1.ListOptions{}
	if q.selector != nil {
		o.LabelSelector = q.selector.String()
	}
	return o
}

const (
	// bornPage is how many objects are read at once.
	bornPage = 500
	// bornWatch is how long a watch lasts until it is begun anew, from where it was.
	bornWatch = 8 * time.Minute
)

// metadataBirths asks a real cluster.
type metadataBirths struct {
	client metadata.Interface
	mapper meta.RESTMapper
}

var _ births = metadataBirths{}

func newBirths(cfg *rest.Config, mapper meta.RESTMapper) (births, error) {
	c, err := metadata.NewForConfig(metadata.ConfigFor(cfg))
	if err != nil {
		return nil, err
	}
	return metadataBirths{c, mapper}, nil
}

func (b metadataBirths) of(q bornQuery) (metadata.ResourceInterface, error) {
	mapping, err := b.mapper.RESTMapping(q.kind.GroupKind(), q.kind.Version)
	if err != nil {
		return nil, err
	}
	if q.namespace == "" {
		return b.client.Resource(mapping.Resource), nil
	}
	return b.client.Resource(mapping.Resource).Namespace(q.namespace), nil
}

func (b metadataBirths) list(ctx context.Context, q bornQuery, each func(metav1.Object)) (string, error) {
	resource, err := b.of(q)
	if err != nil {
		return "", err
	}
	opts := q.options()
	opts.Limit = bornPage
	page := func() (*metav1.PartialObjectMetadataList, error) {
		ctx, cancel := context.WithTimeout(ctx, 2*requestTimeout)
		defer cancel()
		return resource.List(ctx, opts)
	}
	for {
		list, err := page()
		if err != nil {
			return "", err
		}
		for i := range list.Items {
			each(&list.Items[i])
		}
		if opts.Continue = list.Continue; opts.Continue == "" {
			return list.ResourceVersion, nil
		}
	}
}

func (b metadataBirths) watch(ctx context.Context, q bornQuery, each func(metav1.Object, bool)) (string, error) {
	resource, err := b.of(q)
	if err != nil {
		return q.version, err
	}
	opts := q.options()
	opts.ResourceVersion, opts.AllowWatchBookmarks = q.version, true
	opts.TimeoutSeconds = new(int64(bornWatch / time.Second))
	events, err := resource.Watch(ctx, opts)
	if err != nil {
		return q.version, err
	}
	defer events.Stop()
	version := q.version
	for e := range events.ResultChan() {
		if e.Type == watch.Error {
			return version, apierrors.FromObject(e.Object)
		}
		obj, err := meta.Accessor(e.Object)
		if err != nil {
			return version, err
		}
		version = obj.GetResourceVersion()
		if e.Type != watch.Bookmark {
			each(obj, e.Type == watch.Deleted)
		}
	}
	return version, ctx.Err()
}

// nursery knows by name what was born, of a kind, in the namespaces of a cluster
// that are ours.
type nursery struct {
	mu    sync.Mutex
	epoch int // of the last list
	born  map[string]*brood
}

// brood is what was born in a namespace of the cluster: by name, the list that each
// was last in.
type brood struct {
	of    namespaceKey // the namespace of a workspace that it would be shown in
	names map[string]int
}

func newNursery() *nursery { return &nursery{born: map[string]*brood{}} }

func (n *nursery) holds(at types.NamespacedName) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	b, ok := n.born[at.Namespace]
	if ok {
		_, ok = b.names[at.Name]
	}
	return ok
}

// add takes in an object.
func (n *nursery) add(obj metav1.Object, of namespaceKey) {
	n.mu.Lock()
	defer n.mu.Unlock()
	b, ok := n.born[obj.GetNamespace()]
	if !ok || b.of != of {
		b = &brood{of: of, names: map[string]int{}}
		n.born[obj.GetNamespace()] = b
	}
	b.names[obj.GetName()] = n.epoch
}

// remove forgets an object, and says where it would have been shown.
func (n *nursery) remove(at types.NamespacedName) (of namespaceKey, known bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	b, ok := n.born[at.Namespace]
	if !ok {
		return of, false
	}
	_, known = b.names[at.Name]
	if delete(b.names, at.Name); len(b.names) == 0 {
		delete(n.born, at.Namespace)
	}
	return b.of, known
}

// begin begins a list.
func (n *nursery) begin() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.epoch++
}

// sweep forgets what the last list did not have.
func (n *nursery) sweep(each func(of namespaceKey, name string)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for namespace, b := range n.born {
		for name, epoch := range b.names {
			if epoch != n.epoch {
				delete(b.names, name)
				each(b.of, name)
			}
		}
		if len(b.names) == 0 {
			delete(n.born, namespace)
		}
	}
}

// all calls each for what is to be shown in a workspace, or, with a namespace, in that.
func (n *nursery) all(ws multicluster.ClusterName, namespace string, each func(of namespaceKey, name string)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	tell := func(b *brood) {
		for name := range b.names {
			each(b.of, name)
		}
	}
	if b, ok := n.born[namespace]; ok && b.of.workspace == ws {
		tell(b)
		return
	}
	for _, b := range n.born {
		if namespace == "" && b.of.workspace == ws {
			tell(b)
		}
	}
}

// followBorn watches what may be shown upstream: one watch for each kind.
func (l *lane) followBorn(ctx context.Context) {
	for _, rule := range l.loop.opts.upsync {
		l.loop.world.spawn(func() { l.followBornOf(ctx, rule) })
	}
}

func (l *lane) followBornOf(ctx context.Context, rule *upsyncRule) {
	// What namespace an object is in has to be known before it is looked at.
	if !l.loop.world.await(ctx, func() bool { return l.ready(namespaceKind) }) {
		return
	}
	version, wait := "", time.Second
	for {
		var err error
		if version == "" {
			version, err = l.listBorn(ctx, rule)
		}
		if err == nil {
			wait = time.Second
			version, err = l.births.watch(ctx, bornQuery{kind: rule.kind, selector: rule.selector(l.loop.installation), version: version},
				func(obj metav1.Object, gone bool) { l.bornChanged(rule, obj, gone) })
		}
		if apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
			version = "" // what changed meanwhile is not told any more
			continue
		}
		if err != nil {
			l.logger.V(1).Info("What is born on the cluster can't be watched now", "kind", rule.kind.String(), "error", err.Error())
		}
		if !l.loop.world.sleep(ctx, wait) {
			return
		}
		wait = min(2*wait, time.Minute)
	}
}

// listBorn reads what there is, and finds out what is there no more.
func (l *lane) listBorn(ctx context.Context, rule *upsyncRule) (string, error) {
	n := l.nurseries[rule.kind]
	n.begin()
	version, err := l.births.list(ctx, bornQuery{kind: rule.kind, selector: rule.selector(l.loop.installation)}, func(obj metav1.Object) { l.took(rule, obj, rankBulk) })
	if err != nil {
		return "", err
	}
	n.sweep(func(of namespaceKey, name string) { l.queue.Add(bornErrand(rule.kind, of, name)) })
	l.loop.overseeKind(rule.kind) // its source may have gone while nobody was there to see it
	return version, nil
}

func bornErrand(kind schema.GroupVersionKind, of namespaceKey, name string) errand {
	return errand{born: true, key: Key{Kind: kind, Workspace: of.workspace, Namespace: of.namespace, Name: name}}
}

// bornChanged takes in a change of an object.
func (l *lane) bornChanged(rule *upsyncRule, obj metav1.Object, gone bool) {
	if !gone {
		l.took(rule, obj, rankPrompt)
		return
	}
	if of, known := l.nurseries[rule.kind].remove(types.NamespacedName{Namespace: obj.GetNamespace(), Name: obj.GetName()}); known {
		l.queue.Add(bornErrand(rule.kind, of, obj.GetName()))
	}
}

// took takes in an object, if it stands in a namespace of ours, and has it looked
// at. Events are never urgent.
func (l *lane) took(rule *upsyncRule, obj metav1.Object, r rank) {
	of, ok := l.namespaceOf(obj.GetNamespace())
	if !ok {
		return
	}
	l.nurseries[rule.kind].add(obj, of)
	if isEvent(rule.kind) {
		r = rankBulk
	}
	addAs(l.queue, bornErrand(rule.kind, of, obj.GetName()), r)
}

// namespaceOf returns the namespace of a workspace whose copies stand in a namespace
// of the cluster; false if it is not ours.
func (l *lane) namespaceOf(name string) (namespaceKey, bool) {
	ns := &unstructured.Unstructured{}
	ns.SetGroupVersionKind(namespaceKind)
	if l.cached.Get(context.Background(), client.ObjectKey{Name: name}, ns) != nil {
		return namespaceKey{}, false
	}
	marks, ok := transform.ReadMarks(ns)
	if !ok || marks.Namespace != "" || marks.Installation != l.loop.installation {
		return namespaceKey{}, false
	}
	return namespaceKey{multicluster.ClusterName(marks.LogicalCluster), marks.Name}, true
}

// lookAroundLater has all looked at that was born in a namespace which became ours,
// or became known as such, only now.
func (l *lane) lookAroundLater(namespace string) {
	if len(l.nurseries) == 0 {
		return
	}
	if of, ok := l.namespaceOf(namespace); ok {
		for _, rule := range l.loop.opts.upsync {
			l.queue.Add(bornErrand(rule.kind, of, ""))
		}
	}
}

// lookAround reads what was born in a namespace.
func (l *lane) lookAround(ctx context.Context, key Key) (again bool) {
	rule := l.loop.shownRule(key.Kind)
	namespace := l.loop.pipeline.Namespace(key.origin("")).GetName()
	_, err := l.births.list(ctx, bornQuery{kind: key.Kind, selector: rule.selector(l.loop.installation), namespace: namespace},
		func(obj metav1.Object) { l.took(rule, obj, rankPrompt) })
	return err != nil && !meta.IsNoMatchError(err)
}

// queueBornIn has all looked at that is to be shown in a workspace.
func (l *lane) queueBornIn(ws multicluster.ClusterName) {
	for _, rule := range l.loop.opts.upsync {
		l.nurseries[rule.kind].all(ws, "", func(of namespaceKey, name string) {
			addAs(l.queue, bornErrand(rule.kind, of, name), rankBulk)
		})
	}
}

// queueBornBeside has what stands beside a copy looked at, as that comes or goes:
// one that is adopted or orphaned has what belongs to it already.
func (l *lane) queueBornBeside(copied *unstructured.Unstructured) {
	if len(l.nurseries) == 0 || copied.GetNamespace() == "" {
		return
	}
	of, ok := l.namespaceOf(copied.GetNamespace())
	if !ok {
		return
	}
	for _, rule := range l.loop.opts.upsync {
		if rule.belonging {
			l.nurseries[rule.kind].all(of.workspace, copied.GetNamespace(), func(of namespaceKey, name string) {
				addAs(l.queue, bornErrand(rule.kind, of, name), rankBulk)
			})
		}
	}
}
