package controller

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestIndexFindsThoseAChangeCanAffect(t *testing.T) {
	onA, onAB, waits, curious := keyIn("w", "n", "on-a"), keyIn("w", "n", "on-ab"), keyIn("w", "n", "waits"), keyIn("v", "n", "curious")
	x := newIndex()
	x.set(onA, interest{clusters: []string{"a"}})
	x.set(onAB, interest{clusters: []string{"a", "b"}, waiting: true})
	x.set(waits, interest{waiting: true})
	x.set(curious, interest{clusters: []string{"a"}, properties: true})
	tests := map[string]struct {
		reason  string
		changes map[string]effect
		want    []Key
	}{
		"nothing":           {reason: "no change, no one", want: []Key{}},
		"named":             {reason: "those on the cluster", changes: map[string]effect{"a": wakesNamed}, want: []Key{curious, onA, onAB}},
		"waiting":           {reason: "those who would take it", changes: map[string]effect{"c": wakesWaiting}, want: []Key{onAB, waits}},
		"curious":           {reason: "those on it who look at properties", changes: map[string]effect{"a": wakesCurious}, want: []Key{curious}},
		"several":           {reason: "each once", changes: map[string]effect{"a": wakesNamed | wakesCurious, "b": wakesNamed | wakesWaiting}, want: []Key{curious, onA, onAB, waits}},
		"an unknown name":   {reason: "no one is there", changes: map[string]effect{"z": wakesNamed}, want: []Key{}},
		"curious elsewhere": {reason: "no one there looks", changes: map[string]effect{"b": wakesCurious}, want: []Key{}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, x.affected(tc.changes), tc.reason) })
	}
	x.set(onA, interest{clusters: []string{"b"}})
	x.drop(onAB)
	require.Equal(t, []Key{curious}, x.affected(map[string]effect{"a": wakesNamed}), "what was said before holds no longer")
	x.dropWorkspace("w")
	require.Empty(t, x.affected(map[string]effect{"b": wakesNamed | wakesWaiting}))
	all, waiting := x.counts()
	require.Equal(t, []int{1, 0}, []int{all, waiting})
}

// The index answers as a search through all Placements would, and keeps
// nothing of what was dropped.
func TestIndexEqualsASearch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, plain := newIndex(), map[Key]interest{}
		name := rapid.SampledFrom([]string{"a", "b", "c", "d"})
		for i := range rapid.IntRange(1, 60).Draw(t, "steps") {
			k := keyIn("w", "n", fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "key")))
			if i%4 == 3 {
				x.drop(k)
				delete(plain, k)
				continue
			}
			in := interest{
				clusters: rapid.SliceOfDistinct(name, rapid.ID).Draw(t, "clusters"),
				waiting:  rapid.Bool().Draw(t, "waiting"), properties: rapid.Bool().Draw(t, "properties"),
			}
			x.set(k, in)
			plain[k] = in
		}
		e := effect(rapid.IntRange(0, 7).Draw(t, "effect"))
		changed := name.Draw(t, "changed")
		want := map[Key]bool{}
		for k, in := range plain {
			for _, c := range in.clusters {
				if c == changed && (e.has(wakesNamed) || e.has(wakesCurious) && in.properties) {
					want[k] = true
				}
			}
			if e.has(wakesWaiting) && in.waiting {
				want[k] = true
			}
		}
		got := x.affected(map[string]effect{changed: e})
		if len(got) != len(want) {
			t.Fatalf("%d found, %d there are", len(got), len(want))
		}
		for _, k := range got {
			if !want[k] {
				t.Fatalf("%s is not affected", k)
			}
		}
		for k := range plain {
			x.drop(k)
		}
		if len(x.byCluster) != 0 || len(x.waiting) != 0 || len(x.interests) != 0 {
			t.Fatal("something is left of what was dropped")
		}
	})
}
