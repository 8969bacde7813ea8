package transform

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Transformer changes what goes to a cluster.
//
// It is pure: the same target and object give the same result, and applying it
// twice is applying it once. It is safe for concurrent use. It may change
// anything of the object but its identity: API version, kind, namespace, name
// and marks. An error stops the object from going to this cluster and is told
// to the object's owner.
type Transformer interface {
	// Name of the transformer, unique in a pipeline.
	Name() string
	// Transform changes obj, which belongs to the transformer until it
	// returns.
	Transform(ctx context.Context, t *Target, obj *unstructured.Unstructured) error
}

// Func makes a transformer of a function.
func Func(name string, fn func(ctx context.Context, t *Target, obj *unstructured.Unstructured) error) Transformer {
	return function{name, fn}
}

type function struct {
	name string
	fn   func(context.Context, *Target, *unstructured.Unstructured) error
}

var _ Transformer = function{}

func (f function) Name() string { return f.name }

func (f function) Transform(ctx context.Context, t *Target, obj *unstructured.Unstructured) error {
	return f.fn(ctx, t, obj)
}
