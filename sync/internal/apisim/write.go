package apisim

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	jsonpatch "github.com/evanphx/json-patch/v5"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/kubernetes/scheme"
)

var namespaceKind = schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}

func (s *Server) create(r *Request, kind *Kind, live *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if r.Object.GetResourceVersion() != "" {
		return nil, apierrors.NewBadRequest("resourceVersion should not be set on objects to be created")
	}
	next := r.Object.DeepCopy()
	next.SetManagedFields(nil)
	if err := s.admitNamespace(r, kind); err != nil {
		return nil, err
	}
	if live != nil {
		return nil, apierrors.NewAlreadyExists(kind.resource(), r.Name)
	}
	s.beginLife(kind, next)
	next, err := s.own(r, nil, next)
	if err != nil {
		return nil, err
	}
	return s.bear(r, next)
}

// bear stores an object for the first time.
func (s *Server) bear(r *Request, next *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if err := s.admit(r, next); err != nil {
		return nil, err
	}
	s.commit(r, nil, next)
	return next, nil
}

func (s *Server) beginLife(kind *Kind, next *unstructured.Unstructured) {
	next.SetUID(s.newUID())
	next.SetCreationTimestamp(metav1.NewTime(s.now()))
	next.SetDeletionTimestamp(nil)
	next.SetGeneration(1)
	next.SetResourceVersion("")
	if kind.Status {
		unstructured.RemoveNestedField(next.Object, "status")
		if scheme.Scheme.Recognizes(kind.GroupVersionKind) {
			next.Object["status"] = map[string]any{} // Kubernetes' own kinds always have one
		}
	}
	if kind.GroupVersionKind == namespaceKind {
		next.Object["spec"] = map[string]any{"finalizers": []any{"kubernetes"}}
		next.Object["status"] = map[string]any{"phase": "Active"}
		labels := next.GetLabels()
		if labels == nil {
			labels = map[string]string{}
		}
		labels[corev1.LabelMetadataName] = next.GetName()
		next.SetLabels(labels)
	}
}

// admitNamespace refuses what is to be made in a namespace that is not there,
// or that is going.
func (s *Server) admitNamespace(r *Request, kind *Kind) error {
	if !kind.Namespaced {
		return nil
	}
	ns := s.Peek(namespaceKind, "", r.Namespace)
	if ns == nil {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, r.Namespace)
	}
	if ns.GetDeletionTimestamp() == nil {
		return nil
	}
	err := apierrors.NewForbidden(kind.resource(), r.Name, fmt.Errorf("unable to create new content in namespace %s because it is being terminated", r.Namespace))
	err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes, metav1.StatusCause{
		Type: corev1.NamespaceTerminatingCause, Message: "namespace " + r.Namespace + " is being terminated", Field: "metadata.namespace",
	})
	return err
}

