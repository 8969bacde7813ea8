package planning_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/planning"
)

var monday = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

// cores is an amount of cpu.
func cores(n float64) tmccluster.Resources { return tmccluster.Resources{MilliCPU: int64(1000 * n)} }

// growing returns a sample a day: 10 cores allocatable, from the given number
// allocated, so many more each day.
func growing(days int, from, perDay float64) []planning.Sample {
	var samples []planning.Sample
	for d := range days {
		samples = append(samples, planning.Sample{
			At: monday.AddDate(0, 0, d), Allocatable: cores(10), Allocated: cores(from + perDay*float64(d)),
		})
	}
	return samples
}

func TestForecast(t *testing.T) {
	cases := map[string]struct {
		reason  string
		samples []planning.Sample
		known   bool
		perDay  float64
		left    *float64
	}{
		"grows":        {"half a core a day, five cores left", growing(5, 3, 0.5), true, 0.5, new(10.0)},
		"steady":       {"it never fills", growing(5, 3, 0), true, 0, nil},
		"shrinks":      {"it never fills", growing(5, 9, -1), true, -1, nil},
		"full":         {"it is full now", growing(5, 6, 1), true, 1, new(0.0)},
		"too few":      {"two points make any line", growing(2, 3, 1), false, 0, nil},
		"one":          {"one point makes none", growing(1, 3, 1), false, 0, nil},
		"for a moment": {"a minute says nothing of a day", []planning.Sample{{At: monday, Allocatable: cores(10)}, {At: monday.Add(time.Minute), Allocatable: cores(10), Allocated: cores(1)}, {At: monday.Add(2 * time.Minute), Allocatable: cores(10), Allocated: cores(2)}}, false, 0, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			now := tc.samples[len(tc.samples)-1].At
			got := planning.ForecastOf("eu-1", tc.samples, now)
			require.Len(t, got, 1)
			require.Equal(t, tc.known, got[0].Known, tc.reason)
			require.InDelta(t, tc.perDay, got[0].PerDay, 1e-9, tc.reason)
			require.Equal(t, tc.left == nil, got[0].DaysLeft == nil, tc.reason)
			if tc.left != nil {
				require.InDelta(t, *tc.left, *got[0].DaysLeft, 1e-9, tc.reason)
			}
		})
	}
	require.Empty(t, planning.ForecastOf("eu-1", nil, monday))
}

func TestTheMostUrgentComesFirst(t *testing.T) {
	h := planning.NewHistory()
	for name, perDay := range map[string]float64{"calm": 0, "soon": 1, "later": 0.1} {
		for _, s := range growing(5, 1, perDay) {
			h.Add(name, s)
		}
	}
	var order []string
	for _, f := range planning.Forecasts(h, monday.AddDate(0, 0, 4)) {
		order = append(order, f.Cluster)
	}
	require.Equal(t, []string{"soon", "later", "calm"}, order)
}

func TestAHistoryIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keep, days := rapid.IntRange(2, 8).Draw(t, "keep"), rapid.IntRange(0, 30).Draw(t, "days")
		h := planning.NewHistory(planning.Keep(keep))
		want := growing(days, 0, 0.1)
		for _, s := range want {
			h.Add("a", s)
			h.Add("a", s) // not later than the latest
		}
		want = want[max(0, len(want)-keep):]
		got := h.Series("a")
		if len(got) != len(want) {
			t.Fatalf("want %d samples, got %d", len(want), len(got))
		}
		for i := range got {
			if !got[i].At.Equal(want[i].At) {
				t.Fatalf("sample %d is of %s, want %s", i, got[i].At, want[i].At)
			}
		}
	})
}

func state(name, zone string, allocatable, allocated float64, change ...func(*tmccluster.State)) *tmccluster.State {
	st := &tmccluster.State{
		Name: name, Zone: zone, Ready: true, Reachable: true, CapacityKnown: true,
		Allocatable: cores(allocatable), Allocated: cores(allocated),
	}
	for _, c := range change {
		c(st)
	}
	return st
}

func TestARecorderSamplesWhatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fleet := tmccluster.NewSnapshot(
			state("a", "", 10, 1),
			state("silent", "", 10, 1, func(s *tmccluster.State) { s.Reachable = false }),
			state("unknown", "", 10, 1, func(s *tmccluster.State) { s.CapacityKnown = false }),
		)
		h := planning.NewHistory()
		h.Add("left", planning.Sample{At: monday})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- planning.NewRecorder(snapshots{fleet}, h, time.Hour).Start(ctx) }()
		time.Sleep(3*time.Hour + time.Minute)
		cancel()
		require.NoError(t, <-done)
		require.Equal(t, []string{"a"}, h.Clusters())
		require.Len(t, h.Series("a"), 3)
	})
}

type snapshots struct{ fleet *tmccluster.Snapshot }

func (s snapshots) Snapshot() *tmccluster.Snapshot { return s.fleet }

func TestLosses(t *testing.T) {
	cordoned := func(s *tmccluster.State) { s.Unschedulable = true }
	cases := map[string]struct {
		reason string
		fleet  []*tmccluster.State
		key    string
		n      int
		worst  planning.Loss
	}{
		"fits": {
			reason: "b has room for what a runs",
			fleet:  []*tmccluster.State{state("a", "", 10, 4), state("b", "", 10, 4)}, key: "cluster", n: 1,
			worst: planning.Loss{Lost: []string{"a"}, Clusters: 1, Tightest: "cpu", Used: 0.8},
		},
		"short": {
			reason: "b has four cores for the six of a",
			fleet:  []*tmccluster.State{state("a", "", 10, 6), state("b", "", 10, 6)}, key: "cluster", n: 1,
			worst: planning.Loss{Lost: []string{"a"}, Clusters: 1, Tightest: "cpu", Used: 1.2, Short: map[corev1.ResourceName]float64{"cpu": 2}},
		},
		"a zone": {
			reason: "what a zone runs must find room in the others",
			fleet:  []*tmccluster.State{state("a", "z1", 10, 4), state("b", "z1", 10, 4), state("c", "z2", 10, 4)}, key: "zone", n: 1,
			worst: planning.Loss{Lost: []string{"z1"}, Clusters: 2, Tightest: "cpu", Used: 1.2, Short: map[corev1.ResourceName]float64{"cpu": 2}},
		},
		"two of three": {
			reason: "two at once",
			fleet:  []*tmccluster.State{state("a", "", 10, 2), state("b", "", 10, 3), state("c", "", 10, 4)}, key: "cluster", n: 2,
			worst: planning.Loss{Lost: []string{"a", "b"}, Clusters: 2, Tightest: "cpu", Used: 0.9},
		},
		"cordoned": {
			reason: "a cordoned cluster takes nothing in",
			fleet:  []*tmccluster.State{state("a", "", 10, 4), state("b", "", 10, 0, cordoned)}, key: "cluster", n: 1,
			worst: planning.Loss{Lost: []string{"a"}, Clusters: 1, Tightest: "cpu", Used: 5, Short: map[corev1.ResourceName]float64{"cpu": 4}},
		},
		"duplicate": {
			reason: "a cluster that is registered twice has room once",
			fleet: []*tmccluster.State{state("a", "", 10, 4), state("b", "", 10, 4, func(s *tmccluster.State) {
				s.Ready, s.Reason = false, tmccluster.ReasonDuplicate
			})}, key: "cluster", n: 1,
			worst: planning.Loss{Lost: []string{"a"}, Clusters: 1, Tightest: "cpu", Used: 5, Short: map[corev1.ResourceName]float64{"cpu": 4}},
		},
		"unknown": {
			reason: "what is not known is said",
			fleet:  []*tmccluster.State{state("a", "", 10, 4, func(s *tmccluster.State) { s.CapacityKnown = false })}, key: "cluster", n: 1,
			worst: planning.Loss{Lost: []string{"a"}, Clusters: 1, Unknown: 1},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := planning.Losses(tmccluster.NewSnapshot(tc.fleet...), tc.key, tc.n)
			require.NoError(t, err)
			if diff := cmp.Diff(tc.worst, got[0]); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
	_, err := planning.Losses(tmccluster.NewSnapshot(), "cluster", 3)
	require.ErrorContains(t, err, "ask for 1 or 2")
}

// on has a cluster say what is free on its nodes, and what its pods request, by
// cores.
func on(rooms, pods map[int64]int64) func(*tmccluster.State) {
	lots := func(counts map[int64]int64, places int64) []tmccluster.Lot {
		list := []tmccluster.Lot{}
		for _, n := range slices.Sorted(maps.Keys(counts)) {
			list = append(list, tmccluster.Lot{Each: tmccluster.Resources{MilliCPU: 1000 * n, Pods: places}, Count: counts[n]})
		}
		return list
	}
	return func(s *tmccluster.State) { s.NodeRoom, s.Pods = lots(rooms, 10), lots(pods, 1) }
}

func TestALossIsLookedAtNodeByNode(t *testing.T) {
	cases := map[string]struct {
		reason   string
		fleet    []*tmccluster.State
		checked  bool
		homeless int64
	}{
		"room": {
			reason:  "two pods of two cores go to two nodes of three",
			fleet:   []*tmccluster.State{state("a", "", 10, 4, on(nil, map[int64]int64{2: 2})), state("b", "", 10, 4, on(map[int64]int64{3: 2}, nil))},
			checked: true,
		},
		"in pieces": {
			reason:  "six cores are free and no node has room for a pod of four",
			fleet:   []*tmccluster.State{state("a", "", 10, 4, on(nil, map[int64]int64{4: 1})), state("b", "", 10, 4, on(map[int64]int64{3: 2}, nil))},
			checked: true, homeless: 1,
		},
		"some": {
			reason:  "nodes of three cores hold one pod of two each, and one core is left over",
			fleet:   []*tmccluster.State{state("a", "", 20, 8, on(nil, map[int64]int64{2: 4})), state("b", "", 20, 11, on(map[int64]int64{3: 3}, nil))},
			checked: true, homeless: 1,
		},
		"the largest first": {
			reason:  "small pods leave the large node to the large one",
			fleet:   []*tmccluster.State{state("a", "", 20, 8, on(nil, map[int64]int64{1: 4, 4: 1})), state("b", "", 20, 12, on(map[int64]int64{1: 4, 4: 1}, nil))},
			checked: true,
		},
		"not known": {
			reason: "a cluster that does not tell of its nodes may have room",
			fleet:  []*tmccluster.State{state("a", "", 10, 4, on(nil, map[int64]int64{4: 1})), state("b", "", 10, 4)},
		},
		"cordoned": {
			reason: "its nodes take nothing in",
			fleet: []*tmccluster.State{
				state("a", "", 10, 4, on(nil, map[int64]int64{4: 1})), state("b", "", 10, 4, on(map[int64]int64{3: 2}, nil)),
				state("c", "", 10, 4, on(map[int64]int64{6: 1}, nil), func(s *tmccluster.State) { s.Unschedulable = true }),
			},
			checked: true, homeless: 1,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			l := planning.LossOf(tmccluster.NewSnapshot(tc.fleet...), "a")
			require.Empty(t, l.Short, "the sums fit")
			require.Equal(t, tc.checked, l.NodesChecked, tc.reason)
			require.Equal(t, tc.homeless, l.Homeless, tc.reason)
			require.Equal(t, tc.homeless == 0, l.Fits())
		})
	}
	fleet := tmccluster.NewSnapshot(cases["in pieces"].fleet...)
	all, err := planning.Losses(fleet, "cluster", 1)
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, all[0].Lost, "what finds no node comes first")
	require.Contains(t, planning.FormatLosses(all, 1), "nodes for 1 pods, the largest of 4 cpu")
}

