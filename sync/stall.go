package syncer

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ProgressWithin is how long copies may take to become healthy. After that the
// condition Healthy has the reason Stalled instead of Progressing, and the
// metric tmc_sync_stalled_originals counts the original. Zero means for ever.
// Default: 10 minutes.
func ProgressWithin(d time.Duration) Option {
	return func(o *options) { o.progressWithin = d }
}

// stall turns Progressing into Stalled where the condition, as it is now, has
// been false for too long.
func (o *options) stall(c metav1.Condition, current map[string]any, now time.Time) metav1.Condition {
	if left, progressing := o.stallsIn(c, current, now); progressing && left <= 0 {
		c.Reason = ReasonStalled
		c.Message = clip("not healthy after " + o.progressWithin.String() + ": " + c.Message)
	}
	return c
}

// stallsIn says whether a condition is one that may stall, and in how long.
func (o *options) stallsIn(c metav1.Condition, current map[string]any, now time.Time) (time.Duration, bool) {
	if o.progressWithin <= 0 || c.Reason != ReasonProgressing {
		return 0, false
	}
	for _, m := range elements(current["conditions"]) {
		if m["type"] != c.Type || m["status"] != string(c.Status) {
			continue
		}
		text, _ := m["lastTransitionTime"].(string)
		if since, err := time.Parse(time.RFC3339, text); err == nil {
			return o.progressWithin - now.Sub(since), true
		}
	}
	return o.progressWithin, true
}

// watchStall counts an original that is stalled, and returns when to look at one
// that may become so.
func (l *Loop) watchStall(key Key, healthy metav1.Condition, current map[string]any) time.Duration {
	if !l.hasConditions(key.Kind.GroupKind()) {
		return 0 // since when it is on its way is not written down
	}
	left, progressing := l.opts.stallsIn(healthy, current, l.world.now())
	l.noteStalled(key, progressing && left <= 0)
	if !progressing || left <= 0 {
		return 0
	}
	return left
}

// noteStalled counts an original as stalled, or no longer.
func (l *Loop) noteStalled(key Key, stalled bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if stalled {
		l.stalled[key] = struct{}{}
	} else {
		delete(l.stalled, key)
	}
	l.metrics.stalled.Set(float64(len(l.stalled)))
}
