package syncer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tmc-sdk/tmc/transform"
)

// Difference is one field in which a copy is not what was rendered for it.
type Difference struct {
	// Path of the field, for people: spec.containers[main].image.
	Path string
	// Was and Becomes are the values on the cluster and as rendered, as JSON and
	// cut short; empty for none. Those of Secrets are hidden.
	Was, Becomes string

	steps []string // of the path; an element of a list is "=" and its name or index
}

// String returns the difference as a line of a diff.
func (d Difference) String() string {
	switch {
	case d.Was == "":
		return "+ " + d.Path + ": " + d.Becomes
	case d.Becomes == "":
		return "- " + d.Path + ": " + d.Was
	}
	return "~ " + d.Path + ": " + d.Was + " -> " + d.Becomes
}

// mostShown bounds what is shown of a value.
const mostShown = 80

// differencesOf returns what an apply would change in a copy, sorted by path:
// what it lacks of the rendering, by the rules of drifted. Without a copy, or
// for fields that go because they are no longer rendered, see Plan.
func differencesOf(rendered, copied *unstructured.Unstructured) []Difference {
	d := differ{hide: rendered.GetKind() == "Secret" && rendered.GroupVersionKind().Group == ""}
	var have any
	if copied != nil {
		have = copied.Object
	}
	d.compare(nil, withoutDigest(rendered.Object), have, false)
	slices.SortFunc(d.found, func(a, b Difference) int { return cmp.Compare(a.Path, b.Path) })
	return d.found
}

// withoutDigest returns an object without the digest, which differs whenever
// anything does.
func withoutDigest(obj map[string]any) map[string]any {
	metadata, annotations := at(obj, "metadata"), at(obj, "metadata", "annotations")
	if _, ok := annotations[transform.AnnotationDigest]; !ok {
		return obj
	}
	obj, metadata, annotations = maps.Clone(obj), maps.Clone(metadata), maps.Clone(annotations)
	delete(annotations, transform.AnnotationDigest)
	metadata["annotations"], obj["metadata"] = annotations, metadata
	return obj
}

type differ struct {
	hide  bool
	found []Difference
}

// compare walks to the deepest fields that differ.
func (d *differ) compare(steps []string, want, have any, amount bool) {
	if holds(want, have, amount) {
		return
	}
	before := len(d.found)
	switch w := want.(type) {
	case map[string]any:
		h, ok := have.(map[string]any)
		if !ok && have != nil {
			break
		}
		for _, key := range slices.Sorted(maps.Keys(w)) {
			d.compare(append(slices.Clip(steps), key), w[key], h[key], amount || amounts[key])
		}
	case []any:
		h, ok := have.([]any)
		key := mergeKey(w)
		if !ok || key == "" || mergeKey(h) != key {
			break
		}
		byKey := make(map[any]any, len(h))
		for _, element := range h {
			byKey[element.(map[string]any)[key]] = element
		}
		for _, element := range w {
			name := element.(map[string]any)[key].(string)
			d.compare(append(slices.Clip(steps), "="+name), element, byKey[name], amount)
		}
	}
	if len(d.found) > before {
		return // told by its parts
	}
	d.found = append(d.found, Difference{Path: pathOf(steps), Was: d.show(steps, have), Becomes: d.show(steps, want), steps: steps})
}

// show returns a value for people; nothing that a Secret holds.
func (d *differ) show(steps []string, v any) string {
	if v == nil {
		return ""
	}
	if d.hide && len(steps) > 0 && (steps[0] == "data" || steps[0] == "stringData") {
		return "(hidden)"
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("(%T)", v)
	}
	if len(text) > mostShown {
		return strings.ToValidUTF8(string(text[:mostShown]), "") + "..."
	}
	return string(text)
}

// pathOf writes a path for people.
func pathOf(steps []string) string {
	var b strings.Builder
	for _, s := range steps {
		name, element := strings.CutPrefix(s, "=")
		switch {
		case element:
			b.WriteString("[" + name + "]")
		case strings.ContainsAny(s, "./"):
			b.WriteString("[" + s + "]")
		default:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s)
		}
	}
	return b.String()
}
