package builtin

import (
	"fmt"
	"maps"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tmc-sdk/tmc/transform"
)

// MetadataRules say what becomes of an object's labels and annotations. First
// entries are removed, then others set, in the place of the tenant's.
type MetadataRules struct {
	// SetLabels and SetAnnotations set entries; ${cluster.name} and the like
	// in a value stand for the target's (see Substitute).
	SetLabels, SetAnnotations map[string]string
	// RemoveLabels and RemoveAnnotations remove entries, by key or, with a *
	// at the end, by what the key begins with.
	RemoveLabels, RemoveAnnotations []string
}

// Metadata applies rules to the labels and annotations of every object.
func Metadata(rules MetadataRules) (transform.Transformer, error) {
	for _, entries := range []map[string]string{rules.SetLabels, rules.SetAnnotations} {
		for key, value := range entries {
			if err := checkKey(key); err != nil {
				return nil, err
			}
			if err := CheckTemplate(value); err != nil {
				return nil, err
			}
		}
	}
	labels, annotations := maps.Clone(rules.SetLabels), maps.Clone(rules.SetAnnotations)
	b := &built{name: "Metadata", independent: static(labels) && static(annotations)}
	b.fn = func(t *transform.Target, obj *unstructured.Unstructured) error {
		metadata := objectAt(obj.Object, "metadata")
		removeEntries(metadata, "labels", rules.RemoveLabels)
		removeEntries(metadata, "annotations", rules.RemoveAnnotations)
		if err := setEntries(t, metadata, "labels", labels); err != nil {
			return err
		}
		return setEntries(t, metadata, "annotations", annotations)
	}
	return b, nil
}

// checkKey refuses what the pipeline's guard would refuse later.
func checkKey(key string) error {
	prefix, _, _ := strings.Cut(key, "/")
	if key == "" || prefix == "tmc-sdk.dev" || strings.HasSuffix(prefix, ".tmc-sdk.dev") {
		return fmt.Errorf("builtin: key %q is not for transformers to write", key)
	}
	return nil
}

func static(values map[string]string) bool {
	for _, value := range values {
		if strings.Contains(value, "${") {
			return false
		}
	}
	return true
}

func removeEntries(metadata object, field string, keys []string) {
	entries, _ := metadata[field].(object)
	for _, key := range keys {
		prefix, isPrefix := strings.CutSuffix(key, "*")
		if !isPrefix {
			if checkKey(key) == nil {
				delete(entries, key)
			}
			continue
		}
		for there := range entries {
			if strings.HasPrefix(there, prefix) && checkKey(there) == nil {
				delete(entries, there)
			}
		}
	}
}

func setEntries(t *transform.Target, metadata object, field string, values map[string]string) error {
	if len(values) == 0 {
		return nil
	}
	entries := objectAt(metadata, field)
	if entries == nil {
		return nil
	}
	for key, value := range values {
		expanded, err := Expand(t, value)
		if err != nil {
			return fmt.Errorf("%s[%s]: %w", field, key, err)
		}
		entries[key] = expanded
	}
	return nil
}
