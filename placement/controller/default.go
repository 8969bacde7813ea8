package controller

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
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
