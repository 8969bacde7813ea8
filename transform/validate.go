package transform

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Validator is an optional interface of transformers: NewPipeline asks what is wrong
// with how one was set up, so that a slip in a platform's configuration is told when
// the controller starts and not when an object comes by. Those whose constructor
// returns an error need none.
type Validator interface {
	// Validate says what is wrong, and what to do about it; nil if nothing is.
	Validate() error
}

func validate(step Transformer) error {
	if v, ok := step.(Validator); ok {
		return v.Validate()
	}
	return nil
}

// checkTransformers finds what would only be found when objects come by, or never.
func (p *Pipeline) checkTransformers() error {
	names := map[string]bool{}
	for i, t := range p.transformers {
		if t == nil {
			return fmt.Errorf("transform: transformer %d is nil", i)
		}
		name := t.Name()
		switch {
		case name == "":
			return fmt.Errorf("transform: transformer %d, a %T, has no name: give it one by Named", i, t)
		case name == stepOverrides || name == stepReplicas:
			return fmt.Errorf("transform: transformer %d is named %q, as a step of every pipeline is: give it another name by Named", i, name)
		case names[name]:
			return fmt.Errorf("transform: two transformers are named %q: give one another name by Named", name)
		}
		names[name] = true
		if err := validate(t); err != nil {
			return fmt.Errorf("transform: transformer %s: %w", name, err)
		}
	}
	return nil
}

// Steps of every pipeline that errors and changes name.
const (
	stepOverrides = "overrides"
	stepReplicas  = "replicas"
)

// checkOptions finds options that would have no effect, or one twice.
func (p *Pipeline) checkOptions() error {
	if p.naming == nil {
		return errors.New("transform: WithNaming: the naming is nil: leave the option out for HashedNaming")
	}
	for _, kind := range sortedKinds(p.replicas) {
		if path := p.replicas[kind]; kind.Kind == "" || slices.Contains(path, "") {
			return fmt.Errorf("transform: WithReplicas of %q at %q: neither the kind nor a field of the path may be empty", kind, strings.Join(path, "."))
		}
	}
	for _, kind := range sortedKinds(p.pods) {
		if _, known := podSpecPaths[kind]; known {
			return fmt.Errorf("transform: WithPodSpecs: the pods of a %s are known: leave the option out", kind.Kind)
		}
		seen := map[string]bool{}
		for i, path := range p.pods[kind] {
			if kind.Kind == "" || len(path.steps) == 0 || seen[path.text] {
				return fmt.Errorf("transform: WithPodSpecs of %q: paths[%d] %q is empty, or there twice, or the kind is empty", kind, i, path)
			}
			seen[path.text] = true
		}
	}
	return nil
}

func sortedKinds[T any](m map[schema.GroupKind]T) []schema.GroupKind {
	return slices.SortedFunc(maps.Keys(m), func(a, b schema.GroupKind) int { return strings.Compare(a.String(), b.String()) })
}

// Validate implements Validator.
func (m matched) Validate() error {
	for i := range m.rules {
		for kind := range m.rules[i].kinds {
			if kind.Kind == "" {
				return fmt.Errorf("match: rules[%d].Kinds: %q has no kind, and matches nothing: Any stands for all kinds of a group", i, kind)
			}
		}
	}
	return validate(m.Transformer)
}

// Validate implements Validator.
func (w *within) Validate() error {
	for i, path := range w.paths {
		if len(path.steps) == 0 {
			return fmt.Errorf("within: paths[%d] is the zero Path, which would open the whole object: take one of ParsePath", i)
		}
	}
	return validate(w.Transformer)
}

// Validate implements Validator.
func (n named) Validate() error { return validate(n.Transformer) }
