package facts_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tmc-sdk/tmc/cluster/facts"
	"github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

func ExampleSnapshot_With() {
	before := facts.NewSnapshot(&facts.State{Name: "eu-1"}, &facts.State{Name: "us-1"})
	after := before.With(&facts.State{Name: "eu-1", Ready: true})
	was, _ := before.Lookup("eu-1")
	is, _ := after.Lookup("eu-1")
	fmt.Println(was.Ready, is.Ready)
	// Output: false true
}

func ExampleChunk_Label() {
	fleet := facts.NewSnapshot(
		&facts.State{Name: "a", Labels: map[string]string{"env": "prod"}},
		&facts.State{Name: "b", Labels: map[string]string{"env": "dev"}},
		&facts.State{Name: "c"},
	)
	for _, chunk := range fleet.Chunks() {
		mask := chunk.Label("env").Select(func(value string, exists bool) bool { return exists && value == "prod" })
		for i, ok := mask.Next(0); ok; i, ok = mask.Next(i + 1) {
			fmt.Println(chunk.At(i).Name)
		}
	}
	// Output: a
}

// A snapshot behaves as a sorted map of states, and the snapshots that it was
// made from do not change.
func TestSnapshotIsAPersistentSortedMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOf(rapid.Custom(func(t *rapid.T) string {
			return fmt.Sprintf("c%03d", rapid.IntRange(0, 999).Draw(t, "name"))
		}))
		model := map[string]*facts.State{}
		var states []*facts.State
		for i := range rapid.IntRange(0, 900).Draw(t, "fleet") {
			s := &facts.State{Name: fmt.Sprintf("c%03d", i*7%1000)}
			states, model[s.Name] = append(states, s), s
		}
		fleet := facts.NewSnapshot(states...)
		for range rapid.IntRange(1, 6).Draw(t, "changes") {
			before, was := fleet, maps.Clone(model)
			if rapid.Bool().Draw(t, "add") {
				var given []*facts.State
				for _, name := range names.Draw(t, "names") {
					s := &facts.State{Name: name, Version: "v2"}
					given, model[name] = append(given, s), s
				}
				fleet = fleet.With(given...)
			} else {
				gone := names.Draw(t, "names")
				if low := rapid.IntRange(0, 999).Draw(t, "range"); rapid.Bool().Draw(t, "many") {
					for i := low; i < low+400; i++ {
						gone = append(gone, fmt.Sprintf("c%03d", i))
					}
				}
				for _, name := range gone {
					delete(model, name)
				}
				fleet = fleet.Without(gone...)
			}
			agree(t, fleet, model)
			agree(t, before, was)
		}
	})
}

