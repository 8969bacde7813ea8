package syncer

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tmc-sdk/tmc/transform"
)

// longestChain bounds how many owners are followed from an object to a copy.
const longestChain = 5

// belongs says whether an object of a namespace of ours belongs to a copy of that
// namespace's originals, by reads from the cluster; of an Event, also what it is
// about. An error means that it can't be told.
func (l *lane) belongs(ctx context.Context, key Key, obj *unstructured.Unstructured) (bool, *regarded, error) {
	kind := obj.GroupVersionKind()
	switch {
	case isEvent(kind):
		about, err := l.regards(ctx, key, obj)
		return about != nil, about, err
	case kind.Group == "" && kind.Kind == "Endpoints":
		service, err := l.peer(ctx, obj.GetNamespace(), metav1.OwnerReference{APIVersion: "v1", Kind: "Service", Name: obj.GetName()})
		return service != nil && l.isCopyFor(key, service), nil, err
	case kind.Group == "" && kind.Kind == "PersistentVolumeClaim":
		owned, err := l.ownedByCopy(ctx, key, obj)
		if err == nil && !owned {
			owned, err = l.claimed(ctx, key, obj)
		}
		return owned, nil, err
	}
	owned, err := l.ownedByCopy(ctx, key, obj)
	return owned, nil, err
}

// ownedByCopy follows the owners that control an object to a copy.
func (l *lane) ownedByCopy(ctx context.Context, key Key, obj *unstructured.Unstructured) (bool, error) {
	for range longestChain {
		ref := metav1.GetControllerOfNoCopy(obj)
		if ref == nil || ref.UID == "" {
			return false, nil
		}
		if obj.GetKind() == "EndpointSlice" && obj.GetLabels()["kubernetes.io/service-name"] != ref.Name {
			return false, nil
		}
		owner, err := l.peer(ctx, obj.GetNamespace(), *ref)
		if err != nil || owner == nil {
			return false, err
		}
		if l.isCopyFor(key, owner) {
			return true, nil
		}
		obj = owner
	}
	return false, nil
}

// regards returns what an Event is about: nil if that is no copy and belongs to
// none, or is gone.
func (l *lane) regards(ctx context.Context, key Key, event *unstructured.Unstructured) (*regarded, error) {
	ref := regardedBy(event)
	text := func(field string) string { s, _ := ref[field].(string); return s }
	if text("namespace") != event.GetNamespace() || text("uid") == "" || isEvent(schema.FromAPIVersionAndKind(text("apiVersion"), text("kind"))) {
		return nil, nil
	}
	about, err := l.peer(ctx, event.GetNamespace(), metav1.OwnerReference{
		APIVersion: text("apiVersion"), Kind: text("kind"), Name: text("name"), UID: types.UID(text("uid")),
	})
	if err != nil || about == nil {
		return nil, err
	}
	if l.isCopyFor(key, about) {
		marks, _ := transform.ReadMarks(about)
		return &regarded{name: marks.Name, uid: marks.UID}, nil
	}
	if owned, _, err := l.belongs(ctx, key, about); !owned || err != nil {
		return nil, err
	}
	found := &regarded{name: about.GetName()}
	if rule := l.loop.shownRule(about.GroupVersionKind()); rule != nil {
		found.name = rule.nameOf(about.GetName(), l.name)
		found.source = Key{Kind: rule.kind, Workspace: key.Workspace, Namespace: key.Namespace, Name: about.GetName()}
	}
	return found, nil
}

// regardedBy returns the reference of an Event to what it is about.
func regardedBy(event *unstructured.Unstructured) map[string]any {
	if event.GroupVersionKind().Group == "" {
		return at(event.Object, "involvedObject")
	}
	return at(event.Object, "regarding")
}

