package syncer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/transform"
)

// LabelUpsync with the id of the installation as its value on an object that
// was born on a physical cluster asks for it to be shown upstream. On the
// object that is shown, it says who shows it.
const LabelUpsync = "tmc-sdk.dev/upsync"

// AnnotationSource on an object that is shown upstream names the cluster that
// it was born on, and its UID there.
const AnnotationSource = "tmc-sdk.dev/source"

// Upsync shows, in workspaces, objects that were born on physical clusters: a
// Secret that an operator made there, say. Shown is what stands in a namespace
// of copies, is of one of these kinds and bears LabelUpsync; only such objects
// are watched. It appears in the workspace's namespace under its name, without
// the cluster's metadata, is kept as its source is, is never synced down, and
// leaves when its source is proven to be gone. Where an object of that name
// exists already, nothing is written, and an event there says so.
//
// The workspaces have to serve the kinds, and to accept a claim for writing
// them. None by default: what a cluster holds comes up only by choice.
func Upsync(kinds ...schema.GroupVersionKind) Option {
	return func(o *options) { o.upsync = append(o.upsync, kinds...) }
}

// isShown says whether an object of a workspace is shown there by upsync.
func isShown(obj *unstructured.Unstructured) bool {
	label, _ := at(obj.Object, "metadata", "labels")[LabelUpsync].(string)
	source, _ := at(obj.Object, "metadata", "annotations")[AnnotationSource].(string)
	return label != "" && source != ""
}

// sourceOf returns where an object that is shown was born.
func sourceOf(shown *unstructured.Unstructured) (cluster, uid string) {
	cluster, uid, _ = strings.Cut(shown.GetAnnotations()[AnnotationSource], "/")
	return cluster, uid
}

// show renders what appears in a workspace of an object on a cluster: its
// content, and of its metadata the labels and annotations that are its own.
func show(source *unstructured.Unstructured, cluster, installation, namespace string) *unstructured.Unstructured {
	shown := &unstructured.Unstructured{Object: maps.Clone(source.Object)}
	shown.Object["metadata"] = map[string]any{}
	shown.SetName(source.GetName())
	shown.SetNamespace(namespace)
	own := func(all map[string]string) map[string]string {
		kept := map[string]string{}
		for k, v := range all {
			if !strings.Contains(k, "tmc-sdk.dev/") && !strings.Contains(k, "kcp.io/") && !strings.HasPrefix(k, "kubectl.kubernetes.io/") {
				kept[k] = v
			}
		}
		return kept
	}
	l, a := own(source.GetLabels()), own(source.GetAnnotations())
	l[LabelUpsync] = installation
	a[AnnotationSource] = cluster + "/" + string(source.GetUID())
	shown.SetLabels(l)
	shown.SetAnnotations(a)
	return shown
}

// followBorn watches what is to be shown upstream.
func (l *lane) followBorn(ctx context.Context) {
	for _, kind := range l.loop.opts.upsync {
		l.loop.world.spawn(func() { l.followBornOf(ctx, kind) })
	}
	l.loop.world.spawn(func() {
		if err := l.born.Start(ctx); err != nil {
			l.logger.Error(err, "Cache of what is born on the cluster stopped")
		}
	})
}

func (l *lane) followBornOf(ctx context.Context, kind schema.GroupVersionKind) {
	obj := &unstructured.Unstructured{}
	obj.SetGroupVersionKind(kind)
	informer, err := l.born.GetInformer(ctx, obj, cache.BlockUntilSynced(false))
	for ; err != nil; informer, err = l.born.GetInformer(ctx, obj, cache.BlockUntilSynced(false)) {
		if !l.loop.world.sleep(ctx, requestTimeout) {
			return
		}
	}
	// What namespace an object is in has to be known before it is looked at.
	if !l.loop.world.await(ctx, func() bool { return informer.HasSynced() && l.ready(namespaceKind) }) {
		return
	}
	tell := func(obj any) {
		if tombstone, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
			obj = tombstone.Obj
		}
		if u, ok := obj.(*unstructured.Unstructured); ok {
			l.queueBorn(ctx, kind, u.GetNamespace(), u.GetName())
		}
	}
	if _, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: tell, UpdateFunc: func(_, obj any) { tell(obj) }, DeleteFunc: tell,
	}); err != nil {
		l.logger.Error(err, "Failed to watch what is born on the cluster", "kind", kind.String())
		return
	}
	l.queueShown(ctx, kind)
}

// shownChanged has the cluster that an object was born on look at what a
// workspace shows of it; false if the object is no such thing.
func (l *Loop) shownChanged(key Key, obj *unstructured.Unstructured) bool {
	if !isShown(obj) || !slices.Contains(l.opts.upsync, key.Kind) {
		return false
	}
	cluster, _ := sourceOf(obj)
	if lane := l.lane(cluster); lane != nil {
		lane.queue.Add(errand{born: true, key: key})
	}
	return true
}

// queueBorn asks for an object in a namespace of ours to be looked at.
func (l *lane) queueBorn(ctx context.Context, kind schema.GroupVersionKind, namespace, name string) {
	ns := &unstructured.Unstructured{}
	ns.SetGroupVersionKind(namespaceKind)
	if l.cached.Get(ctx, client.ObjectKey{Name: namespace}, ns) != nil {
		return // not ours
	}
	if marks, ok := transform.ReadMarks(ns); ok && marks.Namespace == "" {
		l.queue.Add(errand{born: true, key: Key{Kind: kind, Workspace: multicluster.ClusterName(marks.LogicalCluster), Namespace: marks.Name, Name: name}})
	}
}

