package syncer

import (
	"reflect"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tmc-sdk/tmc/transform"
)

// counted is an aggregate that is kept between two reports of an original, so
// that the news of one cluster is counted without looking at the status of the
// others again. The loop reconciles an original once at a time; so one goroutine
// at a time has it.
type counted struct {
	tally transform.Tally
	seen  map[string]*sight
	round int
}

// sight is what was counted of a cluster, and the round in which it was last
// among the copies.
type sight struct {
	transform.Observed

	round int
}

func newCounted(rules transform.Aggregator) *counted {
	return &counted{tally: transform.NewTally(rules), seen: map[string]*sight{}}
}

// fewCopies are aggregated anew each time: that is quick, and keeps nothing.
const fewCopies = 8

// aggregate makes one status of those of the copies.
func (l *Loop) aggregate(key Key, original *unstructured.Unstructured, copies []transform.Observed) (map[string]any, error) {
	rules := l.rules.For(original.GroupVersionKind())
	if len(copies) <= fewCopies {
		return rules.Aggregate(original, copies)
	}
	r := l.record(key, original.GetUID())
	if r.counted == nil {
		r.counted = newCounted(rules)
		l.remember(key, r)
	}
	r.counted.take(copies)
	return r.counted.tally.Status(original)
}

// take counts what is other than it was.
func (c *counted) take(copies []transform.Observed) {
	c.round++
	for _, now := range copies {
		before, ok := c.seen[now.Cluster]
		if !ok {
			before = &sight{}
			c.seen[now.Cluster] = before
		}
		before.round = c.round
		if !ok || !sameSight(&before.Observed, &now) {
			c.tally.Set(now)
			before.Observed = now
		}
	}
	if len(c.seen) == len(copies) {
		return
	}
	for name, s := range c.seen {
		if s.round != c.round {
			c.tally.Remove(name)
			delete(c.seen, name)
		}
	}
}

// sameSight says whether two looks at one cluster saw the same: the very object
// in the cache, which puts another in its place when there is news.
func sameSight(a, b *transform.Observed) bool {
	switch {
	case a.Behind != b.Behind, (a.Copy == nil) != (b.Copy == nil), (a.Replicas == nil) != (b.Replicas == nil):
		return false
	case a.Replicas != nil && *a.Replicas != *b.Replicas:
		return false
	}
	return a.Copy == nil || reflect.ValueOf(a.Copy.Object).UnsafePointer() == reflect.ValueOf(b.Copy.Object).UnsafePointer()
}