func (s *Server) admit(r *Request, next *unstructured.Unstructured) error {
	for _, mutate := range s.mutators {
		if err := mutate(r, next); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) apply(r *Request, kind *Kind, live *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	m, err := s.fieldsOf(r.Kind, r.Subresource)
	if err != nil {
		return nil, err
	}
	base := live
	if live == nil {
		if err := s.admitNamespace(r, kind); err != nil {
			return nil, err
		}
		if r.Object.GetUID() != "" {
			return nil, apierrors.NewConflict(kind.resource(), r.Name, fmt.Errorf("uid mismatch: the provided object specified uid %s, and no existing object was found", r.Object.GetUID()))
		}
		base = empty(r.Kind)
		base.SetNamespace(r.Namespace)
		base.SetName(r.Name)
	}
	merged, err := m.Apply(base.DeepCopy(), r.Object.DeepCopy(), r.Manager, r.Force)
	if err != nil {
		return nil, err
	}
	next := merged.(*unstructured.Unstructured)
	s.date(base, next)
	if live == nil {
		s.beginLife(kind, next)
		return s.bear(r, next)
	}
	return s.change(r, kind, live, next)
}

func (s *Server) replace(r *Request, kind *Kind, live *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if uid := r.Object.GetUID(); uid != "" && uid != live.GetUID() {
		return nil, apierrors.NewConflict(kind.resource(), r.Name, fmt.Errorf("Precondition failed: UID in precondition: %v, UID in object meta: %v", uid, live.GetUID())) //nolint:staticcheck // as the real server says it
	}
	next, err := s.owned(r, kind, live, r.Object.DeepCopy())
	if err != nil {
		return nil, err
	}
	return s.change(r, kind, live, next)
}

func (s *Server) patch(r *Request, kind *Kind, live *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	before, err := json.Marshal(live.Object)
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	after, err := jsonpatch.MergePatch(before, r.Patch)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	patched := &unstructured.Unstructured{}
	if err := patched.UnmarshalJSON(after); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	next, err := s.owned(r, kind, live, patched)
	if err != nil {
		return nil, err
	}
	return s.change(r, kind, live, next)
}

// owned takes from what was asked for what the request may change, and writes
// down who owns it.
func (s *Server) owned(r *Request, kind *Kind, live, asked *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	next := asked
	if r.Subresource == "status" {
		next = live.DeepCopy()
		next.SetUID(asked.GetUID())
		next.SetResourceVersion(asked.GetResourceVersion())
		setStatus(next, asked)
	} else if kind.Status {
		setStatus(next, live)
	}
	setManaged(next, live)
	return s.own(r, live, next)
}

func setStatus(to, from *unstructured.Unstructured) {
	if status := copyMap(from.Object["status"]); status != nil {
		to.Object["status"] = status
	} else {
		delete(to.Object, "status")
	}
}

// change stores a new state of an object, if it is one.
func (s *Server) change(r *Request, kind *Kind, live, next *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if v := next.GetResourceVersion(); v != "" && v != live.GetResourceVersion() {
		return nil, apierrors.NewConflict(kind.resource(), r.Name, fmt.Errorf("the object has been modified; please apply your changes to the latest version and try again"))
	}
	if uid := next.GetUID(); uid != "" && uid != live.GetUID() {
		return nil, apierrors.NewInvalid(kind.GroupKind(), r.Name, field.ErrorList{
			field.Invalid(field.NewPath("metadata", "uid"), uid, "field is immutable"),
		})
	}
	if live.GetDeletionTimestamp() != nil {
		for _, f := range next.GetFinalizers() {
			if !slices.Contains(live.GetFinalizers(), f) {
				return nil, apierrors.NewInvalid(kind.GroupKind(), r.Name, field.ErrorList{
					field.Forbidden(field.NewPath("metadata", "finalizers"), "no new finalizers can be added if the object is being deleted, found new finalizers []string{"+fmt.Sprintf("%q", f)+"}"),
				})
			}
		}
	}
	keepIdentity(live, next)
	if r.Subresource == "" {
		if kind.Status {
			setStatus(next, live)
		}
		if kind.GroupVersionKind == namespaceKind {
			next.Object["spec"] = copyMap(live.Object["spec"])
		}
	}
	if err := s.admit(r, next); err != nil {
		return nil, err
	}
	if same(live, next) {
		return live, nil
	}
	if path := kind.Immutable; len(path) > 0 {
		before, _, _ := unstructured.NestedFieldNoCopy(live.Object, path...)
		after, _, _ := unstructured.NestedFieldNoCopy(next.Object, path...)
		if !reflect.DeepEqual(before, after) {
			return nil, apierrors.NewInvalid(kind.GroupKind(), r.Name, field.ErrorList{
				field.Invalid(field.NewPath(path[0], path[1:]...), after, "field is immutable"),
			})
		}
	}
	if specChanged(live, next) {
		next.SetGeneration(live.GetGeneration() + 1)
	}
	if next.GetDeletionTimestamp() != nil && len(next.GetFinalizers()) == 0 && kind.GroupVersionKind != namespaceKind {
		s.commit(r, live, nil)
		return next, nil
	}
	s.commit(r, live, next)
	return next, nil
}

// keepIdentity restores what no write changes.
func keepIdentity(live, next *unstructured.Unstructured) {
	next.SetUID(live.GetUID())
	next.SetResourceVersion(live.GetResourceVersion())
	next.SetCreationTimestamp(live.GetCreationTimestamp())
	next.SetDeletionTimestamp(live.GetDeletionTimestamp())
	next.SetDeletionGracePeriodSeconds(live.GetDeletionGracePeriodSeconds())
	next.SetGeneration(live.GetGeneration())
}

// same says whether two states differ in nothing that would be stored.
func same(a, b *unstructured.Unstructured) bool {
	return reflect.DeepEqual(plain(a), plain(b))
}

// plain returns an object as JSON has it, without empty lists in metadata.
func plain(u *unstructured.Unstructured) map[string]any {
	obj := map[string]any{}
	maps.Copy(obj, u.Object)
	meta := map[string]any{}
	old, _ := u.Object["metadata"].(map[string]any)
	for k, v := range old {
		switch v := v.(type) {
		case []any:
			if len(v) == 0 {
				continue
			}
		case map[string]any:
			if len(v) == 0 {
				continue
			}
		}
		meta[k] = v
	}
	obj["metadata"] = meta
	return obj
}

func specChanged(a, b *unstructured.Unstructured) bool {
	rest := func(u *unstructured.Unstructured) map[string]any {
		m := map[string]any{}
		for k, v := range u.Object {
			if k != "metadata" && k != "status" {
				m[k] = v
			}
		}
		return m
	}
	return !reflect.DeepEqual(rest(a), rest(b))
}

func (s *Server) delete(r *Request, kind *Kind, live *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if r.UID != "" && r.UID != live.GetUID() {
		return nil, apierrors.NewConflict(kind.resource(), r.Name, fmt.Errorf("Precondition failed: UID in precondition: %v, UID in object meta: %v", r.UID, live.GetUID())) //nolint:staticcheck // as the real server says it
	}
	if r.ResourceVersion != "" && r.ResourceVersion != live.GetResourceVersion() {
		return nil, apierrors.NewConflict(kind.resource(), r.Name, fmt.Errorf("Precondition failed: ResourceVersion in precondition: %v, ResourceVersion in object meta: %v", r.ResourceVersion, live.GetResourceVersion())) //nolint:staticcheck // as the real server says it
	}
	if len(live.GetFinalizers()) == 0 && kind.GroupVersionKind != namespaceKind {
		s.commit(r, live, nil)
		return live, nil
	}
	if live.GetDeletionTimestamp() != nil {
		return live, nil
	}
	next := live.DeepCopy()
	now := metav1.NewTime(s.now())
	next.SetDeletionTimestamp(&now)
	if kind.GroupVersionKind == namespaceKind {
		next.Object["status"] = map[string]any{"phase": "Terminating"}
	} else {
		var zero int64
		next.SetDeletionGracePeriodSeconds(&zero)
		next.SetGeneration(live.GetGeneration() + 1)
	}
	s.commit(r, live, next)
	return next, nil
}

// FinalizeNamespace does one step of what the namespace controller does: it
// deletes one object of a terminating namespace, or, where none is left, the
// namespace. It returns false where there is nothing to do now.
func (s *Server) FinalizeNamespace(name string) bool {
	ns := s.Peek(namespaceKind, "", name)
	if ns == nil || ns.GetDeletionTimestamp() == nil {
		return false
	}
	left := false
	for _, kind := range s.Kinds() {
		if !kind.Namespaced {
			continue
		}
		for _, obj := range s.All(kind.GroupVersionKind) {
			if obj.GetNamespace() != name {
				continue
			}
			left = true
			if obj.GetDeletionTimestamp() == nil {
				_, err := s.delete(&Request{Verb: Delete, Kind: kind.GroupVersionKind, Namespace: name, Name: obj.GetName(), Manager: "namespace-controller"}, &kind, obj)
				return err == nil
			}
		}
	}
	if left {
		return false // finalizers hold what is left
	}
	s.commit(&Request{Verb: Delete, Kind: namespaceKind, Name: name, Manager: "namespace-controller"}, ns, nil)
	return true
}
