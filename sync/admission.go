package syncer

import (
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// admissionRetry is the pause before a cluster is asked once more about a copy that it
// changed in the write itself. No event tells that a webhook is gone or another one.
const admissionRetry = time.Hour

// reconsider asks the cluster now and then, by a dry run, whether it would still change
// what it changed of a copy in the last write. If it lets go of a field, the copy is
// drifted from then on, and repaired as any other.
func (l *lane) reconsider(ctx context.Context, key Key, todo intent) {
	if !todo.differs {
		return
	}
	o, now := l.outcome(key), l.loop.world.now()
	if o.asked.Before(o.at) {
		o.asked = o.at
	}
	if left := admissionRetry - now.Sub(o.asked); left > 0 {
		l.queue.AddAfter(errand{key: key}, left)
		return
	}
	answer, err := l.write(ctx, l.complete(todo.rendered), onlyIf{uid: todo.copied.GetUID()}, client.DryRunAll)
	o.asked = now
	free := err == nil && letsGo(todo.rendered, todo.copied, answer)
	if free {
		o.fields = ""
	}
	l.record(key, o)
	if free {
		l.loop.enqueue(key, false)
		return
	}
	l.queue.AddAfter(errand{key: key}, admissionRetry)
}

// letsGo says whether something of a rendering that a copy lacks would be there after a
// write. Other values of what it lacks are none: a webhook may write the time.
func letsGo(rendered, copied, answer *unstructured.Unstructured) bool {
	still := differencesOf(rendered, answer)
	return slices.ContainsFunc(differencesOf(rendered, copied), func(was Difference) bool {
		return !slices.ContainsFunc(still, func(is Difference) bool { return is.Path == was.Path })
	})
}
