package syncer

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
	jsonpatch "github.com/evanphx/json-patch/v5"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tmc-sdk/tmc/transform"
)

// sighting is what the caches say of an original's copies: the fourth of the
// five steps.
type sighting struct {
	// copies, one for every target in good standing.
	copies []transform.Observed
	// refusals, sorted by cluster.
	refusals []*RefusalError
	// pending counts targets whose copy is on its way.
	pending int
	// overruled says, by cluster, what the cluster changed in the write of the copy.
	overruled []string
	// unneeded says that it is of a related original that nothing needs.
	unneeded bool
	// began and ended say when it was taken, where somebody wants to know.
	began, ended time.Time
}

// observe reads what became of the copies.
func (l *Loop) observe(ctx context.Context, key Key, original *unstructured.Unstructured, where *assignment, todos map[string]intent) sighting {
	s := sighting{began: l.tracing.time()}
	if where.refusal != nil {
		s.refusals = append(s.refusals, where.refusal)
	}
	snapshot := l.fleet.Snapshot()
	for _, name := range where.clusters() {
		seen := transform.Observed{Cluster: name}
		if n, ok := where.replicas[name]; ok {
			seen.Replicas = &n
		}
		refusal := &RefusalError{Reason: ReasonClusterUnavailable, Cluster: name, Message: "the cluster does not answer; its last known status is shown"}
		if state, ok := snapshot.Lookup(name); ok && state.Reachable {
			refusal = nil
		}
		if lane := l.lane(name); lane != nil {
			copied, err := lane.copyOf(ctx, key)
			if err == nil && isCopyOf(copied, original) {
				seen.Copy = copied
			}
			todo, ok := todos[name]
			if !ok {
				todo = l.intend(ctx, lane, key, original, where) // a lane that opened just now
			}
			seen.Behind = todo.action != nothing || todo.refusal != nil || todo.awaited || todo.staged
			switch {
			case refusal != nil:
			case todo.refusal != nil:
				refusal = todo.refusal
			case todo.action != nothing && lane.outcome(key).refusal != nil:
				// Where there is nothing to do, a write that failed did happen.
				refusal = lane.outcome(key).refusal
			case err != nil || todo.action != nothing || todo.awaited || seen.Copy == nil:
				s.pending++
			default:
				s.overruled = append(s.overruled, changedBy(name, todo)...)
				below, pending := lane.told(seen.Copy)
				if refusal = below; pending {
					s.pending++
				}
			}
		}
		if refusal != nil {
			s.refusals = append(s.refusals, refusal)
		}
		s.copies = append(s.copies, seen)
	}
	s.tellRollout(where.staged)
	s.ended = l.tracing.time()
	return s
}

// isCopyOf says whether a copy, which may be nil, is of this very original and not
// of an earlier one of its name.
func isCopyOf(copied, original *unstructured.Unstructured) bool {
	if copied == nil {
		return false
	}
	marks, _ := transform.ReadMarks(copied)
	return marks.UID == original.GetUID()
}

// report is the last of the five steps: one aggregated status, with the
// conditions Synced and Healthy in the same write, and only if it changed.
func (l *Loop) report(ctx context.Context, key Key, original *unstructured.Unstructured, seen sighting) (reconcile.Result, error) {
	seen.unneeded = l.isRelated(key.Kind) && len(seen.copies) == 0
	if l.isRelated(key.Kind) && !l.showsStatus(original, seen) {
		l.tellRefusals(ctx, key, original, seen)
		return reconcile.Result{}, nil
	}
	if seen.pending > 0 && len(seen.refusals) == 0 {
		return reconcile.Result{}, nil // what is on its way is news when it has arrived
	}
	sight := seen.sight(original)
	fingerprint := fingerprintOf(sight, original)
	if l.record(key, original.GetUID()).settled == fingerprint {
		return reconcile.Result{}, nil
	}
	if !l.hasConditions(key.Kind.GroupKind()) {
		l.tellRefusals(ctx, key, original, seen) // nothing of it may show in the status
	}
	current := at(original.Object, "status")
	healthy := healthyCondition(seen, l.rules)
	status, err := l.statusOf(key, original, current, seen, healthy)
	if err != nil {
		return reconcile.Result{}, err
	}
	again := l.watchStall(key, healthy, current)
	if status == nil || equalStatus(current, status) {
		if again == 0 { // else the same sight means something else later
			r := l.record(key, original.GetUID())
			r.settled = fingerprint
			l.remember(key, r)
		}
		return reconcile.Result{RequeueAfter: again}, nil
	}
	r := l.record(key, original.GetUID())
	if r.replaced == original.GetResourceVersion() {
		return reconcile.Result{}, nil // the cache shows what was before our last write
	}
	wait := l.opts.reportEvery - l.world.now().Sub(r.reported)
	if r.written == sight {
		wait = max(wait, r.writes.left(l.world.now()))
	}
	if wait > 0 {
		return reconcile.Result{RequeueAfter: wait}, nil
	}
	traced, span := l.traceReport(ctx, key, original, &seen)
	err = l.writeStatus(traced, key, original, current, status)
	endSpan(span, err)
	switch {
	case errors.Is(err, errUnknown), isGone(err):
		return reconcile.Result{}, nil
	case apierrors.IsConflict(err):
		return reconcile.Result{RequeueAfter: l.opts.reportEvery}, nil
	case err != nil:
		return reconcile.Result{}, fmt.Errorf("write status: %w", err)
	}
	l.noteWritten(ctx, key, original, sight)
	l.tellHealth(ctx, key, original, current, status)
	l.tellRefusals(ctx, key, original, seen)
	return reconcile.Result{RequeueAfter: again}, nil
}

