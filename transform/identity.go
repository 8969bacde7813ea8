package transform

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// identity is what no transformer may change: what ties a copy to its original.
type identity struct {
	apiVersion, kind, namespace, name string
	labels, annotations               []mark
	marks                             [8]mark // what they are slices of
	owners                            []any   // nil for none
}

type mark struct{ key, value string }

func identityOf(obj *unstructured.Unstructured, namespace, name string, m Marks) *identity {
	i := &identity{apiVersion: obj.GetAPIVersion(), kind: obj.GetKind(), namespace: namespace, name: name}
	i.labels = m.labels(i.marks[:0:3])
	i.annotations = m.annotations(i.marks[3:3])
	return i
}

// check returns an *IdentityError if obj is no longer what it was, or if it has
// metadata that is not for transformers to write. It allocates nothing where
// all is well, because it runs after every transformer.
func (i *identity) check(transformer string, obj *unstructured.Unstructured) error {
	metadata, ok := obj.Object["metadata"].(map[string]any)
	if !ok {
		return &IdentityError{Transformer: transformer, Field: "metadata", Want: "a map", Got: show(obj.Object["metadata"])}
	}
	for _, f := range [...]struct {
		fields           map[string]any
		name, path, want string
	}{
		{obj.Object, "apiVersion", "apiVersion", i.apiVersion},
		{obj.Object, "kind", "kind", i.kind},
		{metadata, "namespace", "metadata.namespace", i.namespace},
		{metadata, "name", "metadata.name", i.name},
	} {
		if value, set := f.fields[f.name]; value != f.want && (set || f.want != "") {
			return &IdentityError{Transformer: transformer, Field: f.path, Want: f.want, Got: show(value)}
		}
	}
	if status, set := obj.Object["status"]; set {
		return &IdentityError{Transformer: transformer, Field: "status", Got: show(status)}
	}
	if err := checkMarks(transformer, "metadata.labels", metadata["labels"], i.labels); err != nil {
		return err
	}
	if err := checkMarks(transformer, "metadata.annotations", metadata["annotations"], i.annotations); err != nil {
		return err
	}
	if err := i.checkOwners(transformer, metadata); err != nil {
		return err
	}
	return i.checkMetadata(transformer, metadata)
}

// checkMetadata finds what the server, or the workspace's owner, writes and
// nobody on the way down may.
func (i *identity) checkMetadata(transformer string, metadata map[string]any) error {
	clean := true
	for field := range metadata {
		clean = clean && i.writable(field)
	}
	if clean {
		return nil
	}
	for _, field := range slices.Sorted(maps.Keys(metadata)) {
		if !i.writable(field) {
			return &IdentityError{Transformer: transformer, Field: "metadata." + field, Got: show(metadata[field])}
		}
	}
	return nil
}

func (i *identity) writable(field string) bool {
	return field == "name" || field == "namespace" || field == "labels" || field == "annotations" ||
		field == "ownerReferences" && i.owners != nil
}

// checkMarks finds marks that were changed or removed, reserved keys that were
// added, and values that are no strings.
func checkMarks(transformer, path string, value any, want []mark) error {
	m, ok := value.(map[string]any)
	if !ok && value != nil {
		return &IdentityError{Transformer: transformer, Field: path, Want: "a map", Got: show(value)}
	}
	for _, w := range want {
		if m[w.key] != w.value {
			return &IdentityError{Transformer: transformer, Field: path + "[" + w.key + "]", Want: w.value, Got: show(m[w.key])}
		}
	}
	ours, clean := 0, true
	for key, value := range m {
		if _, text := value.(string); !text {
			clean = false
		}
		if reserved(key) {
			ours++
		}
	}
	if clean && ours == len(want) {
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		value, text := m[key].(string)
		if !text || reserved(key) && !slices.Contains(want, mark{key, value}) {
			return &IdentityError{Transformer: transformer, Field: path + "[" + key + "]", Got: show(m[key])}
		}
	}
	return nil
}

// show prints a value for an error: what it is, not all that it holds.
func show(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v[:min(len(v), 253)]
	case bool, int64, float64:
		return fmt.Sprint(v)
	}
	return fmt.Sprintf("a %T", value)
}
