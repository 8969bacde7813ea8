package apisim

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

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
	if s.untracked {
		return next, nil
	}
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
	before, after := managed(live), managed(next)
	if len(after) == 0 {
		return
	}
	now := s.now().UTC().Format(time.RFC3339)
	dated := make([]any, len(after))
	for i, e := range after {
		entry := maps.Clone(e.(map[string]any))
		entry["time"] = now
		if j := slices.IndexFunc(before, func(b any) bool { return sameEntry(b.(map[string]any), entry) }); j >= 0 {
			entry["time"] = before[j].(map[string]any)["time"]
		}
		dated[i] = entry
	}
	next.Object["metadata"].(map[string]any)["managedFields"] = dated
}

// managed returns the managed fields as they are stored: to decode them for every
// write is dear.
func managed(u *unstructured.Unstructured) []any {
	metadata, _ := u.Object["metadata"].(map[string]any)
	list, _ := metadata["managedFields"].([]any)
	return list
}

// setManaged has an object bear the managed fields of another.
func setManaged(to, from *unstructured.Unstructured) {
	if list := managed(from); len(list) > 0 {
		to.Object["metadata"].(map[string]any)["managedFields"] = list
	} else if metadata, ok := to.Object["metadata"].(map[string]any); ok {
		delete(metadata, "managedFields")
	}
}

func sameEntry(a, b map[string]any) bool {
	return a["manager"] == b["manager"] && a["operation"] == b["operation"] && a["subresource"] == b["subresource"] &&
		reflect.DeepEqual(a["fieldsV1"], b["fieldsV1"])
}