func agree(t *rapid.T, fleet *facts.Snapshot, model map[string]*facts.State) {
	want := slices.Sorted(maps.Keys(model))
	got := make([]string, 0, len(want))
	for s := range fleet.All() {
		got = append(got, s.Name)
		if model[s.Name] != s {
			t.Fatalf("%s is not the state that was put in", s.Name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" && len(want)+len(got) > 0 {
		t.Fatal(diff)
	}
	require.Equal(t, len(want), fleet.Len())
	for i, name := range want {
		require.Equal(t, name, fleet.At(i).Name)
		at, ok := fleet.Index(name)
		require.True(t, ok && at == i)
	}
	_, ok := fleet.Lookup("absent")
	require.False(t, ok)
	chunks, n := 0, 0
	for start, c := range fleet.Chunks() {
		require.Equal(t, n, start)
		require.LessOrEqual(t, c.Len(), facts.ChunkSize)
		require.Positive(t, c.Len())
		chunks, n = chunks+1, n+c.Len()
	}
}

// Columns say what the states say, whoever computes them first.
func TestColumnsAgreeWithStates(t *testing.T) {
	var states []*facts.State
	for i := range 700 {
		s := &facts.State{Name: fmt.Sprintf("c%03d", i), Ready: i%3 == 0, CapacityKnown: true}
		s.Allocatable.MilliCPU, s.Allocated.MilliCPU = 1000, int64(i*2)
		if i%5 != 0 {
			s.Labels = map[string]string{"id": fmt.Sprint(i % 300), "env": fmt.Sprint(i % 2)}
		}
		if i%7 == 0 { // of more kinds than are told apart
			s.Taints = []v1alpha1.Taint{{Key: "dedicated", Value: fmt.Sprint(i % 23)}}
		}
		s.CapacityKnown = i%11 != 0
		states = append(states, s)
	}
	fleet := facts.NewSnapshot(states...)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for _, c := range fleet.Chunks() {
				columns := c.Facts()
				checkTaintSets(t, c)
				checkLeast(t, c)
				for _, key := range []string{"id", "env", "absent"} {
					column := c.Label(key)
					for i := range c.Len() {
						value, ok := c.At(i).Labels[key]
						if ok != (column.Codes[i] != 0) || column.Values[column.Codes[i]] != value {
							t.Errorf("%s of %s is %q", key, c.At(i).Name, column.Values[column.Codes[i]])
						}
					}
					for _, rule := range []func(string, bool) bool{
						func(v string, exists bool) bool { return exists && v == "1" },
						func(v string, exists bool) bool { return !exists || v != "1" },
						func(string, bool) bool { return true },
					} {
						selected := column.Select(rule)
						for i := range facts.ChunkSize {
							if want := i < c.Len() && rule(column.Values[column.Codes[min(i, c.Len()-1)]], column.Codes[min(i, c.Len()-1)] != 0); selected.Has(i) != want {
								t.Errorf("%d of %s is selected: %t", i, key, !want)
							}
						}
					}
				}
				for i := range c.Len() {
					if columns.Ready.Has(i) != c.At(i).Ready || columns.MilliCPU[i] != c.At(i).Free().MilliCPU || int(columns.FreePercent[i]) != c.At(i).FreePercent() {
						t.Errorf("facts of %s", c.At(i).Name)
					}
				}
			}
		})
	}
	wait.Wait()
}

// checkTaintSets checks that every tainted cluster is in one set, that of its taints.
func checkTaintSets(t *testing.T, c *facts.Chunk) {
	t.Helper()
	found := make([][]v1alpha1.Taint, c.Len())
	for _, set := range c.Facts().TaintSets {
		for i, ok := set.Clusters.Next(0); ok; i, ok = set.Clusters.Next(i + 1) {
			if found[i] != nil {
				t.Errorf("%s is in two sets", c.At(i).Name)
			}
			found[i] = set.Taints
		}
	}
	for i := range found {
		if diff := cmp.Diff(c.At(i).Taints, found[i]); diff != "" {
			t.Errorf("taints of %s (-want +got):\n%s", c.At(i).Name, diff)
		}
	}
}

// checkLeast checks that no cluster of known capacity has less than the least.
func checkLeast(t *testing.T, c *facts.Chunk) {
	t.Helper()
	least := int64(math.MaxInt64)
	for i := range c.Len() {
		if c.At(i).CapacityKnown {
			least = min(least, c.At(i).Free().MilliCPU)
		}
	}
	if got := c.Facts().Least.MilliCPU; got != least {
		t.Errorf("the least is %d, and %d is told", least, got)
	}
}

func fleetOf(n int) *facts.Snapshot {
	states := make([]*facts.State, n)
	for i := range states {
		states[i] = &facts.State{Name: fmt.Sprintf("cluster-%07d", i), Ready: true, Labels: map[string]string{"env": "prod"}}
	}
	return facts.NewSnapshot(states...)
}

// BenchmarkSnapshotWith replaces one cluster; rebuilding is what it avoids.
func BenchmarkSnapshotWith(b *testing.B) {
	for _, n := range []int{100, 10_000, 1_000_000} {
		fleet := fleetOf(n)
		state := *fleet.At(n / 2)
		b.Run(fmt.Sprintf("clusters=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				fleet.With(&state)
			}
		})
		b.Run(fmt.Sprintf("rebuild/clusters=%d", n), func(b *testing.B) {
			states := slices.Collect(fleet.All())
			b.ReportAllocs()
			for b.Loop() {
				facts.NewSnapshot(states...)
			}
		})
	}
}
