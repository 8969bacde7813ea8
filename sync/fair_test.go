package syncer

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/util/workqueue"
	"pgregory.net/rapid"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
)

func workspaceOf(item string) multicluster.ClusterName { return multicluster.ClusterName(item[:1]) }

func rankByMark(item string) rank {
	switch {
	case strings.HasSuffix(item, "-"):
		return rankBulk
	case strings.HasSuffix(item, "+"):
		return rankFirst
	}
	return rankPrompt
}

func TestWorkspacesTakeTurns(t *testing.T) {
	tests := map[string]struct {
		reason       string
		pushed, want []string
	}{
		"one":         {reason: "in order", pushed: []string{"a1", "a2", "a3"}, want: []string{"a1", "a2", "a3"}},
		"a late one":  {reason: "it waits for one, not for all", pushed: []string{"a1", "a2", "a3", "b1"}, want: []string{"a1", "b1", "a2", "a3"}},
		"bulk before": {reason: "bulk comes last", pushed: []string{"a1-", "a2-", "b1", "a3"}, want: []string{"b1", "a3", "a1-", "a2-"}},
		"deletions": {
			reason: "they go before what else of their workspace changes, and not before others'",
			pushed: []string{"a1", "a2", "b1", "a3+", "a4+", "b2"}, want: []string{"a3+", "b1", "a4+", "b2", "a1", "a2"},
		},
		"much urgent": {
			reason: "bulk has one turn in eight", pushed: []string{"z-", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8"},
			want: []string{"a1", "a2", "a3", "a4", "a5", "a6", "a7", "z-", "a8"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			q := newFairQueue(workspaceOf, rankByMark)
			for _, item := range tc.pushed {
				q.Push(item)
			}
			var got []string
			for q.Len() > 0 {
				got = append(got, q.Pop())
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// Whatever is pushed is popped, once, and no workspace is served twice while
// another waits.
func TestTheFairQueueLosesNothingAndStarvesNobody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := newFairQueue(workspaceOf, func(item string) rank {
			if strings.HasSuffix(item, "+") {
				return rankFirst
			}
			return rankPrompt
		})
		waiting := map[string]bool{}
		since := map[multicluster.ClusterName]map[multicluster.ClusterName]int{} // others' turns since it waits
		n := 0
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				n++
				item := fmt.Sprintf("%s%d%s", rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "workspace"), n, rapid.SampledFrom([]string{"", "+"}).Draw(t, "rank"))
				q.Push(item)
				waiting[item] = true
				if ws := workspaceOf(item); since[ws] == nil {
					since[ws] = map[multicluster.ClusterName]int{}
				}
			},
			"touch": func(t *rapid.T) {
				for item := range waiting {
					q.Touch(item)
					break
				}
			},
			"pop": func(t *rapid.T) {
				if q.Len() == 0 {
					t.Skip("empty")
				}
				item := q.Pop()
				if !waiting[item] {
					t.Fatalf("%s was not waiting", item)
				}
				delete(waiting, item)
				ws := workspaceOf(item)
				for other, turns := range since {
					if turns[ws]++; other != ws && turns[ws] > 1 {
						t.Fatalf("%s was served twice while %s waits", ws, other)
					}
				}
				delete(since, ws)
				for item := range waiting {
					if workspaceOf(item) == ws {
						since[ws] = map[multicluster.ClusterName]int{}
					}
				}
			},
			"": func(t *rapid.T) {
				if q.Len() != len(waiting) {
					t.Fatalf("%d items, want %d", q.Len(), len(waiting))
				}
			},
		})
	})
}

func TestWhatIsAskedForAgainGoesWhereTheMoreUrgentBelongs(t *testing.T) {
	q := newErrandQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[errand](time.Millisecond, time.Second))
	defer q.ShutDown()
	of := func(name string) errand { return errand{key: Key{Workspace: "a", Name: name}} }
	for _, name := range []string{"1", "2", "3"} {
		q.Add(of(name))
	}
	q.AddAs(of("3"), rankFirst)
	q.Add(of("3"))
	q.AddAs(of("1"), rankBulk)
	var got []string
	for q.Len() > 0 {
		e, _ := q.Get()
		q.Done(e)
		got = append(got, e.key.Name)
	}
	require.Equal(t, []string{"3", "1", "2"}, got)
	require.Empty(t, q.ranks)
}

func TestBulkThatChangesIsBulkNoMore(t *testing.T) {
	q := newKeyQueue("", workqueue.NewTypedItemExponentialFailureRateLimiter[Key](time.Millisecond, time.Second))
	defer q.ShutDown()
	key := func(name string) Key { return Key{Workspace: multicluster.ClusterName(name[:1]), Name: name} }
	q.AddAs(key("a1"), rankBulk)
	q.AddAs(key("b1"), rankBulk)
	q.Add(key("c1"))
	q.Add(key("b1"))
	var got []string
	for q.Len() > 0 {
		k, _ := q.Get()
		q.Done(k)
		got = append(got, k.Name)
	}
	require.Equal(t, []string{"c1", "b1", "a1"}, got)

	// Bulk that is asked for while it is worked on comes again, as bulk.
	q.Add(key("a1"))
	k, _ := q.Get()
	q.AddAs(key("a1"), rankBulk)
	q.Add(key("c1"))
	q.Done(k)
	got = got[:0]
	for q.Len() > 0 {
		k, _ := q.Get()
		q.Done(k)
		got = append(got, k.Name)
	}
	require.True(t, slices.Equal([]string{"c1", "a1"}, got), "%v", got)
	require.Empty(t, q.ranks)
}
