package transform

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Render returns what goes to the target: the original without what belongs to
// its workspace, where the naming says, with marks, transformed, with its share
// of the replicas. The original and the target are not changed. An error is a
// *Error or an *IdentityError and names the transformer, unless the original
// itself is malformed or, as ErrKindRefused, of a kind that can't be copied.
func (p *Pipeline) Render(ctx context.Context, t *Target, original *unstructured.Unstructured, o Origin) (*unstructured.Unstructured, error) {
	obj, err := p.render(ctx, t, original, o, false)
	if err != nil {
		// The guard looks after every transformer only to find out which one it
		// was: what it finds then it finds at the end, and one that failed may
		// have done so because of what another left.
		obj, err = p.render(ctx, t, original, o, true)
	}
	return obj, err
}

// render looks once, at the end, or after every transformer.
func (p *Pipeline) render(ctx context.Context, t *Target, original *unstructured.Unstructured, o Origin, careful bool) (*unstructured.Unstructured, error) {
	if err := refuse(groupKind(original)); err != nil {
		return nil, err
	}
	obj, err := bare(original)
	if err != nil {
		return nil, fmt.Errorf("transform: the original is malformed: %w", err)
	}
	p.withhold(obj, original)
	as, err := p.kindFor(t, original)
	if err != nil {
		return nil, err
	}
	kind := groupKind(obj)
	want := p.place(obj, o, as)
	p.nameOwners(t, original, obj, want)
	mine := *t
	mine.Origin, mine.pods, mine.careful = o, p.pods, careful
	mine.known = &known{podPath: podSpecPaths[kind]}
	// Overrides come from tenants: the platform's transformers have the last word.
	if err := override(t.Overrides, obj); err != nil {
		return nil, &Error{Transformer: stepOverrides, Err: err}
	}
	if careful {
		if err := want.check(stepOverrides, obj); err != nil {
			return nil, err
		}
	}
	for _, step := range p.transformers {
		if err := apply(ctx, step, &mine, obj); err != nil {
			return nil, &Error{Transformer: step.Name(), Err: err}
		}
		if careful {
			if err := want.check(step.Name(), obj); err != nil {
				return nil, err
			}
		}
		if jsonOnly(step) {
			continue
		}
		if err := normalise(obj); err != nil {
			return nil, &Error{Transformer: step.Name(), Err: err}
		}
	}
	if err := p.divide(t, kind, obj); err != nil {
		return nil, &Error{Transformer: stepReplicas, Err: err}
	}
	if err := want.check(stepReplicas, obj); err != nil {
		return nil, err
	}
	if err := refuseToken(obj); err != nil {
		return nil, err
	}
	return obj, nil
}

// place puts a bare object where its copy stands, with its marks, and returns
// what must stay so. As is what it becomes; empty for what it is.
func (p *Pipeline) place(obj *unstructured.Unstructured, o Origin, as schema.GroupVersionKind) *identity {
	namespace, name := p.naming.Locate(obj.GroupVersionKind(), o)
	metadata, _ := obj.Object["metadata"].(map[string]any)
	metadata["name"] = name
	if namespace != "" {
		metadata["namespace"] = namespace
	}
	marks := Marks{Installation: p.installation, Origin: o}
	if !as.Empty() {
		if kind := groupKind(obj); kind != as.GroupKind() {
			marks.Kind = kind
		}
		obj.SetGroupVersionKind(as)
	}
	want := identityOf(obj, namespace, name, marks)
	stamp(metadata, "labels", want.labels)
	stamp(metadata, "annotations", want.annotations)
	return want
}

// stamp is Marks.Stamp without its copies.
func stamp(metadata map[string]any, field string, marks []mark) {
	m, ok := metadata[field].(map[string]any)
	if !ok {
		m = make(map[string]any, len(marks))
		metadata[field] = m
	}
	for _, w := range marks {
		m[w.key] = w.value
	}
}

// normalise makes numbers and lists of Go those of JSON.
func normalise(obj *unstructured.Unstructured) error {
	if plain(obj.Object, 0) {
		return nil
	}
	fields, err := copyMap(obj.Object)
	if err == nil {
		obj.Object = fields
	}
	return err
}

// apply runs a transformer if it is for the object, and keeps one that panics
// from taking the process down.
func apply(ctx context.Context, step Transformer, t *Target, obj *unstructured.Unstructured) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panicked: %v", r)
		}
	}()
	if m, ok := step.(Matcher); ok && !m.Matches(t, obj) {
		return nil
	}
	return step.Transform(ctx, t, obj)
}