// TestALossThatFitsCanBePlaced checks losses against putting each lost
// cluster's work, in one piece that can be divided, onto the others.
func TestALossThatFitsCanBePlaced(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var states []*tmccluster.State
		for i := range rapid.IntRange(2, 7).Draw(t, "clusters") {
			allocatable := rapid.IntRange(0, 20).Draw(t, "allocatable")
			states = append(states, state(fmt.Sprint("c", i), fmt.Sprint("z", i%3), float64(allocatable), float64(rapid.IntRange(0, allocatable).Draw(t, "allocated"))))
		}
		fleet := tmccluster.NewSnapshot(states...)
		losses, err := planning.Losses(fleet, "zone", rapid.IntRange(1, 2).Draw(t, "n"))
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range losses {
			var need, free int64
			lost := map[string]bool{}
			for _, zone := range l.Lost {
				lost[zone] = true
			}
			for _, s := range states {
				if lost[s.Zone] {
					need += s.Allocated.MilliCPU
				} else {
					free += s.Allocatable.MilliCPU - s.Allocated.MilliCPU
				}
			}
			if l.Fits() != (need <= free) {
				t.Fatalf("loss of %v: need %d, free %d, fits %t", l.Lost, need, free, l.Fits())
			}
			if !l.Fits() && l.Short["cpu"] != float64(need-free)/1000 {
				t.Fatalf("loss of %v: short of %v, want %v", l.Lost, l.Short["cpu"], float64(need-free)/1000)
			}
		}
	})
}

