package syncer

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/transform"
)

// ensureNamespace makes the namespace that a copy goes to, unless it is there
// and ours. A namespace of somebody else is a conflict.
func (l *lane) ensureNamespace(ctx context.Context, key Key) error {
	rendered := l.loop.pipeline.Namespace(key.origin(""))
	there := &unstructured.Unstructured{}
	there.SetGroupVersionKind(namespaceKind)
	if l.ready(namespaceKind) {
		err := l.cached.Get(ctx, client.ObjectKeyFromObject(rendered), there)
		if err == nil && there.GetDeletionTimestamp() == nil && l.isNamespaceOf(there, key) {
			return nil
		}
	}
	l.loop.world.lock(&l.naming)
	defer l.naming.Unlock()
	if l.loop.world.now().Sub(l.made[rendered.GetName()]) < requestTimeout {
		return nil // the cache does not show it yet
	}
	made, err := l.write(ctx, rendered, onlyIf{absent: true})
	var uid types.UID
	if made != nil {
		uid = made.GetUID()
	}
	l.auditNamespace(ctx, key.namespace(), ActionCreated, CausePlaced, rendered.GetName(), uid, err)
	if err == nil {
		l.made[rendered.GetName()] = l.loop.world.now()
		delete(l.furnished, rendered.GetName())
	}
	if !apierrors.IsConflict(err) {
		return err
	}
	if err := l.live.Get(ctx, client.ObjectKeyFromObject(rendered), there); err != nil {
		return err
	}
	if !l.isNamespaceOf(there, key) {
		return &RefusalError{Reason: ReasonConflict, Cluster: l.name, Message: fmt.Sprintf(
			"namespace %q exists on the cluster and is not ours; it is not touched: have the platform team delete or rename it", there.GetName())}
	}
	if there.GetDeletionTimestamp() != nil {
		return &RefusalError{Reason: ReasonApplyFailed, Cluster: l.name, Message: "the namespace of the copy is still terminating on the cluster; it is made anew when it is gone"}
	}
	return nil
}

// isNamespaceOf says whether a namespace on the cluster is the one that we made
// for the originals of a namespace.
func (l *lane) isNamespaceOf(there *unstructured.Unstructured, key Key) bool {
	marks, ok := transform.ReadMarks(there)
	return ok && marks.Installation == l.loop.installation &&
		marks.LogicalCluster == string(key.Workspace) && marks.Name == key.Namespace
}

// queueTidy looks, in a while, whether the namespace of a copy that went can
// go, too.
func (l *lane) queueTidy(key Key) {
	if key.Namespace != "" {
		l.queue.AddAfter(errand{key: Key{Workspace: key.Workspace, Namespace: key.Namespace}, tidy: true}, l.loop.opts.tidyAfter)
	}
}

// namespaceCame looks, in a while, whether a namespace that appeared is needed:
// one that was made by a write which came late may never be.
func (l *lane) namespaceCame(obj any, initial bool) {
	if u, ok := obj.(*unstructured.Unstructured); ok && !initial {
		l.queueTidyOf(u)
		l.lookAroundLater(u.GetName())
	}
}

func (l *lane) queueTidyOf(ns *unstructured.Unstructured) {
	if marks, ok := transform.ReadMarks(ns); ok && marks.Namespace == "" {
		l.queueTidy(Key{Workspace: multicluster.ClusterName(marks.LogicalCluster), Namespace: marks.Name})
	}
}

// tidyAll looks at all namespaces that are ours: the last copy of one may have
// gone while nobody was there to see to it.
func (l *lane) tidyAll(ctx context.Context) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(namespaceKind.GroupVersion().WithKind("NamespaceList"))
	if l.cached.List(ctx, list) != nil {
		return // the lane is closing
	}
	for i := range list.Items {
		l.queueTidyOf(&list.Items[i])
	}
}

