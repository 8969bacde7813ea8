package syncer

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"
)

// recallEvery is the pause between two looks at what is remembered of originals that
// are gone.
const recallEvery = 10 * time.Minute

// recall has those originals looked at again that are remembered and not there: what was
// noted of one after its last event, such as an answer that came late, would stay.
func (l *Loop) recall(ctx context.Context) {
	for l.world.sleep(ctx, recallEvery) {
		for _, key := range l.remembered() {
			if original, err := l.original(ctx, key); err == nil && original == nil {
				l.enqueue(key, true)
			}
		}
	}
}

// remembered returns the originals of which something is remembered, in a fixed order.
func (l *Loop) remembered() []Key {
	keys := map[Key]struct{}{}
	l.mu.Lock()
	for key := range l.records {
		keys[key] = struct{}{}
	}
	for key := range l.stalled {
		keys[key] = struct{}{}
	}
	l.mu.Unlock()
	for _, lane := range l.allLanes() {
		lane.mu.Lock()
		for key := range lane.outcomes {
			keys[key] = struct{}{}
		}
		lane.mu.Unlock()
	}
	return slices.SortedFunc(maps.Keys(keys), func(a, b Key) int { return cmp.Compare(a.String(), b.String()) })
}
