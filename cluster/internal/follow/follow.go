// Package follow follows objects on a server: what sources of clusters that
// read objects have in common.
package follow

import (
	"context"
	"errors"
	"net/http"
	"path"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// IsGone says whether an error of a live read proves that the object of that
// name does not exist: a 404 of the object, not of its API or its workspace.
func IsGone(err error, resource, name string) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || !apierrors.IsNotFound(err) {
		return false
	}
	d := status.Status().Details
	if d == nil || d.Name != name || d.Kind != resource {
		return false
	}
	for _, c := range d.Causes {
		if c.Type == metav1.CauseTypeUnexpectedServerResponse {
			// "404 page not found": client-go made the rest of the details up.
			return false
		}
	}
	return true
}

// ListWatch lists and watches through a controller-runtime client.
func ListWatch(c client.WithWatch, list func() client.ObjectList, in ...client.ListOption) cache.ListerWatcher {
	with := func(o metav1.ListOptions) []client.ListOption {
		return append(slices.Clone(in), &client.ListOptions{Raw: &o})
	}
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			l := list()
			return l, c.List(ctx, l, with(o)...)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return c.Watch(ctx, list(), with(o)...)
		},
	}
	return cache.ToListWatcherWithWatchListSemantics(lw, c)
}

// OnEvent calls fn for each event.
func OnEvent(fn func(o client.Object, deleted bool)) cache.ResourceEventHandler {
	call := func(obj any, deleted bool) {
		if tomb, ok := obj.(cache.DeletedFinalStateUnknown); ok {
			obj = tomb.Obj
		}
		if o, ok := obj.(client.Object); ok {
			fn(o, deleted)
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { call(obj, false) },
		UpdateFunc: func(_, obj any) { call(obj, false) },
		DeleteFunc: func(obj any) { call(obj, true) },
	}
}

// Lists accepts the requests that list or watch the given resources.
func Lists(resources ...string) func(*http.Request) bool {
	return func(req *http.Request) bool {
		_, last := path.Split(req.URL.Path)
		return slices.Contains(resources, last)
	}
}
