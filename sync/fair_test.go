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

func isBulk(item string) bool { return strings.HasSuffix(item, "-") }

func TestWorkspacesTakeTurns(t *testing.T) {
	tests := map[string]struct {
		reason       string
		pushed, want []string
	}{
		"one":         {reason: "in order", pushed: []string{"a1", "a2", "a3"}, want: []string{"a1", "a2", "a3"}},
		"a late one":  {reason: "it waits for one, not for all", pushed: []string{"a1", "a2", "a3", "b1"}, want: []string{"a1", "b1", "a2", "a3"}},
		"bulk before": {reason: "bulk comes last", pushed: []string{"a1-", "a2-", "b1", "a3"}, want: []string{"b1", "a3", "a1-", "a2-"}},
		"much urgent": {
			reason: "bulk has one turn in eight", pushed: []string{"z-", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8"},
			want: []string{"a1", "a2", "a3", "a4", "a5", "a6", "a7", "z-", "a8"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			q := newFairQueue(workspaceOf, isBulk)
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
		q := newFairQueue(workspaceOf, nil)
		waiting := map[string]bool{}
		since := map[multicluster.ClusterName]map[multicluster.ClusterName]int{} // others' turns since it waits
		n := 0
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				n++
				item := fmt.Sprintf("%s%d", rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "workspace"), n)
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

func TestBulkThatChangesIsBulkNoMore(t *testing.T) {
	q := newKeyQueue("", workqueue.NewTypedItemExponentialFailureRateLimiter[Key](time.Millisecond, time.Second))
	defer q.ShutDown()
	key := func(name string) Key { return Key{Workspace: multicluster.ClusterName(name[:1]), Name: name} }
	q.AddBulk(key("a1"))
	q.AddBulk(key("b1"))
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
	q.AddBulk(key("a1"))
	q.Add(key("c1"))
	q.Done(k)
	got = got[:0]
	for q.Len() > 0 {
		k, _ := q.Get()
		q.Done(k)
		got = append(got, k.Name)
	}
	require.True(t, slices.Equal([]string{"c1", "a1"}, got), "%v", got)
	require.Empty(t, q.bulk)
}
