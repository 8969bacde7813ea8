package controller

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
)

func queueOf(tb testing.TB) *queue {
	tb.Helper()
	return newQueue("test", workqueue.NewTypedItemExponentialFailureRateLimiter[Key](time.Millisecond, time.Second))
}

func numbered(i int) Key {
	return Key{NamespacedName: types.NamespacedName{Namespace: "default", Name: strconv.Itoa(i)}}
}

// Workers that take, are done and ask for more while the queue shuts down all get
// away, and nothing of the queue stays.
func TestNoWorkerStaysInAQueueThatShutsDown(t *testing.T) {
	before := goleak.IgnoreCurrent()
	for round := range 50 {
		q := queueOf(t)
		var workers sync.WaitGroup
		busy := make(chan struct{}, 1)
		for i := range 8 {
			workers.Go(func() {
				for n := i; ; n += 8 {
					priority := n % 5
					q.AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, numbered(n))
					key, _, shutdown := q.GetWithPriority()
					if shutdown {
						return
					}
					q.Done(key)
					if n > 400 {
						select {
						case busy <- struct{}{}:
						default:
						}
					}
				}
			})
		}
		<-busy
		q.ShutDown()
		gone := make(chan struct{})
		go func() { workers.Wait(); close(gone) }()
		select {
		case <-gone:
		case <-time.After(20 * time.Second):
			t.Fatalf("round %d: a worker is still in the queue", round)
		}
		require.True(t, q.ShuttingDown())
	}
	require.Eventually(t, func() bool { return goleak.Find(before) == nil }, 20*time.Second, 20*time.Millisecond)
}

// Idle workers get away too, whether something was ever in the queue or not.
func TestIdleWorkersLeaveAQueueThatShutsDown(t *testing.T) {
	before := goleak.IgnoreCurrent()
	for _, items := range []int{0, 1} {
		q := queueOf(t)
		for i := range items {
			q.Add(numbered(i))
			key, shutdown := q.Get()
			require.False(t, shutdown)
			require.Equal(t, numbered(i), key)
			q.Done(key)
		}
		var workers sync.WaitGroup
		for range 3 {
			workers.Go(func() {
				_, shutdown := q.Get()
				assert.True(t, shutdown)
			})
		}
		q.ShutDown()
		q.ShutDownWithDrain() // once more does no harm
		workers.Wait()
		_, shutdown := q.Get()
		require.True(t, shutdown)
	}
	require.Eventually(t, func() bool { return goleak.Find(before) == nil }, 20*time.Second, 20*time.Millisecond)
}

// What is of greater priority goes first, whenever it came: nothing is taken
// before a worker wants it.
func TestNothingIsTakenBeforeItIsWanted(t *testing.T) {
	q := queueOf(t)
	defer q.ShutDown()
	q.Add(numbered(1))
	key, _, _ := q.GetWithPriority()
	require.Equal(t, numbered(1), key)
	q.Add(numbered(2))
	require.Eventually(t, func() bool { return q.Len() == 1 }, 5*time.Second, time.Millisecond)
	urgent := 5
	q.AddWithOpts(priorityqueue.AddOpts{Priority: &urgent}, numbered(3))
	key, priority, _ := q.GetWithPriority()
	require.Equal(t, numbered(3), key)
	require.Equal(t, urgent, priority)
}