// queueShown asks for everything to be looked at that workspaces show of this
// cluster: its source may have gone while nobody was there to see it.
func (l *lane) queueShown(ctx context.Context, kind schema.GroupVersionKind) {
	for _, ns := range l.loop.namespacesOn(l.name) {
		ws, err := l.loop.workspace(ctx, ns.workspace)
		if err != nil {
			continue
		}
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		if ws.List(ctx, list, client.InNamespace(ns.namespace), client.MatchingLabels{LabelUpsync: l.loop.installation}) != nil {
			continue
		}
		for i := range list.Items {
			if cluster, _ := sourceOf(&list.Items[i]); cluster == l.name {
				l.queue.Add(errand{born: true, key: keyFor(ns.workspace, &list.Items[i])})
			}
		}
	}
}

// showUpstream makes the workspace show an object of the cluster, or no longer.
func (l *lane) showUpstream(ctx context.Context, key Key) (again bool) {
	if l.loop.suspension(l.name, nil) != "" {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, 4*requestTimeout)
	defer cancel()
	ws, err := l.loop.workspace(ctx, key.Workspace)
	if err != nil {
		return true
	}
	shown := &unstructured.Unstructured{}
	shown.SetGroupVersionKind(key.Kind)
	err = ws.Get(ctx, key.object(), shown)
	if err != nil && !isGone(err) {
		return true
	}
	if isGone(err) {
		shown = nil
	}
	source, err := l.sourceFor(ctx, key)
	switch {
	case err != nil:
	case source == nil || source.GetDeletionTimestamp() != nil:
		err = l.unshow(ctx, ws, shown)
	default:
		err = l.keepShown(ctx, ws, key, source, shown)
	}
	if err != nil {
		l.logger.V(1).Info("Object is not shown upstream as it is", "key", key.String(), "error", err.Error())
	}
	return err != nil
}

// sourceFor reads, live, what is to be shown: nil for none.
func (l *lane) sourceFor(ctx context.Context, key Key) (*unstructured.Unstructured, error) {
	at := l.loop.locate(Key{Kind: key.Kind, Workspace: key.Workspace, Namespace: key.Namespace, Name: key.Name})
	at.Name = key.Name
	source := &unstructured.Unstructured{}
	source.SetGroupVersionKind(key.Kind)
	switch err := l.live.Get(ctx, at, source); {
	case isGone(err):
		return nil, nil
	case err != nil:
		return nil, err
	}
	if source.GetLabels()[LabelUpsync] != l.loop.installation || transform.HasMarks(source) {
		return nil, nil // no longer by choice; a copy never comes back up
	}
	return source, nil
}

func (l *lane) keepShown(ctx context.Context, ws client.Client, key Key, source, shown *unstructured.Unstructured) error {
	want := show(source, l.name, l.loop.installation, key.Namespace)
	if shown == nil {
		err := ws.Create(ctx, want.DeepCopy(), client.FieldOwner(l.loop.manager))
		l.loop.metrics.wroteUpstream("upsync", err)
		if err != nil {
			return err
		}
		return errShownJustNow // its status comes with the next look
	}
	if cluster, _ := sourceOf(shown); !isShown(shown) || cluster != l.name {
		l.loop.tellOnce(ctx, key, shown, &RefusalError{Reason: ReasonConflict, Cluster: l.name, Message: fmt.Sprintf(
			"%s %q is also made on the cluster, and can't be shown here under this name: rename one of the two", key.Kind.Kind, key.Name)})
		return nil
	}
	status := want.Object["status"]
	delete(want.Object, "status")
	if drifted(want.Object, shown.Object) {
		update := want.DeepCopy()
		update.SetUID(shown.GetUID())
		update.SetResourceVersion(shown.GetResourceVersion())
		err := ws.Update(ctx, update, client.FieldOwner(l.loop.manager))
		l.loop.metrics.wroteUpstream("upsync", err)
		if err != nil {
			return err
		}
		shown = update
	}
	if status == nil || !drifted(status, shown.Object["status"]) {
		return nil
	}
	update := shown.DeepCopy()
	update.Object["status"] = status
	err := ws.Status().Update(ctx, update, client.FieldOwner(l.loop.manager))
	l.loop.metrics.wroteUpstream("upsync", err)
	if apierrors.IsNotFound(err) {
		return nil // the kind has no status of its own
	}
	return err
}

// errShownJustNow asks for another look.
var errShownJustNow = errors.New("shown just now")

// unshow deletes what is shown of a source that is gone.
func (l *lane) unshow(ctx context.Context, ws client.Client, shown *unstructured.Unstructured) error {
	if shown == nil || !isShown(shown) || shown.GetLabels()[LabelUpsync] != l.loop.installation {
		return nil
	}
	if cluster, _ := sourceOf(shown); cluster != l.name {
		return nil
	}
	uid := shown.GetUID()
	err := client.IgnoreNotFound(ws.Delete(ctx, shown, client.Preconditions{UID: &uid}))
	l.loop.metrics.wroteUpstream("upsync", err)
	return err
}

// upsyncSelector selects what is to be shown.
func (l *Loop) upsyncSelector() labels.Selector {
	return labels.SelectorFromSet(labels.Set{LabelUpsync: l.installation})
}
