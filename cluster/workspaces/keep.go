package workspaces

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/cache"
)

// keeping counts, over all Watchers, who needs the informer of a kind in a shared
// cache.
type keeping struct {
	mu   sync.Mutex
	uses map[feedKey]*use
}

// use is how many need an informer, and whether its kind left a set since the
// last of them came.
type use struct {
	users int
	left  bool
}

var _ keeper = (*Provider)(nil)

func (p *Provider) keep(shared cache.Cache, kind schema.GroupVersionKind) {
	k := &p.informers
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.uses == nil {
		k.uses = map[feedKey]*use{}
	}
	key := feedKey{shared: shared, kind: kind}
	if k.uses[key] == nil {
		k.uses[key] = &use{}
	}
	k.uses[key].users++
	k.uses[key].left = false
}

func (p *Provider) letGo(shared cache.Cache, kind schema.GroupVersionKind, left bool) {
	k, key := &p.informers, feedKey{shared: shared, kind: kind}
	k.mu.Lock()
	defer k.mu.Unlock()
	u := k.uses[key]
	u.left = u.left || left
	if u.users--; u.users > 0 {
		return
	}
	delete(k.uses, key)
	if u.left {
		obj := &unstructured.Unstructured{}
		obj.SetGroupVersionKind(kind)
		_ = shared.RemoveInformer(context.Background(), obj) // fails only for a kind without one
	}
}