// noteWritten remembers that a status was written of what was seen, and tells the
// owner if that was so again and again.
func (l *Loop) noteWritten(ctx context.Context, key Key, original *unstructured.Unstructured, sight uint64) {
	r := l.record(key, original.GetUID())
	if r.written != sight {
		r.written, r.writes = sight, rounds{}
	}
	r.replaced, r.reported, r.writes = original.GetResourceVersion(), l.world.now(), r.writes.oneMore(l.world.now())
	l.remember(key, r)
	if r.writes.rounds == fightAfter {
		l.tell(ctx, key, original, &RefusalError{Reason: ReasonContested, Message: fmt.Sprintf(
			"the status was written %d times in a row, and is changed each time by somebody in the workspace, a webhook or a controller; have it leave the status of this object to %s; it is written again later", fightAfter, l.manager)})
	}
}

// fingerprintOf is that of everything which the status follows from: what was
// seen, and what stands in the original.
func fingerprintOf(sight uint64, original *unstructured.Unstructured) uint64 {
	var h xxhash.Digest
	_, _ = h.Write(binary.LittleEndian.AppendUint64(nil, sight))
	_, _ = h.WriteString(original.GetResourceVersion())
	return h.Sum64()
}

// sight is that of everything which the status follows from but what others wrote
// into it.
func (s *sighting) sight(original *unstructured.Unstructured) uint64 {
	var h xxhash.Digest
	put := func(values ...string) {
		for _, v := range values {
			_, _ = h.WriteString(v)
			_, _ = h.WriteString("\x00")
		}
	}
	put(string(original.GetUID()), strconv.FormatInt(original.GetGeneration(), 10))
	for i := range s.copies {
		c := &s.copies[i]
		put(c.Cluster, strconv.FormatBool(c.Behind))
		if c.Replicas != nil {
			put("replicas", strconv.Itoa(int(*c.Replicas)))
		}
		if c.Copy != nil {
			put("copy", string(c.Copy.GetUID()), c.Copy.GetResourceVersion())
		}
	}
	for _, r := range s.refusals {
		put("refusal", r.Cluster, r.Reason, r.Message)
	}
	put(s.overruled...)
	return h.Sum64()
}

// statusOf computes the status that the original should have; nil for none.
func (l *Loop) statusOf(key Key, original *unstructured.Unstructured, current map[string]any, seen sighting, healthy metav1.Condition) (map[string]any, error) {
	var status map[string]any
	if anyCopy(seen.copies) {
		aggregated, err := l.aggregate(key, original, seen.copies)
		if err != nil {
			return nil, fmt.Errorf("aggregate status: %w", err)
		}
		status = aggregated
	} else {
		status = runtime.DeepCopyJSON(current)
	}
	if !l.hasConditions(original.GroupVersionKind().GroupKind()) {
		return status, nil
	}
	if status == nil {
		status = map[string]any{}
	}
	now := metav1.NewTime(l.world.now())
	synced := syncedCondition(seen)
	healthy = l.opts.stall(healthy, current, now.Time)
	for _, c := range []metav1.Condition{synced, healthy} {
		transform.SetCondition(status, current, c, now)
	}
	return status, nil
}

func anyCopy(copies []transform.Observed) bool {
	for _, c := range copies {
		if c.Copy != nil {
			return true
		}
	}
	return false
}

