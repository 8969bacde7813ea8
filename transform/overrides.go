package transform

import (
	"encoding/json"
	"errors"
	"fmt"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// mostPatched bounds the size, in bytes, of what a patch may make of an object.
const mostPatched = 2 << 20

// override applies the overrides to the object, in order. They come from a
// tenant: what they do to the object's identity is found by the guard.
func override(overrides []Override, obj *unstructured.Unstructured) error {
	if len(overrides) == 0 {
		return nil
	}
	data, err := json.Marshal(obj.Object)
	if err != nil {
		return err
	}
	for i, o := range overrides {
		if data, err = patch(o, data); err != nil {
			return fmt.Errorf("override %d: %w", i, err)
		}
		if len(data) > mostPatched {
			return fmt.Errorf("override %d: the object is larger than %d bytes", i, mostPatched)
		}
	}
	patched := &unstructured.Unstructured{}
	if err := patched.UnmarshalJSON(data); err != nil {
		return fmt.Errorf("the object is none after the overrides: %w", err)
	}
	obj.Object = patched.Object
	return nil
}

func patch(o Override, data []byte) ([]byte, error) {
	switch {
	case o.JSONPatch != nil:
		operations, err := jsonpatch.DecodePatch(o.JSONPatch)
		if err != nil {
			return nil, fmt.Errorf("jsonPatch: %w", err)
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
	}
	return nil, errors.New("neither jsonPatch nor mergePatch is given")
}
