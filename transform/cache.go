package transform

import (
	"container/list"
	"context"
	"hash/maphash"
	"maps"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Cache renders through a pipeline and keeps what it rendered, by the version
// of the original and what the target is. Where every transformer is
// TargetIndependent, and nothing is overridden, one rendering serves all
// clusters. It is safe for concurrent use.
type Cache struct {
	pipeline    *Pipeline
	size        int
	independent bool
	finish      func(*unstructured.Unstructured) error
	seed        maphash.Seed

	mu      sync.Mutex
	entries map[cacheKey]*list.Element
	order   *list.List // of *cacheEntry, the last used first
}

type cacheKey struct {
	origin  Origin
	kind    schema.GroupVersionKind
	version string // of the original
	target  uint64
}

type cacheEntry struct {
	key      cacheKey
	rendered *unstructured.Unstructured
}

// CacheOption configures a Cache.
type CacheOption func(*Cache)

// Finish has fn change every rendering before it is kept, as to seal it with a
// digest: what follows from the rendering alone is done once for all. fn is pure,
// and what it writes is not looked at by the guard.
func Finish(fn func(rendered *unstructured.Unstructured) error) CacheOption {
	return func(c *Cache) { c.finish = fn }
}

// NewCache returns a cache of as many renderings as size says; those not used
// for the longest time go first. All transformers must be pure, as the contract
// says.
func NewCache(p *Pipeline, size int, opts ...CacheOption) *Cache {
	c := &Cache{
		pipeline: p, size: max(size, 1), independent: p.TargetIndependent(), seed: maphash.MakeSeed(),
		finish:  func(*unstructured.Unstructured) error { return nil },
		entries: map[cacheKey]*list.Element{}, order: list.New(),
	}
	for _, opt := range opts {
		opt(c)
	}
	return c
}

// Render is Pipeline.Render. Of what it returns, the object, its metadata, labels
// and annotations are the caller's; all else is shared with other callers and
// must not be changed. Originals without a UID or a resource version are not
// kept, nor are errors.
func (c *Cache) Render(ctx context.Context, t *Target, original *unstructured.Unstructured, o Origin) (*unstructured.Unstructured, error) {
	key := cacheKey{origin: o, kind: original.GroupVersionKind(), version: original.GetResourceVersion(), target: c.fingerprint(t)}
	keeps := key.version != "" && o.UID != ""
	if rendered, ok := c.lookup(key); ok && keeps {
		return handOut(rendered), nil
	}
	rendered, err := c.pipeline.Render(ctx, t, original, o)
	if err == nil {
		err = c.finish(rendered)
	}
	if err != nil {
		return nil, err
	}
	if !keeps {
		return rendered, nil
	}
	c.keep(key, rendered)
	return handOut(rendered), nil
}

// Len returns the number of renderings that are kept.
func (c *Cache) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.order.Len()
}

func (c *Cache) lookup(key cacheKey) (*unstructured.Unstructured, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.entries[key]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(element)
	entry, ok := element.Value.(*cacheEntry)
	return entry.rendered, ok
}

func (c *Cache) keep(key cacheKey, rendered *unstructured.Unstructured) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.entries[key]; ok {
		return // another was faster, with the same result
	}
	c.entries[key] = c.order.PushFront(&cacheEntry{key, rendered})
	for c.order.Len() > c.size {
		last := c.order.Back()
		if entry, ok := c.order.Remove(last).(*cacheEntry); ok {
			delete(c.entries, entry.key)
		}
	}
}

// handOut returns an object that shares with another all but what callers
// write: metadata, labels and annotations.
func handOut(rendered *unstructured.Unstructured) *unstructured.Unstructured {
	fields := maps.Clone(rendered.Object)
	metadata, _ := fields["metadata"].(map[string]any)
	metadata = maps.Clone(metadata)
	for _, field := range [...]string{"labels", "annotations"} {
		if entries, ok := metadata[field].(map[string]any); ok {
			metadata[field] = maps.Clone(entries)
		}
	}
	fields["metadata"] = metadata
	return &unstructured.Unstructured{Object: fields}
}

// fingerprint of what of a target a rendering depends on. The order of labels
// makes no difference: their hashes are added.
func (c *Cache) fingerprint(t *Target) uint64 {
	var h maphash.Hash
	h.SetSeed(c.seed)
	maphash.WriteComparable(&h, [4]bool{t.Replicas != nil, t.Division != nil, !t.Kind.Empty(), len(t.Owners) > 0}) // so that no two can look alike
	if !t.Kind.Empty() {
		maphash.WriteComparable(&h, t.Kind)
	}
	if t.Replicas != nil {
		maphash.WriteComparable(&h, *t.Replicas)
	}
	if t.Division != nil {
		maphash.WriteComparable(&h, [2]int{t.Division.Own, len(t.Division.Shares)})
		for _, s := range t.Division.Shares {
			maphash.WriteComparable(&h, s)
		}
	}
	if len(t.Owners) > 0 {
		maphash.WriteComparable(&h, len(t.Owners))
	}
	for _, owner := range t.Owners {
		maphash.WriteComparable(&h, owner)
	}
	for _, o := range t.Overrides {
		maphash.WriteComparable(&h, [3]int{len(o.JSONPatch), len(o.MergePatch), len(o.StrategicMergePatch)})
		_, _ = h.Write(o.JSONPatch)           // it never fails
		_, _ = h.Write(o.MergePatch)          // it never fails
		_, _ = h.Write(o.StrategicMergePatch) // it never fails
	}
	if c.independent && len(t.Overrides) == 0 {
		return h.Sum64()
	}
	maphash.WriteComparable(&h, [...]string{t.Cluster, t.Region, t.Zone, t.Provider, t.Version})
	var labels, properties uint64
	for key, value := range t.Labels {
		labels += maphash.Comparable(c.seed, [2]string{key, value})
	}
	for key, value := range t.Properties {
		properties += maphash.Comparable(c.seed, [2]string{key, value})
	}
	maphash.WriteComparable(&h, [2]uint64{labels, properties})
	return h.Sum64()
}
