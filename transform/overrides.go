package transform

import (
	"encoding/json"
	"errors"
	"fmt"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// mostPatched bounds the size, in bytes, of a patch and of what it may make of
// an object; mostOperations the operations of one JSON patch.
const (
	mostPatched    = 2 << 20
	mostOperations = 10000
)

// override applies the overrides to the object, in order. They come from a
// tenant: they may change labels and annotations, but no other metadata, and
// what they do to the object's identity is found by the guard.
func override(overrides []Override, obj *unstructured.Unstructured) error {
	if len(overrides) == 0 {
		return nil
	}
	data, err := json.Marshal(obj.Object)
	if err != nil {
		return err
	}
	for i, o := range overrides {
		if data, err = o.apply(data); err != nil {
			return fmt.Errorf("override %d: %w", i, err)
		}
		if len(data) > mostPatched {
			return fmt.Errorf("override %d: the object is larger than %d bytes", i, mostPatched)
		}
	}
	var patched map[string]any // not Unstructured: its errors print the object
	if err := utiljson.Unmarshal(data, &patched); err != nil {
		return fmt.Errorf("the object is none after the overrides: %w", err)
	}
	for field, value := range patched {
		if field != "metadata" && forges(value) {
			return fmt.Errorf("%s: labels and annotations of %s and kcp.io are not for overrides to write, in templates either", field, Domain)
		}
	}
	obj.Object = patched
	return nil
}

// apply applies the patch to a JSON document and returns the result. It never
// panics, whatever the patch.
func (o Override) apply(data []byte) (out []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			out, err = nil, fmt.Errorf("the patch makes no sense: %v", r)
		}
	}()
	switch {
	case o.forms() > 1:
		return nil, errors.New("both jsonPatch and mergePatch are given, or another two patches")
	case max(len(o.JSONPatch), len(o.MergePatch), len(o.StrategicMergePatch)) > mostPatched:
		return nil, fmt.Errorf("the patch is larger than %d bytes", mostPatched)
	case o.JSONPatch != nil:
		operations, err := jsonpatch.DecodePatch(o.JSONPatch)
		if err != nil {
			return nil, fmt.Errorf("jsonPatch: %w", err)
		}
		if len(operations) > mostOperations {
			return nil, fmt.Errorf("jsonPatch: more than %d operations", mostOperations)
		}
		options := jsonpatch.NewApplyOptions()
		options.AccumulatedCopySizeLimit = mostPatched
		data, err = operations.ApplyWithOptions(data, options)
		if err != nil {
			return nil, fmt.Errorf("jsonPatch: %w", err)
		}
		return data, nil
	case o.MergePatch != nil:
		data, err := jsonpatch.MergePatch(data, o.MergePatch)
		if err != nil {
			return nil, fmt.Errorf("mergePatch: %w", err)
		}
		return data, nil
	case o.StrategicMergePatch != nil:
		data, err := mergeStrategically(data, o.StrategicMergePatch)
		if err != nil {
			return nil, fmt.Errorf("strategicMergePatch: %w", err)
		}
		return data, nil
	}
	return nil, errors.New("neither jsonPatch nor mergePatch nor strategicMergePatch is given")
}
