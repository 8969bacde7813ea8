package apisim

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// fieldManager merges and tracks who owns which field, as the real server's.
type fieldManager = *managedfields.FieldManager

type fieldsKey struct {
	kind        schema.GroupVersionKind
	subresource string
}

// schemas are those of Kubernetes' own kinds; reading them takes a while.
var schemas = sync.OnceValue(func() managedfields.TypeConverter {
	return applyconfigurations.NewTypeConverter(scheme.Scheme)
})

// fieldsOf returns the field manager of a kind.
func (s *Server) fieldsOf(kind schema.GroupVersionKind, subresource string) (fieldManager, error) {
	key := fieldsKey{kind, subresource}
	if m, ok := s.fields[key]; ok {
		return m, nil
	}
	build, converter := managedfields.NewDefaultCRDFieldManager, managedfields.NewDeducedTypeConverter()
	if scheme.Scheme.Recognizes(kind) {
		build, converter = managedfields.NewDefaultFieldManager, schemas()
	}
	// What a write to one part of an object can't change is not owned by it.
	version := fieldpath.APIVersion(kind.GroupVersion().String())
	reset := map[fieldpath.APIVersion]fieldpath.Filter{version: fieldpath.NewExcludeSetFilter(fieldpath.NewSet(fieldpath.MakePathOrDie("status")))}
	if subresource != "" {
		reset[version] = fieldpath.NewExcludeSetFilter(fieldpath.NewSet(fieldpath.MakePathOrDie("spec"), fieldpath.MakePathOrDie("metadata")))
	} else if k := s.kinds[kind]; !k.Status {
		reset = nil
	}
	m, err := build(converter, oneVersion{}, oneVersion{}, oneVersion{}, kind, kind.GroupVersion(), subresource, reset)
	if err != nil {
		return nil, fmt.Errorf("apisim: field manager of %s: %w", kind.Kind, err)
	}
	s.fields[key] = m
	return m, nil
}

// oneVersion converts nothing: every kind is served in one version.
type oneVersion struct{}

func (oneVersion) Convert(_, _, _ any) error { return errors.New("apisim: no conversion") }

func (oneVersion) ConvertToVersion(in runtime.Object, _ runtime.GroupVersioner) (runtime.Object, error) {
	return in, nil
}

func (oneVersion) ConvertFieldLabel(_ schema.GroupVersionKind, _, _ string) (string, string, error) {
	return "", "", errors.New("apisim: no conversion")
}

func (oneVersion) Default(runtime.Object) {}

func (oneVersion) New(kind schema.GroupVersionKind) (runtime.Object, error) {
	return empty(kind), nil
}

func empty(kind schema.GroupVersionKind) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetGroupVersionKind(kind)
	return u
}

// own writes down which fields of next belong to whoever made it of live.
func (s *Server) own(r *Request, live, next *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	m, err := s.fieldsOf(r.Kind, r.Subresource)
	if err != nil {
		return nil, err
	}
	if live == nil {
		live = empty(r.Kind)
	}
	owned, err := m.Update(live, next, r.Manager)
	if err != nil {
		return nil, fmt.Errorf("apisim: managed fields: %w", err)
	}
	u := owned.(*unstructured.Unstructured)
	s.date(live, u)
	return u, nil
}

// date writes the server's own time on what changed in the managed fields: the
// library reads the clock of the machine.
func (s *Server) date(live, next *unstructured.Unstructured) {
	before, after := live.GetManagedFields(), next.GetManagedFields()
	now := metav1.NewTime(s.now())
	for i := range after {
		after[i].Time = &now
		if j := slices.IndexFunc(before, func(b metav1.ManagedFieldsEntry) bool { return sameEntry(&b, &after[i]) }); j >= 0 {
			after[i].Time = before[j].Time
		}
	}
	if len(after) > 0 {
		next.SetManagedFields(after)
	}
}

func sameEntry(a, b *metav1.ManagedFieldsEntry) bool {
	return a.Manager == b.Manager && a.Operation == b.Operation && a.Subresource == b.Subresource &&
		a.FieldsV1 != nil && b.FieldsV1 != nil && bytes.Equal(a.FieldsV1.GetRawBytes(), b.FieldsV1.GetRawBytes())
}
