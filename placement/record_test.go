package placement_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"pgregory.net/rapid"

	"github.com/tmc-sdk/tmc/cluster/facts"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// What was recorded is decided anew to the same bytes, by another engine.
func TestReplay(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 123456789, time.FixedZone("x", 3600))
	apis := facts.NewAPISet(facts.API{Kind: schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}})
	rapid.Check(t, func(t *rapid.T) {
		in := drawInstance(t, drawShape(t), 8, allDivisions...)
		in.work(t)
		in.request.Now = now
		in.request.Spec.Tolerations = []v1alpha1.Toleration{{Key: "down", Operator: "Exists", TolerationSeconds: new(int64(1))}}
		in.request.Reserved = map[string]facts.Resources{"c0": {MilliCPU: 1000, Extended: map[corev1.ResourceName]int64{"gpu": 1}}}
		in.request.Evicted = []placement.Eviction{{Cluster: "c1", Until: now.Add(time.Nanosecond)}}
		for i, s := range in.fleet {
			if i%3 == 0 {
				tainted("NoExecute", now.Add(-time.Second+time.Duration(rapid.IntRange(-1, 1).Draw(t, "when"))))(s)
			}
			if i%4 == 0 {
				forWorkspace("w1")(s)
				using(100, 100, now)(s)
			}
			if i%2 == 0 {
				s.APIs = apis
			}
		}
		d := in.place(t)
		recorded, err := d.Record()
		require.NoError(t, err)
		again, err := placement.Replay(context.Background(), rankEngine(t), recorded)
		require.NoError(t, err)
		require.Equal(t, d.Explain(), again.Explain())
		twice, err := again.Record()
		require.NoError(t, err)
		require.Equal(t, string(recorded), string(twice))
	})
}

func TestReplayRefuses(t *testing.T) {
	engine, err := placement.NewEngine()
	require.NoError(t, err)
	d, err := engine.Place(t.Context(), &placement.Request{}, facts.NewSnapshot(state("a", "eu"), state("b", "eu", allocated(1000))))
	require.NoError(t, err)
	recorded, err := d.Record()
	require.NoError(t, err)
	_, err = placement.Replay(t.Context(), engine, []byte(strings.Replace(string(recorded), `"MilliCPU":1000,`, `"MilliCPU":-100000,`, 1)))
	require.NoError(t, err, "it is the same decision")
	_, err = placement.Replay(t.Context(), engine, []byte(strings.Replace(string(recorded), `"cluster":"a"`, `"cluster":"b"`, 1)))
	require.ErrorIs(t, err, placement.ErrDiverged)
	_, err = placement.Replay(t.Context(), rankEngine(t), recorded)
	require.ErrorContains(t, err, "the record is of an engine with")
	_, err = placement.Replay(t.Context(), engine, []byte(`{"version":2}`))
	require.ErrorContains(t, err, "version 2")
	_, err = placement.Replay(t.Context(), engine, []byte(`{`))
	require.Error(t, err)
	_, err = new(placement.Decision).Record()
	require.Error(t, err)
}