func TestAPlotIsWellFormed(t *testing.T) {
	for _, samples := range [][]planning.Sample{growing(1, 3, 0), growing(9, 3, 0.5), growing(9, 9, -1), growing(9, 5, 0), growing(9, 6, 1)} {
		f := planning.ForecastOf("<eu&1>", samples, samples[len(samples)-1].At)[0]
		var b bytes.Buffer
		require.NoError(t, planning.WritePlot(&b, samples, f))
		require.NotContains(t, b.String(), "NaN")
		require.NotContains(t, b.String(), "Inf")
		d := xml.NewDecoder(&b)
		for {
			_, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
		}
	}
	require.ErrorContains(t, planning.WritePlot(io.Discard, nil, planning.Forecast{Cluster: "a", Resource: "cpu"}), "there are no samples")
}

func TestResultsAreJSON(t *testing.T) {
	samples := growing(5, 3, 0.5)
	_, err := json.Marshal(planning.ForecastOf("a", samples, monday))
	require.NoError(t, err)
	losses, err := planning.Losses(tmccluster.NewSnapshot(state("a", "", 0, 5)), "cluster", 1)
	require.NoError(t, err)
	_, err = json.Marshal(losses)
	require.NoError(t, err)
}

// BenchmarkLosses plans for the loss of any two of a thousand clusters.
func BenchmarkLosses(b *testing.B) {
	var states []*tmccluster.State
	for i := range 1000 {
		states = append(states, state(fmt.Sprintf("c-%04d", i), "", 100, float64(i%90)))
	}
	fleet := tmccluster.NewSnapshot(states...)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := planning.Losses(fleet, "cluster", 2); err != nil {
			b.Fatal(err)
		}
	}
}

func Example() {
	const gib = 1 << 30
	history := planning.NewHistory()
	for day := range 14 {
		history.Add("eu-1", planning.Sample{
			At:          monday.AddDate(0, 0, day),
			Allocatable: tmccluster.Resources{MilliCPU: 64_000, Memory: 256 * gib},
			Allocated:   tmccluster.Resources{MilliCPU: 32_000 + 1_000*int64(day), Memory: 128 * gib},
			Used:        tmccluster.Resources{MilliCPU: 16_000},
		})
	}
	fmt.Print(planning.FormatForecasts(planning.Forecasts(history, monday.AddDate(0, 0, 13))))

	fleet := tmccluster.NewSnapshot(
		&tmccluster.State{Name: "eu-1", Region: "eu", Ready: true, CapacityKnown: true, Allocatable: tmccluster.Resources{MilliCPU: 64_000}, Allocated: tmccluster.Resources{MilliCPU: 45_000}},
		&tmccluster.State{Name: "us-1", Region: "us", Ready: true, CapacityKnown: true, Allocatable: tmccluster.Resources{MilliCPU: 64_000}, Allocated: tmccluster.Resources{MilliCPU: 25_000}},
	)
	losses, _ := planning.Losses(fleet, "region", 1)
	fmt.Print(planning.FormatLosses(losses, 10))
	// Output:
	// CLUSTER  RESOURCE  ALLOCATED  ALLOCATABLE  FULL  IN USE  PER DAY  DAYS LEFT
	// eu-1     cpu       45         64           70%   25%     +1       19
	// eu-1     memory    128.0Gi    256.0Gi      50%   -       +0       -
	// LOST  CLUSTERS  FITS  TIGHTEST  USED AFTER  SHORT OF
	// eu    1         no    cpu       full        6 cpu
	// us    1         no    cpu       full        6 cpu
}
