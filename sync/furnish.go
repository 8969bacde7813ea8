package syncer

import (
	"context"
	"fmt"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/transform"
)

// annotationFurniture tells what stands in a namespace by WithNamespaceObjects:
// it is no copy, and does not keep the namespace.
const annotationFurniture = "tmc-sdk.dev/namespace-object"

// WithNamespaceObjects puts objects into every namespace that the loop makes on
// a physical cluster, before the first copy: a NetworkPolicy, a ResourceQuota, a
// LimitRange (package sync/guard has some). No copy is made where one of them
// can't be.
//
// Render is called with the logical cluster and the namespace of the originals,
// from several goroutines; same input, same objects. They need apiVersion, kind
// and name; the namespace is set. Drift is repaired when the loop connects to
// the cluster and when the namespace is made anew. What render no longer returns
// stays until its namespace goes. Of a cluster in pull mode that is its agent's to
// do: nothing is put into mailboxes. The loop needs the same rights for their kinds
// as for kinds that it syncs.
func WithNamespaceObjects(render func(o transform.Origin) []client.Object) Option {
	return func(o *options) { o.furniture = render }
}

// furnish puts into a namespace what has to be there before a copy.
func (l *lane) furnish(ctx context.Context, key Key, namespace string) error {
	if l.loop.opts.furniture == nil || l.pulls() {
		return nil
	}
	l.loop.world.lock(&l.naming)
	defer l.naming.Unlock()
	if l.furnished[namespace] {
		return nil
	}
	origin := transform.Origin{LogicalCluster: string(key.Workspace), Namespace: key.Namespace}
	for _, obj := range l.loop.opts.furniture(origin) {
		if err := l.putInto(ctx, obj, origin, namespace); err != nil {
			return err
		}
	}
	l.furnished[namespace] = true
	return nil
}

// putInto puts one object into a namespace, unless it is there.
func (l *lane) putInto(ctx context.Context, obj client.Object, origin transform.Origin, namespace string) error {
	rendered, err := l.renderFurniture(obj, origin, namespace)
	if err != nil {
		return &RefusalError{Reason: ReasonTransformFailed, Cluster: l.name, Message: "an object that the platform puts into every namespace: " + err.Error()}
	}
	there := rendered.NewEmptyInstance().(*unstructured.Unstructured)
	there.SetGroupVersionKind(rendered.GroupVersionKind())
	err = l.live.Get(ctx, client.ObjectKeyFromObject(rendered), there)
	switch {
	case apierrors.IsNotFound(err):
		made, err := l.write(ctx, rendered, onlyIf{absent: true})
		l.auditFurniture(ctx, origin, nil, rendered, made, err)
		return err
	case err != nil:
		return err
	case !l.isFurniture(there):
		return l.conflict(there, "")
	case digestOf(there) == digestOf(rendered) && !drifted(rendered.Object, there.Object):
		return nil
	}
	_, err = l.write(ctx, rendered, onlyIf{uid: there.GetUID()})
	l.auditFurniture(ctx, origin, there, rendered, nil, err)
	return err
}

// auditFurniture tells of an object of the platform that was put into a
// namespace; there is nil for one that was made.
func (l *lane) auditFurniture(ctx context.Context, origin transform.Origin, there, rendered, made *unstructured.Unstructured, err error) {
	c := Change{
		Action: ActionCreated, Cause: CausePlaced, Cluster: l.name, Copy: client.ObjectKeyFromObject(rendered), After: digestOf(rendered), Err: err,
		Original: Key{Kind: rendered.GroupVersionKind(), Workspace: multicluster.ClusterName(origin.LogicalCluster), Namespace: origin.Namespace, Name: rendered.GetName()},
	}
	switch {
	case there != nil:
		c.Action, c.Cause, c.Before, c.CopyUID = ActionConfigured, CauseChanged, digestOf(there), there.GetUID()
		if c.Before == c.After {
			c.Cause = CauseDrift
		}
	case made != nil:
		c.CopyUID = made.GetUID()
	}
	l.loop.audit(ctx, c)
}

func (l *lane) renderFurniture(obj client.Object, origin transform.Origin, namespace string) (*unstructured.Unstructured, error) {
	kind := obj.GetObjectKind().GroupVersionKind()
	if kind.Kind == "" || kind.Version == "" || obj.GetName() == "" {
		return nil, fmt.Errorf("%T %q lacks apiVersion, kind or name", obj, obj.GetName())
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w", kind.Kind, obj.GetName(), err)
	}
	rendered := (&unstructured.Unstructured{Object: content}).DeepCopy()
	unstructured.RemoveNestedField(rendered.Object, "status")
	unstructured.RemoveNestedField(rendered.Object, "metadata", "creationTimestamp")
	rendered.SetNamespace(namespace)
	labels, annotations := rendered.GetLabels(), rendered.GetAnnotations()
	if labels == nil {
		labels = map[string]string{}
	}
	if annotations == nil {
		annotations = map[string]string{}
	}
	labels[transform.LabelInstallation], labels[transform.LabelLogicalCluster] = l.loop.installation, origin.LogicalCluster
	labels[transform.LabelBucket] = strconv.Itoa(transform.BucketOf(origin.LogicalCluster))
	annotations[annotationFurniture] = "true"
	rendered.SetLabels(labels)
	rendered.SetAnnotations(annotations)
	return rendered, seal(rendered)
}

func (l *lane) isFurniture(obj metav1.Object) bool {
	return obj.GetLabels()[transform.LabelInstallation] == l.loop.installation && obj.GetAnnotations()[annotationFurniture] != ""
}
