package builtin_test

import (
	"testing"

	"github.com/tmc-sdk/tmc/transform"
	"github.com/tmc-sdk/tmc/transform/builtin"
)

// BenchmarkBuiltins has each transformer change, for the first time, an object
// that it is for: the time is short of what copying the object costs.
func BenchmarkBuiltins(b *testing.B) {
	for _, step := range append(all(), builtin.Autoscalers(), builtin.DisruptionBudgets(), builtin.JobParts()) {
		b.Run(step.Name(), func(b *testing.B) {
			for _, obj := range append(objects(),
				parse(`{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, spec: {minReplicas: 3, maxReplicas: 30}}`),
				parse(`{apiVersion: policy/v1, kind: PodDisruptionBudget, spec: {minAvailable: 3}}`),
				parse(`{apiVersion: batch/v1, kind: Job, spec: {completions: 100, parallelism: 10}}`)) {
				changed := obj.DeepCopy()
				if m, ok := step.(transform.Matcher); ok && !m.Matches(europe, obj) {
					continue
				}
				if err := step.Transform(b.Context(), europe, changed); err != nil || equal(obj, changed) {
					continue
				}
				b.ReportAllocs()
				for b.Loop() {
					b.StopTimer()
					fresh := obj.DeepCopy()
					b.StartTimer()
					if err := step.Transform(b.Context(), europe, fresh); err != nil {
						b.Fatal(err)
					}
				}
				return
			}
			b.Skip("no object is changed by it")
		})
	}
}
