package builtin

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"

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
	if err := rules.check(); err != nil {
		return nil, err
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

// check refuses what the pipeline's guard, or the API server, would refuse later.
func (r MetadataRules) check() error {
	for field, entries := range map[string]map[string]string{"SetLabels": r.SetLabels, "SetAnnotations": r.SetAnnotations} {
		for key, value := range entries {
			err := checkKey(key)
			if err == nil {
				err = CheckTemplate(value)
			}
			if err == nil && field == "SetLabels" && !strings.Contains(value, "${") {
				err = first(validation.IsValidLabelValue(value))
			}
			if err != nil {
				return refused("Metadata", fmt.Sprintf("%s[%q]=%q", field, key, value), err)
			}
		}
	}
	for field, keys := range map[string][]string{"RemoveLabels": r.RemoveLabels, "RemoveAnnotations": r.RemoveAnnotations} {
		for i, key := range keys {
			if star := strings.IndexByte(key, '*'); key == "" || star >= 0 && star < len(key)-1 {
				return refused("Metadata", fmt.Sprintf("%s[%d] %q", field, i, key), errors.New("write a key, or what keys begin with and a * at its end"))
			}
		}
	}
	return nil
}

// checkKey refuses keys that are none, and those of our domain and of kcp.
func checkKey(key string) error {
	prefix, _, _ := strings.Cut(key, "/")
	for _, domain := range [...]string{transform.Domain, "kcp.io"} {
		if prefix == domain || strings.HasSuffix(prefix, "."+domain) {
			return fmt.Errorf("keys of %s are not for transformers to write", domain)
		}
	}
	return first(validation.IsQualifiedName(key))
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
		if err == nil && field == "labels" {
			err = first(validation.IsValidLabelValue(expanded))
		}
		if err != nil {
			return fmt.Errorf("%s[%s]: %w", field, key, err)
		}
		entries[key] = expanded
	}
	return nil
}
