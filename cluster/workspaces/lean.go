package workspaces

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	mcpcache "github.com/kcp-dev/multicluster-provider/pkg/cache"
	apisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
)

// lean is the cache that the workspaces of an endpoint share. That of
// multicluster-provider, whose options nobody can set, keeps the field ownership of
// every object, which is half of what a small one takes, and maps its kind anew at
// each read. Bindings, which that one watches anyhow, are read from it.
type lean struct {
	mcpcache.WildcardCache

	bindings mcpcache.WildcardCache

	mu        sync.RWMutex
	informers map[schema.GroupVersionKind]shared
}

// shared is what reading a kind takes.
type shared struct {
	informer toolscache.SharedIndexInformer
	scope    meta.RESTScopeName
}

func newLean(cfg *rest.Config, scheme *runtime.Scheme, bindings mcpcache.WildcardCache) (*lean, error) {
	objects, err := mcpcache.NewWildcardCache(cfg, cache.Options{Scheme: scheme, DefaultTransform: withoutManagedFields})
	if err != nil {
		return nil, fmt.Errorf("build cache of workspaces: %w", err)
	}
	return &lean{WildcardCache: objects, bindings: bindings, informers: map[schema.GroupVersionKind]shared{}}, nil
}

// withoutManagedFields is cache.TransformStripManagedFields without decoding them
// first.
func withoutManagedFields(obj any) (any, error) {
	u, ok := obj.(*unstructured.Unstructured)
	if !ok {
		return cache.TransformStripManagedFields()(obj)
	}
	if metadata, ok := u.Object["metadata"].(map[string]any); ok {
		delete(metadata, "managedFields")
	}
	return u, nil
}

// GetSharedInformer implements mcpcache.WildcardCache.
func (c *lean) GetSharedInformer(obj runtime.Object) (toolscache.SharedIndexInformer, schema.GroupVersionKind, meta.RESTScopeName, error) {
	if isBinding(obj) {
		return c.bindings.GetSharedInformer(obj)
	}
	if _, ok := obj.(runtime.Unstructured); !ok {
		return c.WildcardCache.GetSharedInformer(obj)
	}
	kind := obj.GetObjectKind().GroupVersionKind()
	kind.Kind = strings.TrimSuffix(kind.Kind, "List")
	c.mu.RLock()
	known, ok := c.informers[kind]
	c.mu.RUnlock()
	if ok && !known.informer.IsStopped() {
		return known.informer, kind, known.scope, nil
	}
	informer, kind, scope, err := c.WildcardCache.GetSharedInformer(obj)
	if err != nil {
		return nil, kind, "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.informers[kind] = shared{informer, scope}
	return informer, kind, scope, nil
}

// GetInformer implements cache.Informers.
func (c *lean) GetInformer(ctx context.Context, obj client.Object, opts ...cache.InformerGetOption) (cache.Informer, error) {
	if isBinding(obj) {
		return c.bindings.GetInformer(ctx, obj, opts...)
	}
	return c.WildcardCache.GetInformer(ctx, obj, opts...)
}

// IndexField implements client.FieldIndexer.
func (c *lean) IndexField(ctx context.Context, obj client.Object, field string, extract client.IndexerFunc) error {
	if isBinding(obj) {
		return c.bindings.IndexField(ctx, obj, field, extract)
	}
	return c.WildcardCache.IndexField(ctx, obj, field, extract)
}

// RemoveInformer implements cache.Informers.
func (c *lean) RemoveInformer(ctx context.Context, obj client.Object) error {
	if err := c.WildcardCache.RemoveInformer(ctx, obj); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.informers, obj.GetObjectKind().GroupVersionKind())
	return nil
}

func isBinding(obj any) bool {
	switch obj.(type) {
	case *apisv1alpha1.APIBinding, *apisv1alpha1.APIBindingList:
		return true
	}
	return false
}
