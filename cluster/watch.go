package cluster

import (
	"context"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// nodeItem is all that is kept of a node while a list of them is read.
type nodeItem struct {
	metav1.ObjectMeta

	allocatable          Resources
	ready, unschedulable bool
	kind                 nodeKind
}

// podItem is all that is kept of a pod while a list of them is read.
type podItem struct {
	metav1.ObjectMeta

	node     string
	requests Resources
	ended    bool
}

func stripNode(n *corev1.Node) *nodeItem {
	item := &nodeItem{
		ObjectMeta:    metav1.ObjectMeta{Name: n.Name, UID: n.UID, ResourceVersion: n.ResourceVersion},
		allocatable:   ResourcesOf(n.Status.Allocatable),
		unschedulable: n.Spec.Unschedulable,
		kind:          nodeKindOf(n),
	}
	for i := range n.Status.Conditions {
		if c := &n.Status.Conditions[i]; c.Type == corev1.NodeReady {
			item.ready = c.Status == corev1.ConditionTrue
		}
	}
	return item
}

func stripPod(p *corev1.Pod) *podItem {
	return &podItem{
		ObjectMeta: metav1.ObjectMeta{Name: p.Name, Namespace: p.Namespace, UID: p.UID, ResourceVersion: p.ResourceVersion},
		node:       p.Spec.NodeName,
		requests:   RequestsOf(p),
		ended:      p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed,
	}
}

// strip is the transform of both reflectors: lists are stripped object by
// object, as they are read.
func strip(obj any) (any, error) {
	switch o := obj.(type) {
	case *corev1.Node:
		return stripNode(o), nil
	case *corev1.Pod:
		return stripPod(o), nil
	}
	return obj, nil
}

// usageStore is where a reflector puts what it reads: into sums, not into a
// cache of objects.
type usageStore struct {
	usage   *usage
	changed func()
}

var _, _ cache.TransformingStore = nodeStore{}, podStore{}

// Transformer implements cache.TransformingStore.
func (usageStore) Transformer() cache.TransformFunc { return strip }

// Add implements cache.ReflectorStore.
func (s usageStore) Add(obj any) error {
	obj, _ = strip(obj)
	switch o := obj.(type) {
	case *nodeItem:
		s.usage.setNode(o)
	case *podItem:
		s.usage.setPod(o)
	}
	s.changed()
	return nil
}

// Update implements cache.ReflectorStore.
func (s usageStore) Update(obj any) error { return s.Add(obj) }

// Delete implements cache.ReflectorStore.
func (s usageStore) Delete(obj any) error {
	obj, _ = strip(obj)
	switch o := obj.(type) {
	case *nodeItem:
		s.usage.removeNode(o.Name)
	case *podItem:
		s.usage.removePod(o.UID)
	}
	s.changed()
	return nil
}

// Resync implements cache.ReflectorStore.
func (usageStore) Resync() error { return nil }

type nodeStore struct{ usageStore }

// Replace implements cache.ReflectorStore.
func (s nodeStore) Replace(list []any, _ string) error {
	items := make([]*nodeItem, 0, len(list))
	for _, obj := range list {
		if n, ok := stripped[*nodeItem](obj); ok {
			items = append(items, n)
		}
	}
	s.usage.replaceNodes(items)
	s.changed()
	return nil
}

type podStore struct{ usageStore }

// Replace implements cache.ReflectorStore.
func (s podStore) Replace(list []any, _ string) error {
	items := make([]*podItem, 0, len(list))
	for _, obj := range list {
		if p, ok := stripped[*podItem](obj); ok {
			items = append(items, p)
		}
	}
	s.usage.replacePods(items)
	s.changed()
	return nil
}

func stripped[T any](obj any) (T, bool) {
	obj, _ = strip(obj)
	t, ok := obj.(T)
	return t, ok
}

// watchCapacity keeps usage up to date until ctx is done. It calls changed
// after each event, and failed when a list or watch fails. A beat of back says
// that it is worth trying again at once.
func watchCapacity(ctx context.Context, conn *Connection, u *usage, back *pulse, changed func(), failed func(error)) error {
	cfg := rest.CopyConfig(conn.Config)
	cfg.APIPath = "/api"
	cfg.GroupVersion = &corev1.SchemeGroupVersion
	cfg.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	cfg.ContentType = runtime.ContentTypeProtobuf
	cfg.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	client, err := rest.RESTClientForConfigAndClient(cfg, conn.HTTPClient)
	if err != nil {
		return err
	}
	store := usageStore{usage: u, changed: changed}
	running := fields.ParseSelectorOrDie("status.phase!=" + string(corev1.PodSucceeded) + ",status.phase!=" + string(corev1.PodFailed))
	pods := newReflector(cache.NewListWatchFromClient(client, "pods", metav1.NamespaceAll, running), &corev1.Pod{}, podStore{store})
	nodes := newReflector(cache.NewListWatchFromClient(client, "nodes", metav1.NamespaceAll, fields.Everything()), &corev1.Node{}, nodeStore{store})
	done := make(chan struct{})
	go func() {
		defer close(done)
		keepReading(ctx, nodes, back, failed)
	}()
	keepReading(ctx, pods, back, failed)
	<-done
	return nil
}

func newReflector(lw cache.ListerWatcher, of runtime.Object, store cache.ReflectorStore) *cache.Reflector {
	// Errors are ours to judge: an unreachable cluster fails all the time.
	quiet := logr.Discard()
	return cache.NewReflectorWithOptions(lw, of, store, cache.ReflectorOptions{Name: "tmc-fleet", Logger: &quiet})
}

// keepReading lists and watches again and again, ever more slowly while it
// fails and nobody says that the cluster is back.
func keepReading(ctx context.Context, r *cache.Reflector, back *pulse, failed func(error)) {
	const first, last = time.Second, 30 * time.Second
	for pause := first; ctx.Err() == nil; pause = min(2*pause, last) {
		start := time.Now()
		beat := back.next()
		if err := r.ListAndWatchWithContext(ctx); err != nil && ctx.Err() == nil {
			failed(err)
		}
		if time.Since(start) > last {
			pause = first
		}
		timer := time.NewTimer(jitter(pause))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-beat:
			pause = first
		}
		timer.Stop()
	}
}
