package expression

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/ext"

	"github.com/tmc-sdk/tmc/transform"
)

// maxText bounds an expression, in bytes.
const maxText = 16 << 10

// environments are made once: making one costs more than compiling.
var (
	transforming = sync.OnceValues(func() (*cel.Env, error) { return environment("object", "target", "origin") })
	aggregating  = sync.OnceValues(func() (*cel.Env, error) { return environment("original", "copies") })
	judging      = sync.OnceValues(func() (*cel.Env, error) { return environment("copy") })
)

func environment(variables ...string) (*cel.Env, error) {
	opts := []cel.EnvOption{
		ext.Strings(ext.StringsVersion(3)), ext.Lists(), ext.Sets(), ext.Math(), cel.OptionalTypes(),
		escaping("escapeKey", "escape_key_string"), escaping("jsonpatch.escapeKey", "jsonpatch_escape_key_string"),
	}
	for _, v := range variables {
		opts = append(opts, cel.Variable(v, cel.DynType))
	}
	env, err := cel.NewEnv(opts...)
	if err != nil {
		return nil, err
	}
	return env.Extend(cel.CustomTypeProvider(policyTypes{env.CELTypeProvider()}))
}

// escaping declares a function that makes a key fit into the path of a patch.
func escaping(name, overload string) cel.EnvOption {
	return cel.Function(name, cel.Overload(overload, []*cel.Type{cel.StringType}, cel.StringType,
		cel.UnaryBinding(func(value ref.Val) ref.Val {
			text, ok := value.Value().(string)
			if !ok {
				return types.NewErr("%s takes a text", name)
			}
			return types.String(strings.ReplaceAll(strings.ReplaceAll(text, "~", "~0"), "/", "~1"))
		})))
}

// compile makes a program of an expression, for results of a type, and returns the
// expression as well.
func compile(env func() (*cel.Env, error), text string, limit uint64, want *cel.Type) (cel.Program, *cel.Ast, error) {
	if limit == 0 {
		return nil, nil, errors.New("limit 0 lets nothing run: leave the option Limit out for the default")
	}
	if strings.TrimSpace(text) == "" {
		return nil, nil, errors.New("the expression is empty: write one that gives " + want.String())
	}
	if len(text) > maxText {
		return nil, nil, fmt.Errorf("the expression is longer than %d bytes", maxText)
	}
	e, err := env()
	if err != nil {
		return nil, nil, fmt.Errorf("prepare CEL: %w", err)
	}
	parsed, issues := e.Compile(text)
	if err := issues.Err(); err != nil {
		return nil, nil, fmt.Errorf("compile %q: %w", text, err)
	}
	if err := known(parsed); err != nil {
		return nil, nil, fmt.Errorf("compile %q: %w", text, err)
	}
	got := parsed.OutputType()
	isMap := want.Kind() == types.MapKind && got.Kind() == types.StructKind && got.TypeName() == objectType
	if !isMap && !got.IsExactType(cel.DynType) && got.Kind() != want.Kind() {
		return nil, nil, fmt.Errorf("%q gives %s and not %s", text, got, want)
	}
	program, err := e.Program(parsed, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(limit))
	if err != nil {
		return nil, nil, fmt.Errorf("plan %q: %w", text, err)
	}
	return program, parsed, nil
}

// fields are those of the variables whose fields are known: a slip in the name of one
// is found when the expression is compiled, and not on the first object.
var fields = map[string][]string{
	"target": slices.Sorted(maps.Keys(seen(&transform.Target{}))),
	"origin": slices.Sorted(maps.Keys(origin(transform.Origin{}))),
}

// known returns an error for a field that a variable does not have.
func known(parsed *cel.Ast) error {
	var problem error
	own := map[string]bool{} // what a macro calls by the name of a variable
	root := parsed.NativeRep().Expr()
	ast.PreOrderVisit(root, ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.ComprehensionKind {
			own[e.AsComprehension().IterVar()], own[e.AsComprehension().IterVar2()] = true, true
		}
	}))
	ast.PreOrderVisit(root, ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.SelectKind || e.AsSelect().Operand().Kind() != ast.IdentKind {
			return
		}
		variable := strings.TrimPrefix(e.AsSelect().Operand().AsIdent(), ".")
		has, ok := fields[variable]
		if field := e.AsSelect().FieldName(); ok && !own[variable] && !slices.Contains(has, field) {
			problem = fmt.Errorf("%s has no field %q: it has %s", variable, field, strings.Join(has, ", "))
		}
	}))
	return problem
}
