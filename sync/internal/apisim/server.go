package apisim

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Kind is a kind that a server serves.
type Kind struct {
	schema.GroupVersionKind
	// Plural is the name of the resource.
	Plural string
	// Namespaced says whether objects live in namespaces.
	Namespaced bool
	// Status says whether the kind has a status subresource.
	Status bool
	// Immutable is the path of a field that never changes; empty: none.
	Immutable []string
}

func (k *Kind) resource() schema.GroupResource {
	return schema.GroupResource{Group: k.Group, Resource: k.Plural}
}

// Commit is one change of what a server stores.
type Commit struct {
	// Request that made the change; nil where none did.
	Request *Request
	// Before and After are the object; nil where there was or is none. They
	// are shared and must not be changed.
	Before, After *unstructured.Unstructured
}

// Server is one API server and its storage. It is not safe for concurrent use.
type Server struct {
	now     func() time.Time
	newUID  func() types.UID
	kinds   map[schema.GroupVersionKind]*Kind
	objects map[schema.GroupVersionKind]map[types.NamespacedName]*unstructured.Unstructured
	fields  map[fieldsKey]fieldManager

	version   int64
	compacted int64
	log       []change

	untracked bool
	mutators  []func(r *Request, obj *unstructured.Unstructured) error
	watchers  []func(Commit)
}

// New returns an empty server.
func New(now func() time.Time, newUID func() types.UID, kinds ...Kind) *Server {
	s := &Server{now: now, newUID: newUID, kinds: map[schema.GroupVersionKind]*Kind{}, fields: map[fieldsKey]fieldManager{}, version: 100}
	for _, k := range kinds {
		s.Serve(k)
	}
	s.Wipe()
	return s
}

// Serve begins to serve a kind.
func (s *Server) Serve(k Kind) { s.kinds[k.GroupVersionKind] = &k }

// Unserve ceases to serve a kind; its objects stay in storage.
func (s *Server) Unserve(kind schema.GroupVersionKind) { delete(s.kinds, kind) }

// Serves says whether a kind is served.
func (s *Server) Serves(kind schema.GroupVersionKind) bool { return s.kinds[kind] != nil }

// Mutate adds an admission webhook: it may change what is about to be stored, of
// an object or its status, or refuse it.
func (s *Server) Mutate(fn func(r *Request, obj *unstructured.Unstructured) error) {
	s.mutators = append(s.mutators, fn)
}

// Untrack ceases to keep who owns which field, but where something is applied: half
// of what a write costs, for a server whose clients do not apply.
func (s *Server) Untrack() { s.untracked = true }

// OnCommit has fn called for every change that is stored.
func (s *Server) OnCommit(fn func(Commit)) { s.watchers = append(s.watchers, fn) }

// Wipe loses all data, as a server does that is restored from nothing. Watches
// from before are told 410 Gone.
func (s *Server) Wipe() {
	s.objects = map[schema.GroupVersionKind]map[types.NamespacedName]*unstructured.Unstructured{}
	s.Compact()
}

// Compact forgets the changes so far: a watch that has not seen them all is
// told 410 Gone.
func (s *Server) Compact() {
	s.version++
	s.compacted, s.log = s.version, nil
}

// Serial is the latest resourceVersion as a number, which costs nothing to read.
func (s *Server) Serial() int64 { return s.version }

// Version is the latest resourceVersion.
func (s *Server) Version() string { return strconv.FormatInt(s.version, 10) }

// Peek returns an object as it is stored, nil where there is none. It is shared
// and must not be changed.
func (s *Server) Peek(kind schema.GroupVersionKind, namespace, name string) *unstructured.Unstructured {
	return s.objects[kind][types.NamespacedName{Namespace: namespace, Name: name}]
}

// All returns the objects of a kind, sorted by namespace and name. They are
// shared and must not be changed.
func (s *Server) All(kind schema.GroupVersionKind) []*unstructured.Unstructured {
	all := make([]*unstructured.Unstructured, 0, len(s.objects[kind]))
	for _, obj := range s.objects[kind] {
		all = append(all, obj)
	}
	slices.SortFunc(all, func(a, b *unstructured.Unstructured) int {
		if c := strings.Compare(a.GetNamespace(), b.GetNamespace()); c != 0 {
			return c
		}
		return strings.Compare(a.GetName(), b.GetName())
	})
	return all
}

// Kinds returns the kinds that are served, sorted.
func (s *Server) Kinds() []Kind {
	kinds := make([]Kind, 0, len(s.kinds))
	for _, k := range s.kinds {
		kinds = append(kinds, *k)
	}
	slices.SortFunc(kinds, func(a, b Kind) int { return strings.Compare(a.String(), b.String()) })
	return kinds
}

// Do carries out a request.
func (s *Server) Do(_ context.Context, r *Request) (*Response, error) {
	kind, ok := s.kinds[r.Kind]
	if !ok {
		return nil, &meta.NoKindMatchError{GroupKind: r.Kind.GroupKind(), SearchedVersions: []string{r.Kind.Version}}
	}
	if r.Verb == List {
		return s.list(r), nil
	}
	live := s.Peek(r.Kind, r.Namespace, r.Name)
	var stored *unstructured.Unstructured
	var err error
	switch {
	case r.Verb == Create:
		stored, err = s.create(r, kind, live)
	case r.Verb == Apply:
		stored, err = s.apply(r, kind, live)
	case live == nil:
		return nil, apierrors.NewNotFound(kind.resource(), r.Name)
	case r.Verb == Get:
		stored = live
	case r.Verb == Update:
		stored, err = s.replace(r, kind, live)
	case r.Verb == Patch:
		stored, err = s.patch(r, kind, live)
	case r.Verb == Delete:
		stored, err = s.delete(r, kind, live)
	default:
		return nil, fmt.Errorf("apisim: verb %q is not known", r.Verb)
	}
	if err != nil {
		return nil, err
	}
	return &Response{Object: stored.DeepCopy()}, nil
}

func (s *Server) list(r *Request) *Response {
	resp := &Response{ResourceVersion: s.Version()}
	for _, obj := range s.All(r.Kind) {
		if (r.Namespace == "" || obj.GetNamespace() == r.Namespace) && selects(r.Selector, obj) {
			resp.Items = append(resp.Items, obj.DeepCopy())
		}
	}
	return resp
}

func selects(selector labels.Selector, obj *unstructured.Unstructured) bool {
	return obj != nil && (selector == nil || selector.Matches(labels.Set(obj.GetLabels())))
}

// commit stores an object under a new resourceVersion, or removes it where
// after is nil.
func (s *Server) commit(r *Request, before, after *unstructured.Unstructured) {
	if r.DryRun {
		return
	}
	s.version++
	obj := after
	if obj == nil {
		obj = before.DeepCopy() // a watch tells of it with the version of its going
	}
	obj.SetResourceVersion(s.Version())
	key := types.NamespacedName{Namespace: obj.GetNamespace(), Name: obj.GetName()}
	kind := obj.GroupVersionKind()
	if s.objects[kind] == nil {
		s.objects[kind] = map[types.NamespacedName]*unstructured.Unstructured{}
	}
	if after == nil {
		delete(s.objects[kind], key)
	} else {
		s.objects[kind][key] = after
	}
	s.log = append(s.log, change{version: s.version, kind: kind, before: before, object: obj, gone: after == nil})
	for _, fn := range s.watchers {
		fn(Commit{Request: r, Before: before, After: after})
	}
}

func copyMap(m any) map[string]any {
	if m, ok := m.(map[string]any); ok {
		return runtime.DeepCopyJSON(m)
	}
	return nil
}
