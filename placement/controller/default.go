package controller

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// The label on Placements that the controller created.
const (
	// ManagedByLabel is the key of the label.
	ManagedByLabel = "app.kubernetes.io/managed-by"
	// ManagedBy is the value of the label.
	ManagedBy = "tmc-placement"
)

// createdSettles is how long a created Placement may take to show in the
// cache.
const createdSettles = 30 * time.Second

// ensureDefault creates the Placement "default" where work is covered by none.
// It is asked for by the key of that Placement, whether it is there or not.
func (c *Controller) ensureDefault(ctx context.Context, k Key, v *view) (reconcile.Result, error) {
	if len(v.uncovered) == 0 {
		return reconcile.Result{}, nil
	}
	if age := c.opts.now().Sub(c.recent.of(k).created); age < createdSettles {
		return reconcile.Result{RequeueAfter: createdSettles - age}, nil
	}
	switch covered, err := c.coveredLive(ctx, k, v.uncovered[0]); {
	case err != nil:
		return reconcile.Result{}, err
	case covered:
		return reconcile.Result{}, nil // the watch shows it
	}
	spec, err := c.opts.defaults(ctx, k.Workspace, k.Namespace)
	if err != nil {
		return reconcile.Result{}, err
	}
	err = c.create(ctx, k, spec)
	switch {
	case err == nil, apierrors.IsAlreadyExists(err):
		c.recent.update(k, func(m *memory) { m.created = c.opts.now() })
		return reconcile.Result{}, nil // the watch shows it
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		log.FromContext(ctx).V(1).Info("Namespace is going, its work needs no place")
		return reconcile.Result{}, nil
	}
	c.tell(ctx, k, v.uncovered[0], ReasonNotCovered,
		"No Placement covers the object and the default can't be created: "+err.Error()+". Allow the controller to create it, or write a Placement.")
	return reconcile.Result{}, err
}

// coveredLive asks the server whether a Placement covers an object: the watch
// of Placements may be behind that of the object, and both were applied
// together.
func (c *Controller) coveredLive(ctx context.Context, k Key, obj *unstructured.Unstructured) (bool, error) {
	client, err := c.client(ctx, k)
	if err != nil {
		return false, err
	}
	list, err := client.List(ctx, metav1.ListOptions{})
	if err != nil {
		return false, fmt.Errorf("list placements: %w", err)
	}
	known := make([]*v1alpha1.Placement, 0, len(list.Items))
	for i := range list.Items {
		p, err := decode(&list.Items[i])
		if err != nil {
			continue // its schema forbids it
		}
		known = append(known, p)
	}
	return placement.Covering(placement.ObjectOf(obj), known) != nil, nil
}
