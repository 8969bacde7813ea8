package placement

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"

	"github.com/tmc-sdk/tmc/cluster/facts"
)

const (
	// mostExpression bounds the length of an expression.
	mostExpression = 2048
	// mostCost bounds what evaluating it on one cluster may cost, in CEL's
	// units.
	mostCost = 10_000
	// mostPrograms bounds how many expressions an engine keeps compiled.
	mostPrograms = 256
)

// expressions compiles CEL expressions, and keeps the last ones. Nil keeps
// none.
type expressions struct {
	mu    sync.Mutex
	env   *cel.Env
	known map[spelled]compiled
	order []spelled // a ring: the oldest goes first
	next  int
}

// kind is what an expression must be.
type kind int

const (
	aBool kind = iota
	aNumber
)

// spelled is an expression and what it must be.
type spelled struct {
	text string
	kind kind
}

type compiled struct {
	program cel.Program
	err     error
}

// compile compiles an expression over `cluster`, which has name, region, zone,
// provider, version, labels, properties (numbers where they are), ready, nodes,
// free and allocatable (cpu in cores, memory in bytes, pods); and `request`,
// which has workspace, namespace, name and replicas.
func (x *expressions) compile(text string, want kind) (cel.Program, error) {
	if len(text) > mostExpression {
		return nil, fmt.Errorf("an expression is at most %d bytes long", mostExpression)
	}
	if x == nil {
		env, err := newEnv()
		if err != nil {
			return nil, err
		}
		return compileWith(env, text, want)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	key := spelled{text, want}
	if c, ok := x.known[key]; ok {
		return c.program, c.err
	}
	if x.env == nil {
		env, err := newEnv()
		if err != nil {
			return nil, err
		}
		x.env, x.known = env, map[spelled]compiled{}
	}
	program, err := compileWith(x.env, text, want)
	if len(x.order) < mostPrograms {
		x.order = append(x.order, key)
	} else {
		delete(x.known, x.order[x.next])
		x.order[x.next] = key
		x.next = (x.next + 1) % mostPrograms
	}
	x.known[key] = compiled{program, err}
	return program, err
}

func newEnv() (*cel.Env, error) {
	return cel.NewEnv(
		cel.Variable("cluster", cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable("request", cel.MapType(cel.StringType, cel.DynType)),
	)
}

func compileWith(env *cel.Env, text string, want kind) (cel.Program, error) {
	ast, issues := env.Compile(text)
	if issues.Err() != nil {
		return nil, issues.Err()
	}
	if err := want.admits(ast.OutputType()); err != nil {
		return nil, err
	}
	return env.Program(ast, cel.CostLimit(mostCost))
}

func (k kind) admits(t *cel.Type) error {
	allowed, name := []*cel.Type{cel.BoolType}, "bool"
	if k == aNumber {
		allowed, name = []*cel.Type{cel.IntType, cel.UintType, cel.DoubleType}, "number"
	}
	if t.IsExactType(cel.DynType) || slices.ContainsFunc(allowed, t.IsExactType) {
		return nil // what is not known before is checked when it is run
	}
	return fmt.Errorf("the expression is a %s and must be a %s", t, name)
}

// evaluate runs a program on a cluster.
func evaluate(program cel.Program, request map[string]any, c *facts.State) (bool, error) {
	out, err := run(program, request, c)
	if err != nil {
		return false, err
	}
	if result, ok := out.(types.Bool); ok {
		return bool(result), nil
	}
	return false, errors.New("expression: its value is not a bool")
}

// evaluateNumber runs a program on a cluster.
func evaluateNumber(program cel.Program, request map[string]any, c *facts.State) (float64, error) {
	out, err := run(program, request, c)
	if err != nil {
		return 0, err
	}
	switch n := out.(type) {
	case types.Int:
		return float64(n), nil
	case types.Uint:
		return float64(n), nil
	case types.Double:
		return float64(n), nil
	}
	return 0, errors.New("expression: its value is not a number")
}

func run(program cel.Program, request map[string]any, c *facts.State) (ref.Val, error) {
	properties := make(map[string]any, len(c.Properties))
	for name, p := range c.Properties {
		properties[name] = p.Text
		if p.Numeric {
			properties[name] = p.Number
		}
	}
	out, _, err := program.Eval(map[string]any{
		"request": request,
		"cluster": map[string]any{
			"name": c.Name, "region": c.Region, "zone": c.Zone, "provider": c.Provider, "version": c.Version,
			"labels": c.Labels, "properties": properties, "ready": c.Ready, "nodes": int64(c.Nodes),
			"free": amounts(c.Free()), "allocatable": amounts(c.Allocatable),
		},
	})
	if err != nil {
		return nil, fmt.Errorf("expression: %w", err)
	}
	return out, nil
}

// amounts are resources in expressions.
func amounts(r facts.Resources) map[string]any {
	return map[string]any{"cpu": float64(r.MilliCPU) / 1000, "memory": r.Memory, "pods": r.Pods}
}

// requestVariable is `request` in expressions.
func requestVariable(r *Request) map[string]any {
	if r == nil {
		return map[string]any{"workspace": "", "namespace": "", "name": "", "replicas": int64(0)}
	}
	return map[string]any{"workspace": r.Workspace, "namespace": r.Namespace, "name": r.Name, "replicas": total(r)}
}
