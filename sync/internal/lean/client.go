package lean

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// endpoints are the REST clients of an API server, by version. They are safe for
// concurrent use.
type endpoints struct {
	cfg    *rest.Config
	http   *http.Client
	mapper meta.RESTMapper

	mu sync.Mutex
	by map[schema.GroupVersion]rest.Interface
}

func newEndpoints(cfg *rest.Config, httpClient *http.Client, mapper meta.RESTMapper) *endpoints {
	return &endpoints{cfg: cfg, http: httpClient, mapper: mapper, by: map[schema.GroupVersion]rest.Interface{}}
}

// of returns where the objects of a kind are served.
func (e *endpoints) of(kind schema.GroupVersionKind) (rest.Interface, *meta.RESTMapping, error) {
	mapping, err := e.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return nil, nil, err
	}
	version := kind.GroupVersion()
	e.mu.Lock()
	defer e.mu.Unlock()
	if c, ok := e.by[version]; ok {
		return c, mapping, nil
	}
	c, err := apiutil.RESTClientForGVK(kind, true, true, e.cfg, serializer.NewCodecFactory(clientgoscheme.Scheme), e.http)
	if err != nil {
		return nil, nil, err
	}
	e.by[version] = c
	return c, mapping, nil
}

// applier is a client whose Apply of unstructured objects is lean.
type applier struct {
	client.Client
	endpoints *endpoints
}

// NewClient returns a client that does what c does, with a lean Apply of unstructured
// objects. The others are what c was built with.
func NewClient(c client.Client, cfg *rest.Config, httpClient *http.Client) client.Client {
	return &applier{c, newEndpoints(cfg, httpClient, c.RESTMapper())}
}

// Apply implements client.Client.
func (a *applier) Apply(ctx context.Context, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
	u, ok := obj.(interface {
		client.Object
		runtime.Unstructured
	})
	if !ok {
		return a.Client.Apply(ctx, obj, opts...)
	}
	kind := u.GetObjectKind().GroupVersionKind()
	server, mapping, err := a.endpoints.of(kind)
	if err != nil {
		return err
	}
	body, err := json.Marshal(u.UnstructuredContent())
	if err != nil {
		return fmt.Errorf("failed to marshal %s: %w", kind.Kind, err)
	}
	o := &client.ApplyOptions{}
	o.ApplyOptions(opts)
	answer := server.Patch(types.ApplyYAMLPatchType).
		NamespaceIfScoped(u.GetNamespace(), mapping.Scope.Name() == meta.RESTScopeNameNamespace).
		Resource(mapping.Resource.Resource).
		Name(u.GetName()).
		VersionedParams(o.AsPatchOptions(), metav1.ParameterCodec).
		Body(body).
		Do(ctx)
	if err := answer.Error(); err != nil {
		return err
	}
	data, err := answer.Raw()
	if err != nil {
		return err
	}
	applied, err := decodeObject(data)
	if err != nil {
		return fmt.Errorf("decode the answer to an apply of %s %q: %w", kind.Kind, u.GetName(), err)
	}
	u.SetUnstructuredContent(applied.Object)
	return nil
}
