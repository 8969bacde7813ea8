package expression

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tmc-sdk/tmc/transform"
)

// Merge returns a transformer that merges into an object what the expression
// gives, a map: maps are merged, null removes a field, all else replaces it.
func Merge(name, expression string, opts ...Option) (transform.Transformer, error) {
	return newTransformer(name, expression, cel.MapType(cel.StringType, cel.DynType), opts, func(obj map[string]any, result any) error {
		patch, ok := result.(map[string]any)
		if !ok {
			return errors.New("the expression gives no map")
		}
		merge(obj, patch)
		return nil
	})
}

// Patch returns a transformer that applies to an object the operations that the
// expression gives, a list of maps such as {"op": "replace", "path": "/spec/x",
// "value": 1}: those of RFC 6902. If one fails, so does the transformer.
func Patch(name, expression string, opts ...Option) (transform.Transformer, error) {
	return newTransformer(name, expression, cel.ListType(cel.DynType), opts, func(obj map[string]any, result any) error {
		operations, ok := result.([]any)
		if !ok {
			return errors.New("the expression gives no list")
		}
		for i, item := range operations {
			if err := operate(obj, item); err != nil {
				return fmt.Errorf("operation %d: %w", i, err)
			}
		}
		return nil
	})
}

func newTransformer(name, text string, want *cel.Type, opts []Option, apply func(map[string]any, any) error) (transform.Transformer, error) {
	o := optionsOf(opts)
	if name == "" {
		return nil, errors.New("expression: the name is empty: conditions and logs tell a transformer by it")
	}
	program, parsed, err := compile(transforming, text, o.limit, want)
	if err == nil && o.when != "" {
		if text, err = o.joined(transforming, text); err == nil {
			program, parsed, err = compile(transforming, text, o.limit, cel.DynType)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("expression: %s: %w", name, err)
	}
	return &transformer{name: name, program: program, conditional: o.when != "", independent: !mentions(parsed, "target"), apply: apply}, nil
}

// mentions says whether an expression has an identifier, of whatever it is.
func mentions(parsed *cel.Ast, identifier string) bool {
	found := false
	ast.PreOrderVisit(parsed.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.IdentKind && strings.TrimPrefix(e.AsIdent(), ".") == identifier {
			found = true
		}
	}))
	return found
}

type transformer struct {
	name        string
	program     cel.Program
	conditional bool // null is for objects that the condition is not for
	independent bool // of the target
	apply       func(obj map[string]any, result any) error
}

var (
	_ transform.Transformer = (*transformer)(nil)
	_ transform.JSONOnly    = (*transformer)(nil)

	_ transform.TargetIndependent = (*transformer)(nil)
)

// Name implements transform.Transformer.
func (t *transformer) Name() string { return t.name }

// JSONOnly implements transform.JSONOnly.
func (t *transformer) JSONOnly() bool { return true }

// TargetIndependent implements transform.TargetIndependent: an expression that does
// not mention the target does not depend on it.
func (t *transformer) TargetIndependent() bool { return t.independent }

// Transform implements transform.Transformer.
func (t *transformer) Transform(_ context.Context, target *transform.Target, obj *unstructured.Unstructured) error {
	if obj.Object == nil {
		return errors.New("there is no object")
	}
	input := map[string]any{"object": obj.Object, "target": seen(target), "origin": origin(target.Origin)}
	value, _, err := t.program.Eval(input)
	if err != nil {
		return err
	}
	if t.conditional && value == types.NullValue {
		return nil
	}
	result, err := native(value, 0)
	if err != nil {
		return err
	}
	return t.apply(obj.Object, result)
}

// seen is what expressions see of a target.
func seen(t *transform.Target) map[string]any {
	var replicas any
	if t.Replicas != nil {
		replicas = int64(*t.Replicas)
	}
	return map[string]any{
		"cluster": t.Cluster, "region": t.Region, "zone": t.Zone, "provider": t.Provider, "version": t.Version,
		"labels": t.Labels, "properties": t.Properties, "replicas": replicas,
	}
}

func origin(o transform.Origin) map[string]any {
	return map[string]any{"workspace": o.LogicalCluster, "namespace": o.Namespace, "name": o.Name}
}
