package transform

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Pipeline renders what goes to a cluster. It is safe for concurrent use.
type Pipeline struct {
	installation string
	naming       Naming
	replicas     map[schema.GroupKind][]string
	transformers []Transformer
}

// Option configures a Pipeline.
type Option func(*Pipeline)

// With appends transformers; they run in the order given.
func With(transformers ...Transformer) Option {
	return func(p *Pipeline) { p.transformers = append(p.transformers, transformers...) }
}

// WithNaming replaces the default HashedNaming. Changing the naming of an
// installation that has copies leaves those behind.
func WithNaming(n Naming) Option {
	return func(p *Pipeline) { p.naming = n }
}

// NewPipeline returns a pipeline. The installation id is part of the marks of
// every copy: a DNS label, unique among all that write to the same clusters.
func NewPipeline(installation string, opts ...Option) (*Pipeline, error) {
	if problems := validation.IsDNS1123Label(installation); len(problems) > 0 {
		return nil, fmt.Errorf("transform: installation %q: %s", installation, problems[0])
	}
	p := &Pipeline{installation: installation, naming: HashedNaming{}, replicas: replicaPaths}
	for _, opt := range opts {
		opt(p)
	}
	names := map[string]bool{}
	for _, t := range p.transformers {
		if t == nil {
			return nil, errors.New("transform: a transformer is nil")
		}
		if names[t.Name()] {
			return nil, fmt.Errorf("transform: two transformers are named %q", t.Name())
		}
		names[t.Name()] = true
	}
	return p, nil
}

// Installation returns the id of the installation.
func (p *Pipeline) Installation() string { return p.installation }

// Locate returns where the copy of an original stands on every cluster.
func (p *Pipeline) Locate(kind schema.GroupVersionKind, o Origin) (namespace, name string) {
	return p.naming.Locate(kind, o)
}

// Namespace renders the namespace that holds the copies of the originals of a
// namespace.
func (p *Pipeline) Namespace(o Origin) *unstructured.Unstructured {
	name, _ := p.naming.Locate(schema.GroupVersionKind{}, o)
	ns := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{}}}
	ns.SetName(name)
	Marks{p.installation, Origin{LogicalCluster: o.LogicalCluster, Name: o.Namespace}}.Stamp(ns)
	return ns
}

// Render returns what goes to the target: the original without what belongs to
// its workspace, where the naming says, with marks, transformed, with its share
// of the replicas. The original and the target are not changed. An error is a
// *Error or an *IdentityError and names the transformer, unless the
// original itself is malformed.
func (p *Pipeline) Render(ctx context.Context, t *Target, original *unstructured.Unstructured, o Origin) (*unstructured.Unstructured, error) {
	obj, err := p.render(ctx, t, original, o, false)
	if identity := (*IdentityError)(nil); errors.As(err, &identity) {
		// Once more, with a look after every step: to find out whose it was.
		if _, named := p.render(ctx, t, original, o, true); named != nil {
			return nil, named
		}
	}
	return obj, err
}

// render is Render. The guard looks once, at the end: what it finds then it
// would have found before, and eight looks cost more than eight transformers.
// With every set, it looks after every step.
func (p *Pipeline) render(ctx context.Context, t *Target, original *unstructured.Unstructured, o Origin, every bool) (*unstructured.Unstructured, error) {
	obj, err := bare(original)
	if err != nil {
		return nil, fmt.Errorf("transform: the original is malformed: %w", err)
	}
	namespace, name := p.naming.Locate(obj.GroupVersionKind(), o)
	obj.SetName(name)
	if namespace != "" {
		obj.SetNamespace(namespace)
	}
	marks := Marks{p.installation, o}
	marks.Stamp(obj)
	want := identityOf(obj, namespace, name, marks)

	mine := *t
	mine.Origin = o
	for _, step := range p.transformers {
		if err := p.step(ctx, step, &mine, obj); err != nil {
			return nil, err
		}
		if every {
			if err := want.check(step.Name(), obj); err != nil {
				return nil, err
			}
		}
	}
	if err := override(t.Overrides, obj); err != nil {
		return nil, &Error{Transformer: "overrides", Err: err}
	}
	if err := p.divide(t, obj); err != nil {
		return nil, &Error{Transformer: "replicas", Err: err}
	}
	if err := want.check("overrides", obj); err != nil {
		return nil, err
	}
	return obj, nil
}

// step runs one transformer, and sees to it that it left JSON behind.
func (p *Pipeline) step(ctx context.Context, step Transformer, t *Target, obj *unstructured.Unstructured) error {
	if matches, err := applies(step, t, obj); err != nil || !matches {
		return err
	}
	if err := run(ctx, step, t, obj); err != nil {
		return &Error{Transformer: step.Name(), Err: err}
	}
	if jsonOnly(step) || plain(obj.Object, 0) {
		return nil
	}
	fields, err := copyMap(obj.Object) // numbers and lists of Go become those of JSON
	if err != nil {
		return &Error{Transformer: step.Name(), Err: err}
	}
	obj.Object = fields
	return nil
}

// applies asks a transformer that is a Matcher.
func applies(step Transformer, t *Target, obj *unstructured.Unstructured) (matches bool, err error) {
	m, ok := step.(Matcher)
	if !ok {
		return true, nil
	}
	defer func() {
		if r := recover(); r != nil {
			matches, err = false, &Error{Transformer: step.Name(), Err: fmt.Errorf("panicked: %v", r)}
		}
	}()
	return m.Matches(t, obj), nil
}

// run keeps a transformer that panics from taking the process down.
func run(ctx context.Context, step Transformer, t *Target, obj *unstructured.Unstructured) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panicked: %v", r)
		}
	}()
	return step.Transform(ctx, t, obj)
}
