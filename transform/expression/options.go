package expression

import (
	"fmt"

	"github.com/google/cel-go/cel"
)

// Option configures what this package makes.
type Option func(*options)

type options struct {
	when  string
	limit uint64
}

// When has a transformer do nothing where a condition, an expression over the
// same variables, is false.
func When(condition string) Option {
	return func(o *options) { o.when = condition }
}

// Limit bounds what one run may cost, in units of CEL, about one for each
// step. Default: 1,000,000, as for one expression in Kubernetes.
func Limit(cost uint64) Option {
	return func(o *options) { o.limit = cost }
}

// compile is the function compile, for the options' limit and the program alone.
func (o options) compile(env func() (*cel.Env, error), text string, want *cel.Type) (cel.Program, error) {
	program, _, err := compile(env, text, o.limit, want)
	return program, err
}

func optionsOf(opts []Option) options {
	o := options{limit: 1_000_000}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// joined compiles the condition and joins it with the expression, so that both
// are one run.
func (o options) joined(env func() (*cel.Env, error), text string) (string, error) {
	if o.when == "" {
		return text, nil
	}
	if _, err := o.compile(env, o.when, cel.BoolType); err != nil {
		return "", fmt.Errorf("condition: %w", err)
	}
	return "(" + o.when + "\n) ? dyn(" + text + "\n) : dyn(null)", nil
}
