package main

import (
	"context"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/transform"
)

// LowCarbon is a scorer of our own: it prefers clusters whose property "carbon",
// in grams per kilowatt-hour, is low.
type LowCarbon struct{}

var _ placement.Scorer = LowCarbon{}

// Name implements placement.Scorer.
func (LowCarbon) Name() string { return "LowCarbon" }

// Score implements placement.Scorer.
func (LowCarbon) Score(_ *placement.Request, c *tmccluster.State) int64 {
	carbon, ok := c.Properties["carbon"]
	if !ok || !carbon.Numeric {
		return 0
	}
	return 100 - int64(carbon.Number/10)
}

// RegionEnv is a transformer of our own: it tells every container the region it
// runs in.
type RegionEnv struct{}

var _ transform.Transformer = RegionEnv{}

// Name implements transform.Transformer.
func (RegionEnv) Name() string { return "RegionEnv" }

// Transform implements transform.Transformer.
func (RegionEnv) Transform(_ context.Context, t *transform.Target, obj *unstructured.Unstructured) error {
	region := map[string]any{"name": "REGION", "value": t.Region}
	containers, _ := transform.PodSpec(obj)["containers"].([]any)
	for _, c := range containers {
		if container, ok := c.(map[string]any); ok {
			env, _ := container["env"].([]any)
			if !slices.ContainsFunc(env, func(v any) bool { return reflect.DeepEqual(v, any(region)) }) {
				container["env"] = append(env, region) // once, however often it runs
			}
		}
	}
	return nil
}
