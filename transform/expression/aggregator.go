package expression

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tmc-sdk/tmc/transform"
)

// Aggregate returns an aggregator that gives what the expression gives, a map,
// as the status. It reads all copies for every event of one: where there are many,
// take Project, or transform.Fields.
func Aggregate(name, expression string, opts ...Option) (transform.Aggregator, error) {
	program, err := optionsOf(opts).compile(aggregating, expression, cel.MapType(cel.StringType, cel.DynType))
	if err != nil {
		return nil, fmt.Errorf("expression: %s: %w", name, err)
	}
	return &aggregator{name: name, program: program}, nil
}

type aggregator struct {
	name    string
	program cel.Program
}

var _ transform.Aggregator = (*aggregator)(nil)

// Name implements transform.Aggregator.
func (a *aggregator) Name() string { return a.name }

// Aggregate implements transform.Aggregator.
func (a *aggregator) Aggregate(original *unstructured.Unstructured, copies []transform.Observed) (map[string]any, error) {
	sorted := slices.Clone(copies)
	slices.SortFunc(sorted, func(a, b transform.Observed) int { return strings.Compare(a.Cluster, b.Cluster) })
	list := make([]any, 0, len(sorted))
	for _, c := range sorted {
		entry := map[string]any{"cluster": c.Cluster, "status": map[string]any{}, "replicas": nil}
		if c.Copy != nil {
			if status, ok := c.Copy.Object["status"].(map[string]any); ok && status != nil {
				entry["status"] = status
			}
		}
		if c.Replicas != nil {
			entry["replicas"] = int64(*c.Replicas)
		}
		list = append(list, entry)
	}
	value, _, err := a.program.Eval(map[string]any{"original": original.Object, "copies": list})
	if err != nil {
		return nil, err
	}
	result, err := native(value, 0)
	if err != nil {
		return nil, err
	}
	status, ok := result.(map[string]any)
	if !ok {
		return nil, errors.New("the expression gives no map")
	}
	return status, nil
}
