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

// repairsWith returns how many repairs in a row it would be to carry out an
// intent now.
func (o outcome) repairsWith(todo intent, now time.Time) int {
	switch {
	case todo.cause != CauseDrift || todo.copied == nil:
		return 0
	case o.digest != todo.digest || now.Sub(o.at) > fightWindow+truce(o.repairs):
		return 1
	}
	return o.repairs + 1
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
	if repairs < fightAfter {
		return nil
	}
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(l.kindOf(key.Kind))
	if err := l.live.Get(ctx, client.ObjectKeyFromObject(todo.copied), live); err != nil {
		return nil //nolint:nilerr // the write meets the same error, and tells of it
	}
	found := differencesOf(todo.rendered, live)
	if len(found) == 0 {
		return nil
	}
	var fields []string
	for _, d := range found[:min(len(found), 3)] {
		who := "somebody"
		if owners := ownersOf(live, d.steps, l.loop.manager); len(owners) > 0 {
			who = strings.Join(owners, ", ")
		}
		fields = append(fields, fmt.Sprintf("%s is changed by %s (%s)", d.Path, who, d))
	}
	if more := len(found) - len(fields); more > 0 {
		fields = append(fields, fmt.Sprintf("and %d more fields", more))
	}
	return &RefusalError{Reason: ReasonContested, Cluster: l.name, Message: fmt.Sprintf(
		"the copy was repaired %d times in a row: %s; have one of the two let go of it; it is repaired again later", repairs, strings.Join(fields, "; "))}
}

// settle takes back that a copy is fought over once it stays as it is.
func (l *lane) settle(key Key, todo intent) {
	o := l.outcome(key)
	if !o.contested || todo.action != nothing || todo.refusal != nil || l.loop.world.now().Sub(o.at) < truce(o.repairs) {
		return
	}
	o.contested, o.refusal, o.repairs = false, nil, 0
	l.record(key, o)
	l.loop.enqueue(key, false)
}
