package placement

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"

	"github.com/tmc-sdk/tmc/cluster"
)

// mostExpression bounds the length of an expression, mostCost what evaluating
// it on one cluster may cost, in CEL's units.
const (
	mostExpression = 2048
	mostCost       = 10_000
)

// compileExpression compiles a CEL expression over `cluster`, which has name,
// region, zone, provider, version, labels, properties (text) and ready. Nil for
// an empty one.
func compileExpression(text string) (cel.Program, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) > mostExpression {
		return nil, fmt.Errorf("an expression is at most %d bytes long", mostExpression)
	}
	env, err := cel.NewEnv(cel.Variable("cluster", cel.MapType(cel.StringType, cel.DynType)))
	if err != nil {
		return nil, err
	}
	ast, issues := env.Compile(text)
	if issues.Err() != nil {
		return nil, issues.Err()
	}
	if t := ast.OutputType(); !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.DynType) {
		return nil, fmt.Errorf("the expression is a %s and must be a bool", t)
	}
	return env.Program(ast, cel.CostLimit(mostCost))
}

// evaluate runs an expression on a cluster.
func evaluate(text string, c *cluster.State) (bool, error) {
	program, err := compileExpression(text)
	if err != nil || program == nil {
		return err == nil, err
	}
	properties := make(map[string]string, len(c.Properties))
	for name, p := range c.Properties {
		properties[name] = p.Text
	}
	out, _, err := program.Eval(map[string]any{"cluster": map[string]any{
		"name": c.Name, "region": c.Region, "zone": c.Zone, "provider": c.Provider, "version": c.Version,
		"labels": c.Labels, "properties": properties, "ready": c.Ready,
	}})
	if err != nil {
		return false, fmt.Errorf("expression: %w", err)
	}
	result, err := out.ConvertToNative(reflect.TypeFor[bool]())
	if err != nil || out.Type() != types.BoolType {
		return false, errors.New("expression: its value is not a bool")
	}
	return result.(bool), nil
}
