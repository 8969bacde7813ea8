package lean

import (
	"context"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
)

// NewInformer makes an informer, as cache.Options of controller-runtime wants it.
type NewInformer func(toolscache.ListerWatcher, runtime.Object, time.Duration, toolscache.Indexers) toolscache.SharedIndexInformer

// Informers returns what makes informers that watch leanly, where the objects are
// unstructured, those that a selector selects in all namespaces. Lists, where a server
// does not stream them, are the given ListerWatcher's.
func Informers(cfg *rest.Config, httpClient *http.Client, mapper meta.RESTMapper, selector labels.Selector) NewInformer {
	e := newEndpoints(cfg, httpClient, mapper)
	return func(lw toolscache.ListerWatcher, example runtime.Object, resync time.Duration, indexers toolscache.Indexers) toolscache.SharedIndexInformer {
		if u, ok := example.(*unstructured.Unstructured); ok {
			lw = &toolscache.ListWatch{
				ListWithContextFunc: toolscache.ToListerWatcherWithContext(lw).ListWithContext,
				WatchFuncWithContext: func(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
					opts.LabelSelector = selector.String()
					return e.watch(ctx, u.GroupVersionKind(), opts)
				},
			}
		}
		return toolscache.NewSharedIndexInformer(lw, example, resync, indexers)
	}
}

// watch watches the objects of a kind. As rest.Request.Watch does, it takes a
// connection that ends before the first event for a watch that ended: whoever watches
// begins again where it stood.
func (e *endpoints) watch(ctx context.Context, kind schema.GroupVersionKind, opts metav1.ListOptions) (watch.Interface, error) {
	server, mapping, err := e.of(kind)
	if err != nil {
		return nil, err
	}
	opts.Watch = true
	body, err := server.Get().Resource(mapping.Resource.Resource).VersionedParams(&opts, metav1.ParameterCodec).Stream(ctx)
	if err != nil {
		if utilnet.IsProbableEOF(err) || utilnet.IsTimeout(err) {
			return watch.NewEmptyWatch(), nil
		}
		return nil, err
	}
	return watch.NewStreamWatcher(decodeEvents(body), apierrors.NewClientErrorReporter(http.StatusInternalServerError, "GET", "ClientWatchDecoding")), nil
}
