package placement

import (
	"errors"
	"fmt"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"

	"github.com/tmc-sdk/tmc/cluster"
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
	known map[string]compiled
	order []string // a ring: the oldest goes first
	next  int
}

type compiled struct {
	program cel.Program
	err     error
}

// compile compiles an expression over `cluster`, which has name, region, zone,
// provider, version, labels, properties (numbers where they are) and ready; and
// `request`, which has workspace, namespace, name and replicas.
func (x *expressions) compile(text string) (cel.Program, error) {
	if len(text) > mostExpression {
		return nil, fmt.Errorf("an expression is at most %d bytes long", mostExpression)
	}
	if x == nil {
		env, err := newEnv()
		if err != nil {
			return nil, err
		}
		return compileWith(env, text)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if c, ok := x.known[text]; ok {
		return c.program, c.err
	}
	if x.env == nil {
		env, err := newEnv()
		if err != nil {
			return nil, err
		}
		x.env, x.known = env, map[string]compiled{}
	}
	program, err := compileWith(x.env, text)
	if len(x.order) < mostPrograms {
		x.order = append(x.order, text)
	} else {
		delete(x.known, x.order[x.next])
		x.order[x.next] = text
		x.next = (x.next + 1) % mostPrograms
	}
	x.known[text] = compiled{program, err}
	return program, err
}

func newEnv() (*cel.Env, error) {
	return cel.NewEnv(
		cel.Variable("cluster", cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable("request", cel.MapType(cel.StringType, cel.DynType)),
	)
}

func compileWith(env *cel.Env, text string) (cel.Program, error) {
	ast, issues := env.Compile(text)
	if issues.Err() != nil {
		return nil, issues.Err()
	}
	if t := ast.OutputType(); !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.DynType) {
		return nil, fmt.Errorf("the expression is a %s and must be a bool", t)
	}
	return env.Program(ast, cel.CostLimit(mostCost))
}

// evaluate runs a program on a cluster.
func evaluate(program cel.Program, request map[string]any, c *cluster.State) (bool, error) {
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
			"labels": c.Labels, "properties": properties, "ready": c.Ready,
		},
	})
	if err != nil {
		return false, fmt.Errorf("expression: %w", err)
	}
	if result, ok := out.(types.Bool); ok {
		return bool(result), nil
	}
	return false, errors.New("expression: its value is not a bool")
}

// requestVariable is `request` in expressions.
func requestVariable(r *Request) map[string]any {
	if r == nil {
		return map[string]any{"workspace": "", "namespace": "", "name": "", "replicas": int64(0)}
	}
	return map[string]any{"workspace": r.Workspace, "namespace": r.Namespace, "name": r.Name, "replicas": total(r)}
}