func syncedCondition(seen sighting) metav1.Condition {
	if len(seen.refusals) > 0 {
		first := seen.refusals[0]
		message := first.Message
		if first.Cluster != "" {
			message = first.Cluster + ": " + message
		}
		if more := len(seen.refusals) - 1; more > 0 {
			message += fmt.Sprintf(" (and %d more)", more)
		}
		return metav1.Condition{Type: ConditionSynced, Status: metav1.ConditionFalse, Reason: first.Reason, Message: clip(message)}
	}
	if seen.unneeded {
		return metav1.Condition{Type: ConditionSynced, Status: metav1.ConditionFalse, Reason: ReasonUnmentioned, Message: "nothing that is placed mentions it: it is on no cluster, and the rest of its status is what was last seen; mention it in a workload to have it placed"}
	}
	names := make([]string, 0, len(seen.copies))
	for _, c := range seen.copies {
		names = append(names, c.Cluster)
	}
	c := metav1.Condition{Type: ConditionSynced, Status: metav1.ConditionTrue, Reason: ReasonSynced, Message: clip("on " + strings.Join(names, ", "))}
	if len(seen.overruled) > 0 {
		c.Reason, c.Message = ReasonOverruled, clip(c.Message+"; "+strings.Join(seen.overruled, "; "))
	}
	return c
}

// healthyCondition sums up the copies' health: the worst counts.
func healthyCondition(seen sighting, rules *transform.StatusRules) metav1.Condition {
	c := metav1.Condition{Type: ConditionHealthy, Status: metav1.ConditionTrue, Reason: ReasonHealthy, Message: "every copy is healthy"}
	if len(seen.copies) == 0 {
		c.Status, c.Reason, c.Message = metav1.ConditionUnknown, ReasonUnknown, "there is no copy"
	}
	for _, s := range seen.copies {
		health, message := transform.HealthUnknown, "there is no copy on the cluster yet"
		if s.Copy != nil {
			health, message = rules.Health(s.Copy)
		}
		switch {
		case health == transform.HealthDegraded && c.Reason != ReasonDegraded:
			c.Status, c.Reason, c.Message = metav1.ConditionFalse, ReasonDegraded, s.Cluster+": "+message
		case health == transform.HealthProgressing && c.Status == metav1.ConditionTrue:
			c.Status, c.Reason, c.Message = metav1.ConditionFalse, ReasonProgressing, s.Cluster+": "+message
		case health == transform.HealthUnknown && c.Status == metav1.ConditionTrue:
			c.Status, c.Reason, c.Message = metav1.ConditionUnknown, ReasonUnknown, s.Cluster+": "+message
		}
	}
	c.Message = clip(c.Message)
	return c
}

// clip bounds what of a message goes into a status.
func clip(s string) string {
	const most = 1024
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

// equalStatus compares by what the server would store.
func equalStatus(a, b map[string]any) bool {
	return same(a, b) || !drifted(a, b) && !drifted(b, a)
}

// writeStatus patches what differs, on the very object that was read.
func (l *Loop) writeStatus(ctx context.Context, key Key, original *unstructured.Unstructured, current, status map[string]any) error {
	ws, err := l.workspace(ctx, key.Workspace)
	if err != nil {
		return err
	}
	before, err := json.Marshal(map[string]any{"status": current})
	if err != nil {
		return err
	}
	after, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		return err
	}
	diff, err := jsonpatch.CreateMergePatch(before, after)
	if err != nil {
		return err
	}
	patch := map[string]any{}
	if err := json.Unmarshal(diff, &patch); err != nil {
		return err
	}
	patch["metadata"] = map[string]any{"uid": original.GetUID(), "resourceVersion": original.GetResourceVersion()}
	data, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	err = ws.Status().Patch(ctx, original.DeepCopy(), client.RawPatch(types.MergePatchType, data), client.FieldOwner(l.manager))
	l.metrics.wroteUpstream("status", err)
	return err
}

// tellRefusals tells the owner of refusals by events where no condition can.
func (l *Loop) tellRefusals(ctx context.Context, key Key, original *unstructured.Unstructured, seen sighting) {
	r := l.record(key, original.GetUID())
	var told []string
	for _, refusal := range seen.refusals {
		if refusal.Reason == ReasonClusterUnavailable || refusal.Reason == ReasonRolloutProgressing {
			continue // an outage is the platform's business, and this is no refusal; the condition says so
		}
		id := refusal.Cluster + "/" + refusal.Reason
		told = append(told, id)
		if !slices.Contains(r.told, id) {
			l.tell(ctx, key, original, refusal)
		}
	}
	if !reflect.DeepEqual(told, r.told) {
		r.told = told
		l.remember(key, r)
	}
}

// tell writes an event next to the original. That it can't be written harms
// nothing.
func (l *Loop) tell(ctx context.Context, key Key, original *unstructured.Unstructured, refusal *RefusalError) {
	cl, err := l.provider.Get(ctx, key.Workspace)
	if err != nil {
		return
	}
	kind := corev1.EventTypeWarning
	note := refusal.Message
	if refusal.Cluster != "" {
		note = refusal.Cluster + ": " + note
	}
	//nolint:staticcheck // kcp serves no events.k8s.io to exports; a claim on the core group's events is all there is
	cl.GetEventRecorderFor("tmc-sync").Event(original, kind, refusal.Reason, clip(note))
}
