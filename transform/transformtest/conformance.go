package transformtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tmc-sdk/tmc/transform"
)

// fuzzed is the number of nonsensical objects made of each that is given.
const fuzzed = 200

// TestTransformer checks that a transformer keeps the contract, on the objects
// that it is written for. They are not changed.
func TestTransformer(t *testing.T, step transform.Transformer, target *transform.Target, objects ...*unstructured.Unstructured) {
	t.Helper()
	if err := Check(t.Context(), step, target, objects...); err != nil {
		t.Error(err)
	}
}

// Check is TestTransformer for those who have no *testing.T. Its error joins
// all that was found.
func Check(ctx context.Context, step transform.Transformer, target *transform.Target, objects ...*unstructured.Unstructured) error {
	if len(objects) == 0 {
		return errors.New("transformtest: no object is given")
	}
	c := checker{step: step, target: target}
	var problems []error
	if name := step.Name(); name == "" || name != step.Name() {
		problems = append(problems, errors.New("its name is empty, or not the same twice"))
	}
	for i, obj := range objects {
		for _, rule := range []struct {
			name  string
			check func(context.Context, *unstructured.Unstructured) error
		}{
			{"determinism", c.deterministic},
			{"idempotence", c.idempotent},
			{"identity", c.keepsIdentity},
			{"independence", c.independent},
			{"concurrency", c.concurrent},
			{"nonsense", c.survives},
		} {
			if err := rule.check(ctx, obj); err != nil {
				problems = append(problems, fmt.Errorf("transformer %s, object %d (%s %s), %s: %w", step.Name(), i, obj.GetKind(), obj.GetName(), rule.name, err))
			}
		}
	}
	return errors.Join(problems...)
}

type checker struct {
	step   transform.Transformer
	target *transform.Target
}

// run transforms a copy, and says whether the target was changed meanwhile.
func (c checker) run(ctx context.Context, obj *unstructured.Unstructured) (out *unstructured.Unstructured, err error) {
	target := cloneTarget(c.target)
	out = obj.DeepCopy()
	defer func() {
		if r := recover(); r != nil {
			out, err = nil, fmt.Errorf("%w: %v", errPanic, r)
		}
	}()
	if err := c.step.Transform(ctx, target, out); err != nil {
		return nil, err
	}
	if !reflect.DeepEqual(target, c.target) {
		return nil, fmt.Errorf("it changed its target (-want +got):\n%s", cmp.Diff(c.target, target, cmpopts.IgnoreUnexported(transform.Target{})))
	}
	return out, nil
}

var errPanic = errors.New("it panicked")

func (c checker) deterministic(ctx context.Context, obj *unstructured.Unstructured) error {
	first, err := c.run(ctx, obj)
	if err != nil {
		return err
	}
	for range 10 {
		again, err := c.run(ctx, obj)
		if err != nil {
			return err
		}
		if diff := cmp.Diff(first.Object, again.Object); diff != "" {
			return fmt.Errorf("the same object gives another result (-first +later):\n%s", diff)
		}
	}
	return nil
}

func (c checker) idempotent(ctx context.Context, obj *unstructured.Unstructured) error {
	once, err := c.run(ctx, obj)
	if err != nil {
		return err
	}
	twice, err := c.run(ctx, once)
	if err != nil {
		return err
	}
	if diff := cmp.Diff(once.Object, twice.Object); diff != "" {
		return fmt.Errorf("twice is not once (-once +twice):\n%s", diff)
	}
	return nil
}

// keepsIdentity has a pipeline look, and the original unchanged.
func (c checker) keepsIdentity(ctx context.Context, obj *unstructured.Unstructured) error {
	p, err := transform.NewPipeline("conformance", transform.With(c.step))
	if err != nil {
		return err
	}
	original := obj.DeepCopy()
	origin := transform.Origin{LogicalCluster: "1conformance", Namespace: obj.GetNamespace(), Name: obj.GetName(), UID: "conformance"}
	if _, err := p.Render(ctx, cloneTarget(c.target), original, origin); err != nil {
		return err
	}
	if diff := cmp.Diff(obj.Object, original.Object); diff != "" {
		return fmt.Errorf("the original changed (-want +got):\n%s", diff)
	}
	return nil
}

// independent has a transformer that says that it does not look at its target do
// the same for another: a cache would give the one's rendering to the other.
func (c checker) independent(ctx context.Context, obj *unstructured.Unstructured) error {
	i, ok := c.step.(transform.TargetIndependent)
	if !ok || !i.TargetIndependent() {
		return nil
	}
	here, err := c.run(ctx, obj)
	if err != nil {
		return err
	}
	elsewhere := checker{step: c.step, target: &transform.Target{
		Cluster: c.target.Cluster + "-other", Region: c.target.Region + "-other", Origin: c.target.Origin,
		Replicas: c.target.Replicas, Division: c.target.Division, Kind: c.target.Kind,
	}}
	there, err := elsewhere.run(ctx, obj)
	if err != nil {
		return fmt.Errorf("it says that it does not depend on the target, and fails on another: %w", err)
	}
	if diff := cmp.Diff(here.Object, there.Object); diff != "" {
		return fmt.Errorf("it says that it does not depend on the target, and does something else on another (-here +there):\n%s", diff)
	}
	return nil
}

// concurrent runs it in several goroutines on one target: go test -race sees
// what they share.
func (c checker) concurrent(ctx context.Context, obj *unstructured.Unstructured) error {
	want, err := c.run(ctx, obj)
	if err != nil {
		return err
	}
	problems := make([]error, 8)
	var wg sync.WaitGroup
	for i := range problems {
		wg.Go(func() {
			got, err := c.run(ctx, obj)
			if err == nil && !reflect.DeepEqual(want, got) {
				err = errors.New("it gives another result when it runs concurrently")
			}
			problems[i] = err
		})
	}
	wg.Wait()
	return errors.Join(problems...)
}

// survives has it transform nonsense: an error will do, a panic will not.
func (c checker) survives(ctx context.Context, obj *unstructured.Unstructured) error {
	for seed := range uint64(fuzzed) {
		broken := nonsense(seed, obj)
		out, err := c.run(ctx, broken)
		if errors.Is(err, errPanic) {
			return fmt.Errorf("%w, on %v", err, broken.Object)
		}
		if err != nil {
			continue
		}
		twice, err := c.run(ctx, out)
		if err != nil {
			return fmt.Errorf("what it made is refused the second time: %w, on %v", err, broken.Object)
		}
		if diff := cmp.Diff(out.Object, twice.Object); diff != "" {
			return fmt.Errorf("twice is not once, on %v (-once +twice):\n%s", broken.Object, diff)
		}
	}
	return nil
}

func cloneTarget(t *transform.Target) *transform.Target {
	clone := *t
	clone.Labels, clone.Properties = maps.Clone(t.Labels), maps.Clone(t.Properties)
	clone.Overrides = slices.Clone(t.Overrides)
	return &clone
}
