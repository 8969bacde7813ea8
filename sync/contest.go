package syncer

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Repairing drift again and again, at once, is a fight that nobody wins: the
// copy flaps between two wills, and both servers pay. After fightAfter repairs
// of one rendering in a row the loop tells the owner of the field and of who
// else writes it, and repairs later and later.
const (
	fightAfter  = 3
	fightWindow = 10 * time.Minute // repairs further apart are no fight
	firstTruce  = 5 * time.Second
	mostTruce   = 10 * time.Minute
)

// rounds counts how often in a row the same was written though it had been written
// before.
type rounds struct {
	rounds int
	at     time.Time // of the last
}

// oneMore counts a write.
func (r rounds) oneMore(now time.Time) rounds {
	if now.Sub(r.at) > fightWindow+truce(r.rounds) {
		r.rounds = 0 // long ago: that is no fight
	}
	return rounds{r.rounds + 1, now}
}

// left returns how long the next write has to wait.
func (r rounds) left(now time.Time) time.Duration {
	return truce(r.rounds) - now.Sub(r.at)
}

// repairsWith returns how many repairs in a row it would be to carry out an
// intent now.
func (o outcome) repairsWith(todo intent, now time.Time) int {
	again := todo.copied != nil && (todo.cause == CauseDrift || todo.cause == CauseChanged && o.wrote(todo.digest))
	switch {
	case !again && (!o.overruled || o.digest != todo.digest):
		return 0
	case o.digest != todo.digest || now.Sub(o.at) > fightWindow+truce(o.repairs):
		return 1
	}
	return o.repairs + 1
}

// wrote says whether a rendering was written as it is, so that a copy which does
// not show it was changed since, or in the writing.
func (o outcome) wrote(digest string) bool {
	return o.digest == digest && (o.refusal == nil || o.contested)
}

// repairsOf returns how many repairs of one rendering in a row there were.
func (o outcome) repairsOf(digest string) int {
	if o.digest != digest {
		return 0
	}
	return o.repairs
}

// truce returns how long to wait after so many repairs in a row.
func truce(repairs int) time.Duration {
	if repairs < fightAfter {
		return 0
	}
	return min(firstTruce<<min(repairs-fightAfter, 16), mostTruce)
}

// truceLeft returns how long an intent still has to wait for a fight.
func (o outcome) truceLeft(todo intent, now time.Time) time.Duration {
	if !o.contested || o.digest != todo.digest {
		return 0
	}
	return truce(o.repairs) - now.Sub(o.at)
}

// contest describes a fight over a copy, before it is repaired once more: a
// forced apply takes the field away from its other owner. Nil if it is none.
func (l *lane) contest(ctx context.Context, key Key, todo intent, repairs int) *RefusalError {
	if repairs < fightAfter || todo.copied == nil {
		return nil
	}
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(l.kindOf(key.Kind))
	if err := l.live.Get(ctx, client.ObjectKeyFromObject(todo.copied), live); err != nil {
		return nil //nolint:nilerr // the write meets the same error, and tells of it
	}
	found := differencesOf(todo.rendered, live)
	if len(found) == 0 {
		found = takenOff(todo.rendered, live)
	}
	if len(found) == 0 {
		return nil
	}
	fields := sayFew(found, func(d Difference) string {
		who := "somebody"
		if owners := ownersOf(live, d.steps, l.loop.manager); len(owners) > 0 {
			who = strings.Join(owners, ", ")
		}
		return fmt.Sprintf("%s is changed by %s (%s)", d.Path, who, d)
	})
	return &RefusalError{Reason: ReasonContested, Cluster: l.name, Message: fmt.Sprintf(
		"the copy was repaired %d times in a row: %s; have one of the two let go of it; it is repaired again later", repairs, fields)}
}

// changedBy says which fields of a copy its cluster changed in the write itself, if any,
// as a mutating webhook or policy does, or a server that writes a value in another way.
func changedBy(cluster string, todo intent) []string {
	if !todo.differs {
		return nil
	}
	fields := sayFew(differencesOf(todo.rendered, todo.copied), func(d Difference) string {
		return Difference{Path: d.Path, Was: d.Becomes, Becomes: d.Was}.String()
	})
	return []string{fmt.Sprintf("%s changes the copy as it is written (%s) by a webhook, a policy or of itself; it stays so", cluster, fields)}
}

// mostFields bounds of how many fields is told.
const mostFields = 3

// sayFew describes the first mostFields of differences, and says how many more there are.
func sayFew(found []Difference, say func(Difference) string) string {
	var fields []string
	for _, d := range found[:min(len(found), mostFields)] {
		fields = append(fields, say(d))
	}
	if more := len(found) - len(fields); more > 0 {
		fields = append(fields, fmt.Sprintf("and %d more fields", more))
	}
	return strings.Join(fields, "; ")
}

// judge says what came of a write that the cluster accepted: whether the answer
// carries what was sent, and whether it is one more round in a fight.
func (l *lane) judge(key Key, before, o outcome, todo intent, applied *unstructured.Unstructured, contested *RefusalError) outcome {
	if applied == nil {
		return o
	}
	if drifted(todo.rendered.Object, applied.Object) {
		o.fields = fieldsOf(applied, l.loop.manager)
	}
	switch taken := takenOff(todo.rendered, applied); {
	case len(taken) > 0:
		// There is no point in a second try at once: the answer tells the end.
		o.overruled, o.repairs = true, max(o.repairs, fightAfter)
		what := "the copy is applied again later"
		if !l.bearsMarks(key, applied) {
			what = "the copy is not seen any more, and is applied again later; should it stay behind, delete it on the cluster"
		}
		contested = l.overruled(taken, what)
	case before.overruled:
		o.repairs, contested = 0, nil // the admission let go of it
	}
	if contested != nil {
		o.refusal, o.contested = contested, true
		l.queue.AddAfter(errand{key: key}, truce(o.repairs))
	}
	return o
}

// settle takes back that a copy is fought over once it stays as it is, or is to be
// no more.
func (l *lane) settle(key Key, todo intent) {
	o := l.outcome(key)
	if !o.contested || todo.action != nothing || todo.refusal != nil || todo.awaited {
		return
	}
	if left := truce(o.repairs) - l.loop.world.now().Sub(o.at); left > 0 && todo.copied != nil {
		l.queue.AddAfter(errand{key: key}, left) // an earlier one may have stood in its place
		return
	}
	o.contested, o.refusal, o.repairs = false, nil, 0
	l.record(key, o)
	l.queueTidy(key) // a namespace may have waited for the copy
	l.loop.enqueue(key, false)
}