// tidy deletes a namespace that is ours and empty. It returns whether to look
// again: what copies left behind may still be going.
func (l *lane) tidy(ctx context.Context, ns namespaceKey) (again bool) {
	if l.loop.suspension(l.name, nil) != "" || l.loop.lacksKinds() || !l.covers(ns.workspace) {
		return false // what ends that looks again, or the replica whose it is
	}
	ctx, cancel := context.WithTimeout(ctx, 4*requestTimeout)
	defer cancel()
	key := Key{Workspace: ns.workspace, Namespace: ns.namespace}
	there := l.loop.pipeline.Namespace(key.origin(""))
	name := there.GetName()
	if needed, err := l.namespaceNeeded(ctx, l.cached, name); needed || err != nil {
		return err != nil || l.furnish(ctx, key, name) != nil
	}
	if !l.loop.tends(ctx, ns.workspace) {
		return true // another replica may be about to make a copy in it
	}
	if l.awaited(ns) {
		return false // what is refused is tried again: the namespace would come and go
	}
	if err := l.live.Get(ctx, client.ObjectKeyFromObject(there), there); err != nil {
		return !isGone(err)
	}
	if !l.isNamespaceOf(there, key) || there.GetDeletionTimestamp() != nil {
		return false
	}
	empty, err := l.isEmpty(ctx, name)
	switch {
	case apierrors.IsForbidden(err):
		l.logger.Info("A namespace without copies stays, because it can't be seen whether it is empty: allow access.TidyRules", "namespace", name, "error", err.Error())
		return false
	case err != nil || !empty:
		return true
	}
	// No copy is made while it is looked at for the last time and deleted.
	l.loop.world.lock(&l.making)
	defer l.making.Unlock()
	if needed, err := l.namespaceNeeded(ctx, l.live, name); needed || err != nil {
		return err != nil
	}
	uid := there.GetUID()
	err = l.live.Delete(ctx, there, client.Preconditions{UID: &uid})
	l.auditNamespace(ctx, ns, ActionDeleted, CauseEmpty, name, uid, err)
	l.loop.world.lock(&l.naming)
	delete(l.made, name)
	delete(l.furnished, name)
	l.naming.Unlock()
	return client.IgnoreNotFound(err) != nil
}

// awaited says whether a copy could not be made in the namespace and is tried
// again.
func (l *lane) awaited(ns namespaceKey) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, o := range l.outcomes {
		if key.namespace() == ns && o.refusal != nil && !o.retiring {
			return true
		}
	}
	return false
}

// namespaceNeeded says whether a copy is in a namespace.
func (l *lane) namespaceNeeded(ctx context.Context, reader client.Reader, name string) (bool, error) {
	for _, kind := range l.loop.kinds() {
		if !l.ready(kind) {
			continue // not served, so there are none
		}
		kind = l.kindOf(kind)
		if namespaced, err := apiutil.IsGVKNamespaced(kind, l.live.RESTMapper()); err != nil || !namespaced {
			if err != nil {
				return false, err
			}
			continue
		}
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		if err := reader.List(ctx, list, client.InNamespace(name), client.MatchingLabelsSelector{Selector: transform.SelectorFor(l.loop.installation)}); err != nil {
			return false, err
		}
		for i := range list.Items {
			if !l.isFurniture(&list.Items[i]) {
				return true, nil
			}
		}
	}
	return false, nil
}

// isEmpty says whether a namespace holds nothing but what Kubernetes itself
// puts into every namespace. All kinds that the cluster serves are looked at:
// what an operator or a person made there must survive.
func (l *lane) isEmpty(ctx context.Context, namespace string) (bool, error) {
	lists, err := l.discovery.ServerPreferredNamespacedResources()
	if err != nil {
		return false, fmt.Errorf("list the kinds of the cluster: %w", err)
	}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return false, fmt.Errorf("list the kinds of the cluster: %w", err)
		}
		for i := range list.APIResources {
			r := &list.APIResources[i]
			if !slices.Contains(r.Verbs, "list") || !slices.Contains(r.Verbs, "delete") || r.Kind == "Event" {
				continue
			}
			empty, err := l.hasNone(ctx, gv.WithKind(r.Kind), namespace)
			if err != nil || !empty {
				return false, err
			}
		}
	}
	return true, nil
}

func (l *lane) hasNone(ctx context.Context, kind schema.GroupVersionKind, namespace string) (bool, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err := l.live.List(ctx, list, client.InNamespace(namespace), client.Limit(8)); err != nil {
		if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
			return true, nil
		}
		return false, fmt.Errorf("list %s: %w", kind.Kind, err)
	}
	for i := range list.Items {
		if !standard(kind.Kind, list.Items[i].Name) && !l.isFurniture(&list.Items[i]) {
			return false, nil
		}
	}
	return true, nil
}

// standard says whether Kubernetes puts an object into every namespace.
func standard(kind, name string) bool {
	return kind == "ConfigMap" && name == "kube-root-ca.crt" || kind == "ServiceAccount" && name == "default"
}
