package transform

import (
	"errors"
	"fmt"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// Validate says what is wrong with an override, without an object at hand: for
// admission, for controllers that want to refuse it when it is written, and for
// authors of patches.
func (o Override) Validate() error {
	switch {
	case o.forms() != 1:
		return errors.New("exactly one of jsonPatch, mergePatch and strategicMergePatch must be given")
	case max(len(o.JSONPatch), len(o.MergePatch), len(o.StrategicMergePatch)) > mostPatched:
		return fmt.Errorf("the patch is larger than %d bytes", mostPatched)
	case o.MergePatch != nil:
		return validateMerge("mergePatch", o.MergePatch)
	case o.StrategicMergePatch != nil:
		return validateMerge("strategicMergePatch", o.StrategicMergePatch)
	}
	operations, err := jsonpatch.DecodePatch(o.JSONPatch)
	if err != nil {
		return fmt.Errorf("jsonPatch: %w", err)
	}
	if len(operations) > mostOperations {
		return fmt.Errorf("jsonPatch has more than %d operations", mostOperations)
	}
	for i, op := range operations {
		if err := checkOperation(op); err != nil {
			return fmt.Errorf("jsonPatch[%d]: %w", i, err)
		}
	}
	return nil
}

// forms returns the number of patches that are given.
func (o Override) forms() (n int) {
	for _, patch := range [...][]byte{o.JSONPatch, o.MergePatch, o.StrategicMergePatch} {
		if patch != nil {
			n++
		}
	}
	return n
}

func validateMerge(form string, patch []byte) error {
	var merge map[string]any
	if err := utiljson.Unmarshal(patch, &merge); err != nil {
		return fmt.Errorf("%s: %w", form, err)
	}
	if merge == nil {
		return fmt.Errorf("%s is no object", form)
	}
	return forbidden(merge)
}

// Apply applies the override to a rendered object. What it does to the identity
// is for the pipeline to find. After an error the object is as it was.
func (o Override) Apply(obj *unstructured.Unstructured) error {
	return override([]Override{o}, obj)
}

// forbidden refuses a merge patch of what no patch may touch.
func forbidden(merge map[string]any) error {
	for _, field := range [...]string{"apiVersion", "kind", "status"} {
		if _, has := merge[field]; has {
			return fmt.Errorf("%s may not be changed", field)
		}
	}
	for field := range merge {
		if strings.HasPrefix(field, "$") {
			return fmt.Errorf("%s: the object as a whole may not be replaced", field)
		}
	}
	metadata, has := merge["metadata"]
	entries, ok := metadata.(map[string]any)
	if has && !ok {
		return errors.New("metadata may not be replaced")
	}
	for field := range entries {
		if field != "labels" && field != "annotations" {
			return fmt.Errorf("metadata.%s may not be changed", field)
		}
	}
	return nil
}

// checkOperation refuses an operation on what no patch may touch.
func checkOperation(op jsonpatch.Operation) error {
	path, err := op.Path()
	if err != nil {
		return err
	}
	switch op.Kind() {
	case "test":
		return nil
	case "move":
		from, err := op.From()
		if err != nil {
			return err
		}
		if err := checkPointer(from); err != nil {
			return err
		}
	}
	return checkPointer(path)
}

func checkPointer(pointer string) error {
	if pointer == "" || pointer[0] != '/' {
		return fmt.Errorf("path %q is not that of a field", pointer)
	}
	parts := strings.Split(pointer[1:], "/")
	switch field := unescape(parts[0]); field {
	case "apiVersion", "kind", "status":
		return fmt.Errorf("%s may not be changed", field)
	case "metadata":
		if len(parts) < 2 || parts[1] != "labels" && parts[1] != "annotations" {
			return errors.New("of metadata, labels and annotations alone may be changed")
		}
	}
	return nil
}

func unescape(part string) string {
	return strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
}
