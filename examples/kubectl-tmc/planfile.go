package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
)

// readObjects reads the documents of a file, - for standard input. Lists are taken
// apart.
func (s *session) readObjects(file string) ([]*unstructured.Unstructured, error) {
	in := s.in
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close() //nolint:errcheck // it is only read
		in = f
	}
	objects, err := decodeObjects(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return objects, nil
}

func decodeObjects(in io.Reader) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(in, 4096)
	for n := 1; ; n++ {
		raw := runtime.RawExtension{}
		err := decoder.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", n, err)
		}
		if len(raw.Raw) == 0 || string(raw.Raw) == "null" {
			continue // nothing between two ---
		}
		o := &unstructured.Unstructured{}
		if err := o.UnmarshalJSON(raw.Raw); err != nil {
			return nil, fmt.Errorf("document %d: %w", n, err)
		}
		if !o.IsList() {
			objects = append(objects, o)
			continue
		}
		err = o.EachListItem(func(item runtime.Object) error {
			element, ok := item.(*unstructured.Unstructured)
			if !ok {
				return errors.New("a list with something that is no object")
			}
			objects = append(objects, element)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", n, err)
		}
	}
}

// rehearse has the workspace say how objects would be if they were applied, by a dry
// run of a server-side apply: with its defaults, by its admission, under the rights
// of who asks.
func (s *session) rehearse(ctx context.Context, objects []*unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
	cfg, err := s.at(s.workspace)
	if err != nil {
		return nil, err
	}
	mapper, err := mapperFor(cfg)
	if err != nil {
		return nil, err
	}
	d, err := dynamic.NewForConfig(cfg)
	if err != nil {
		return nil, err
	}
	namespace, err := s.namespace()
	if err != nil {
		return nil, err
	}
	complete := make([]*unstructured.Unstructured, 0, len(objects))
	for _, o := range objects {
		kind := o.GroupVersionKind()
		mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
		if err != nil {
			return nil, fmt.Errorf("%s %s: the workspace does not serve it: %w", o.GetKind(), o.GetName(), err)
		}
		var at dynamic.ResourceInterface = d.Resource(mapping.Resource)
		if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
			if o.GetNamespace() == "" {
				o.SetNamespace(namespace)
			}
			at = d.Resource(mapping.Resource).Namespace(o.GetNamespace())
		}
		data, err := o.MarshalJSON()
		if err != nil {
			return nil, err
		}
		would, err := at.Patch(ctx, o.GetName(), types.ApplyPatchType, data, metav1.PatchOptions{
			DryRun: []string{metav1.DryRunAll}, Force: new(true), FieldManager: "kubectl", FieldValidation: metav1.FieldValidationStrict,
		})
		if err != nil {
			return nil, fmt.Errorf("%s %s: dry run in the workspace: %w", o.GetKind(), o.GetName(), err)
		}
		would.SetManagedFields(nil)
		complete = append(complete, would)
	}
	return complete, nil
}