// peer reads an object of a namespace that another refers to: nil where it is not
// there, or is another. An empty UID is any.
func (l *lane) peer(ctx context.Context, namespace string, ref metav1.OwnerReference) (*unstructured.Unstructured, error) {
	if ref.Kind == "" || ref.Name == "" {
		return nil, nil
	}
	kind, at := schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind), client.ObjectKey{Namespace: namespace, Name: ref.Name}
	is := func(u *unstructured.Unstructured) bool { return ref.UID == "" || u.GetUID() == ref.UID }
	if l.ready(kind) {
		cached := &unstructured.Unstructured{}
		cached.SetGroupVersionKind(kind)
		if l.cached.Get(ctx, at, cached) == nil && is(cached) {
			return cached, nil
		}
	}
	found := &unstructured.Unstructured{}
	found.SetGroupVersionKind(kind)
	err := l.live.Get(ctx, at, found)
	switch {
	case isGone(err), meta.IsNoMatchError(err):
		return nil, nil
	case err != nil:
		return nil, err
	case !is(found):
		return nil, nil
	}
	return found, nil
}

// isCopyFor says whether an object is a copy of an original of a namespace.
func (l *lane) isCopyFor(key Key, obj *unstructured.Unstructured) bool {
	marks, ok := transform.ReadMarks(obj)
	return ok && marks.Installation == l.loop.installation && !l.isFurniture(obj) &&
		marks.LogicalCluster == string(key.Workspace) && marks.Namespace == key.Namespace
}

// isOurOwn says whether an object is a copy, of whatever installation or version,
// or was put there by the platform. What inherits labels from a copy, as
// EndpointSlices do, or annotations, as ReplicaSets do, is none: a copy has both.
func isOurOwn(obj *unstructured.Unstructured) bool {
	l, a := obj.GetLabels(), obj.GetAnnotations()
	return l[transform.LabelInstallation] != "" && (a[transform.AnnotationMarks] != "" || a[annotationFurniture] != "")
}

// claimed says whether a PersistentVolumeClaim was made for a StatefulSet that is a
// copy, or is mounted by a Pod that belongs to a copy.
func (l *lane) claimed(ctx context.Context, key Key, claim *unstructured.Unstructured) (bool, error) {
	for _, set := range setsFor(claim) {
		found, err := l.peer(ctx, claim.GetNamespace(), metav1.OwnerReference{APIVersion: "apps/v1", Kind: "StatefulSet", Name: set})
		if err != nil {
			return false, err
		}
		if found != nil && l.isCopyFor(key, found) && makes(found, claim) {
			return true, nil
		}
	}
	pods := &unstructured.UnstructuredList{}
	pods.SetGroupVersionKind(schema.GroupVersionKind{Version: "v1", Kind: "PodList"})
	if err := l.live.List(ctx, pods, client.InNamespace(claim.GetNamespace()), client.Limit(bornPage)); err != nil {
		if meta.IsNoMatchError(err) {
			return false, nil
		}
		return false, err
	}
	for i := range pods.Items {
		pod := &pods.Items[i]
		if !slices.ContainsFunc(elements(at(pod.Object, "spec")["volumes"]), func(v map[string]any) bool {
			return at(v, "persistentVolumeClaim")["claimName"] == claim.GetName()
		}) {
			continue
		}
		if owned, err := l.ownedByCopy(ctx, key, pod); owned || err != nil {
			return owned, err
		}
	}
	return false, nil
}

// setsFor returns the names of StatefulSets that a claim may have been made for:
// its name is TEMPLATE-SET-ORDINAL, and any of the parts may have hyphens.
func setsFor(claim *unstructured.Unstructured) (sets []string) {
	rest, ordinal := cutLast(claim.GetName(), "-")
	if _, err := strconv.ParseUint(ordinal, 10, 32); err != nil {
		return nil
	}
	for i, c := range rest {
		if c == '-' && len(sets) < longestChain {
			sets = append(sets, rest[i+1:])
		}
	}
	return sets
}

// cutLast cuts a name at the last separator; without one, nothing comes after it.
func cutLast(s, sep string) (before, after string) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):]
	}
	return s, ""
}

// makes says whether a StatefulSet makes a claim of this name, with these labels.
func makes(set, claim *unstructured.Unstructured) bool {
	has := claim.GetLabels()
	for key, value := range at(set.Object, "spec", "selector", "matchLabels") {
		if has[key] != value {
			return false
		}
	}
	rest, _ := cutLast(claim.GetName(), "-")
	return slices.ContainsFunc(elements(at(set.Object, "spec")["volumeClaimTemplates"]), func(t map[string]any) bool {
		name, _ := at(t, "metadata")["name"].(string)
		return rest == name+"-"+set.GetName()
	})
}
