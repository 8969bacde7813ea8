package facts

import (
	"iter"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// APISet is the immutable set of APIs that a cluster serves. Clusters that
// serve the same APIs may share one set.
type APISet struct {
	kinds map[schema.GroupVersionKind]schema.GroupVersionResource
}

// API is one served API.
type API struct {
	Kind     schema.GroupVersionKind
	Resource schema.GroupVersionResource
}

// NewAPISet returns the set of the given APIs.
func NewAPISet(apis ...API) *APISet {
	s := &APISet{kinds: make(map[schema.GroupVersionKind]schema.GroupVersionResource, len(apis))}
	for _, a := range apis {
		s.kinds[a.Kind] = a.Resource
	}
	return s
}

// Serves says whether the kind is served.
func (s *APISet) Serves(gvk schema.GroupVersionKind) bool {
	_, ok := s.kinds[gvk]
	return ok
}

// Resource returns the resource that a kind is served as.
func (s *APISet) Resource(gvk schema.GroupVersionKind) (schema.GroupVersionResource, bool) {
	r, ok := s.kinds[gvk]
	return r, ok
}

// All iterates over the APIs, in no order.
func (s *APISet) All() iter.Seq2[schema.GroupVersionKind, schema.GroupVersionResource] {
	return maps.All(s.kinds)
}

// Len returns the number of APIs.
func (s *APISet) Len() int { return len(s.kinds) }

// List returns the APIs, sorted by group, version and kind.
func (s *APISet) List() []API {
	apis := make([]API, 0, len(s.kinds))
	for k, r := range s.kinds {
		apis = append(apis, API{Kind: k, Resource: r})
	}
	slices.SortFunc(apis, func(a, b API) int {
		switch x, y := a.Kind.String(), b.Kind.String(); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	return apis
}
