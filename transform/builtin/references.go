package builtin

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/transform"
)

// Reference says that objects of a kind name another object in some field.
type Reference struct {
	// In is the kind that has the field.
	In schema.GroupKind
	// Holder leads to the map, or maps, that have the field, or to the names
	// themselves where Field is empty. The zero Path is the object.
	Holder transform.Path
	// Field whose value is the name.
	Field string
	// To is the kind that is referred to.
	To schema.GroupKind
	// ClusterScoped says that To is.
	ClusterScoped bool
	// IfKind makes it a reference only where the holder's field "kind" has
	// this value. Empty: always.
	IfKind string

	ifKey string // the same for the holder's field "key"
}

// ReferenceRules say which references are rewritten to the names of copies.
type ReferenceRules struct {
	// Naming of the pipeline. Default: transform.HashedNaming.
	Naming transform.Naming
	// Synced are the kinds that come from the workspace under another name, so
	// that references to them are rewritten: cluster-scoped kinds that are
	// synced and, with a Naming that renames namespaced copies, those. Others,
	// to what every cluster has, stay. References to namespaces are rewritten
	// in any case.
	Synced []schema.GroupKind
	// SharedNamespaces of the clusters that every tenant may refer to, such as
	// that of a shared Gateway. References to other namespaces become those to
	// the tenant's own: nobody reaches into another's namespace.
	SharedNamespaces []string
	// More references, of kinds that the SDK does not know.
	More []Reference
}

// References rewrites the names of other objects within an object: namespaces
// wherever they are named (subjects, routes and gateways, webhooks, volumes, and
// selectors of network policies, gateways and pod affinity), and names of synced
// kinds (role references, classes, configuration, secrets, claims, service accounts,
// backends, scale targets).
//
// Put it into every pipeline whose kinds can name a namespace. A name that was
// cut because it is long can't be told from one that was not mapped: have it
// once in a pipeline.
func References(rules ReferenceRules) (transform.Transformer, error) {
	r := references{naming: rules.Naming, shared: slices.Clone(rules.SharedNamespaces), byKind: map[schema.GroupKind][]Reference{}}
	if r.naming == nil {
		r.naming = transform.HashedNaming{}
	}
	follows := func(to schema.GroupKind) bool { return to == namespaceKind || slices.Contains(rules.Synced, to) }
	for i, ref := range slices.Concat(kubernetesReferences, rules.More) {
		if ref.In.Kind == "" || ref.To.Kind == "" || ref.Field == "" && ref.Holder.String() == "" {
			return nil, refused("References", fmt.Sprintf("More[%d]", i-len(kubernetesReferences)), errors.New("it does not say what refers to what: set In and To, and Field or Holder"))
		}
		if follows(ref.To) {
			r.byKind[ref.In] = append(r.byKind[ref.In], ref)
		}
	}
	for _, ref := range podReferences {
		if follows(ref.To) {
			r.pods = append(r.pods, ref)
		}
	}
	return &built{name: "References", independent: true, fn: r.transform}, nil
}

type references struct {
	naming transform.Naming
	shared []string
	byKind map[schema.GroupKind][]Reference
	pods   []Reference
}

func (r references) transform(t *transform.Target, obj *unstructured.Unstructured) error {
	for _, ref := range r.byKind[kindOf(obj)] {
		r.follow(t.Origin, ref, obj.Object)
	}
	for _, pod := range t.PodSpecs(obj) {
		for _, ref := range r.pods {
			r.follow(t.Origin, ref, pod)
		}
	}
	return nil
}

// follow rewrites one reference wherever it occurs below root.
func (r references) follow(o transform.Origin, ref Reference, root object) {
	change := func(value any) (any, error) {
		if ref.Field == "" {
			return r.renamed(o, ref, value), nil
		}
		holder, _ := value.(object)
		if name, has := holder[ref.Field]; has && (ref.IfKind == "" || holder["kind"] == ref.IfKind) && (ref.ifKey == "" || holder["key"] == ref.ifKey) {
			holder[ref.Field] = r.renamed(o, ref, name)
		}
		return value, nil
	}
	if ref.Holder.String() == "" {
		_, _ = change(root) // it fails for nothing
		return
	}
	_ = ref.Holder.Update(root, change) // it fails for nothing
}

func (r references) renamed(o transform.Origin, ref Reference, value any) any {
	if list, ok := value.([]any); ok {
		for i, item := range list {
			if _, nested := item.([]any); !nested {
				list[i] = r.renamed(o, ref, item)
			}
		}
		return value
	}
	text, ok := value.(string)
	if !ok || text == "" || ref.To == namespaceKind && slices.Contains(r.shared, text) {
		return value
	}
	if before, cut := beforeHash(text); cut && r.located(o, ref, before) == text {
		return value // it was rewritten before
	}
	return r.located(o, ref, text)
}

// located returns the name of the copy of what is referred to.
func (r references) located(o transform.Origin, ref Reference, name string) string {
	referred := transform.Origin{LogicalCluster: o.LogicalCluster, Namespace: o.Namespace, Name: name}
	kind := schema.GroupVersionKind{Group: ref.To.Group, Kind: ref.To.Kind}
	if ref.To == namespaceKind {
		// The namespace that holds the copies of a namespace's objects.
		referred.Namespace = name
		namespace, _ := r.naming.Locate(schema.GroupVersionKind{}, referred)
		return namespace
	}
	if ref.ClusterScoped {
		referred.Namespace = ""
	}
	_, renamed := r.naming.Locate(kind, referred)
	return renamed
}

// beforeHash returns what precedes the last dash.
func beforeHash(name string) (string, bool) {
	i := strings.LastIndexByte(name, '-')
	if i <= 0 {
		return "", false
	}
	return name[:i], true
}
