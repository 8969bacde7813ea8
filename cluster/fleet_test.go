package cluster

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

// world stands for the clusters that a fleet under test talks to: what each
// endpoint answers to a probe.
type world struct {
	mu      sync.Mutex
	answers map[string]probeResult
	frozen  map[string]bool
	// lag is how long a reader takes for its first reading.
	lag time.Duration
}

// change changes what the world answers.
func (w *world) change(how func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	how()
}

func (w *world) probe(ctx context.Context, l *link) probeResult {
	host := l.config.Host
	w.mu.Lock()
	frozen := w.frozen[host]
	r, ok := w.answers[host]
	w.mu.Unlock()
	if frozen {
		<-ctx.Done()
		return probeResult{err: ctx.Err()}
	}
	if !ok {
		return probeResult{err: errors.New("connection refused")}
	}
	return r
}

func (w *world) read(ctx context.Context, r *readings) {
	sleep(ctx, w.lag)
	r.usage.replaceNodes([]*nodeItem{node("n1", 4000)})
	r.usage.replacePods(nil)
	r.discovered(ctx, &discovered{version: "v1.36.3"}, nil)
	r.capacityChanged()
	<-ctx.Done()
}

func node(name string, milliCPU int64) *nodeItem {
	n := &nodeItem{allocatable: Resources{MilliCPU: milliCPU, Pods: 110}, ready: true}
	n.Name = name
	return n
}

func at(host string, mods ...func(*Registration)) Registration {
	reg := Registration{Name: host, Config: &rest.Config{Host: host}}
	for _, mod := range mods {
		mod(&reg)
	}
	return reg
}

func up(uid types.UID) probeResult { return probeResult{uid: uid} }

// script is a source that a test speaks through.
type script chan func(Sink)

func (script) Name() string { return "script" }

func (s script) Run(ctx context.Context, sink Sink) error {
	for {
		select {
		case say := <-s:
			say(sink)
		case <-ctx.Done():
			return nil
		}
	}
}

// start runs a fleet in the bubble until the test ends.
func start(t *testing.T, w *world, opts ...Option) *Fleet {
	t.Helper()
	opts = append([]Option{
		WithProbe(ProbePolicy{Interval: 10 * time.Second, Timeout: 5 * time.Second, FailureThreshold: 3, SuccessThreshold: 2}),
		WithGrace(time.Minute),
		func(o *options) { o.probe, o.read = w.probe, w.read },
	}, opts...)
	f, err := NewFleet(opts...)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = f.Start(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return f
}

func lookup(t *testing.T, f *Fleet, name string) *State {
	t.Helper()
	st, ok := f.Snapshot().Lookup(name)
	require.True(t, ok, "cluster %s is in the fleet", name)
	return st
}

func effects(st *State, key string) []corev1.TaintEffect {
	var out []corev1.TaintEffect
	for _, t := range st.Taints {
		if t.Key == key {
			out = append(out, t.Effect)
		}
	}
	return out
}

func TestFleetBecomesReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{answers: map[string]probeResult{"a": up("uid-a"), "b": up("uid-b")}, lag: time.Second}
		f := start(t, w, WithSource(Static(at("a"), at("b"), at("c"))))
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		require.False(t, f.WaitForSync(ctx), "capacity has not been read")
		require.ErrorIs(t, f.Ready(nil), errFleetNotSynced)
		require.Equal(t, ReasonReading, lookup(t, f, "a").Reason)
		require.Equal(t, ReasonConnecting, lookup(t, f, "c").Reason)

		require.True(t, f.WaitForSync(t.Context()))
		require.NoError(t, f.Ready(nil))
		got := lookup(t, f, "a")
		want := &State{
			Name: "a", UID: "uid-a", Ready: true, Reachable: true, Version: "v1.36.3",
			Nodes: 1, Allocatable: Resources{MilliCPU: 4000, Pods: 110}, CapacityKnown: true, APIs: got.APIs,
			FreeSlots: []Resources{{MilliCPU: 4000, Pods: 110}},
			NodeRoom:  []Lot{{Each: Resources{MilliCPU: 4000, Pods: 110}, Count: 1}}, Pods: []Lot{},
			Properties: map[string]Property{PropertyVersion: {Text: "v1.36.3", ObservedAt: got.Properties[PropertyVersion].ObservedAt}},
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(APISet{})); diff != "" {
			t.Errorf("state of a (-want +got):\n%s", diff)
		}
		require.Equal(t, ReasonUnreachable, lookup(t, f, "c").Reason, "one that never answers does not hold up the rest")
		require.Same(t, lookup(t, f, "a").APIs, lookup(t, f, "b").APIs, "clusters that serve the same share a set")

		_, err := f.Connection("nobody")
		require.ErrorIs(t, err, ErrNotFound)
		_, err = f.Connection("c")
		require.ErrorIs(t, err, ErrNotConnected)
		conn, err := f.Connection("a")
		require.NoError(t, err)
		require.Equal(t, types.UID("uid-a"), conn.UID)
	})
}

func TestFleetLosesAndRegainsCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{answers: map[string]probeResult{"a": up("uid-a"), "b": up("uid-b")}, frozen: map[string]bool{}}
		f := start(t, w, WithSource(Static(at("a"), at("b"))))
		require.True(t, f.WaitForSync(t.Context()))
		conn, err := f.Connection("a")
		require.NoError(t, err)

		w.change(func() { w.frozen["a"] = true })
		time.Sleep(20 * time.Second)
		require.True(t, lookup(t, f, "a").Reachable, "one failure is not enough")
		time.Sleep(35 * time.Second)
		lost := lookup(t, f, "a")
		require.False(t, lost.Reachable)
		require.False(t, lost.Ready)
		require.Equal(t, ReasonUnreachable, lost.Reason)
		require.Equal(t, []corev1.TaintEffect{corev1.TaintEffectNoSchedule}, effects(lost, v1alpha1.TaintUnreachable))
		require.True(t, lost.CapacityKnown, "what was known stays")
		require.True(t, lookup(t, f, "b").Ready, "a frozen cluster does not disturb another")
		require.False(t, isClosed(conn.Done()), "an outage does not close the connection")

		time.Sleep(time.Minute)
		lost = lookup(t, f, "a")
		require.Equal(t, []corev1.TaintEffect{corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute}, effects(lost, v1alpha1.TaintUnreachable))
		require.Equal(t, lost.UnreachableSince.Add(time.Minute), lost.Taints[1].TimeAdded.Time, "the time depends on what was observed alone")

		w.change(func() { w.frozen["a"] = false })
		time.Sleep(30 * time.Second)
		back := lookup(t, f, "a")
		require.True(t, back.Ready)
		require.Empty(t, back.Taints)
		require.Zero(t, back.UnreachableSince)
	})
}

func TestFleetNoticesRebuiltCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{answers: map[string]probeResult{"a": up("old")}}
		f := start(t, w, WithSource(Static(at("a"))))
		require.True(t, f.WaitForSync(t.Context()))
		before, err := f.Connection("a")
		require.NoError(t, err)
		var reconnects atomic.Int32
		f.Subscribe(func(c Change) {
			if c.Old != nil && c.Reconnected {
				reconnects.Add(1)
			}
		})
		w.change(func() { w.answers["a"] = up("new") })
		time.Sleep(25 * time.Second)
		require.True(t, isClosed(before.Done()))
		after, err := f.Connection("a")
		require.NoError(t, err)
		require.Equal(t, types.UID("new"), after.UID)
		require.Equal(t, types.UID("new"), lookup(t, f, "a").UID)
		require.True(t, lookup(t, f, "a").Ready)
		require.EqualValues(t, 2, reconnects.Load(), "once that the connection is gone, once that there is another")
	})
}

func TestFleetNoticesAClusterOfAnEarlierTime(t *testing.T) {
	seen := func(revision uint64) probeResult { return probeResult{uid: "u", revision: revision} }
	cases := map[string]struct {
		reason string
		then   []probeResult
		anew   bool
	}{
		"restored":       {"what was read is of a time that is no more", []probeResult{seen(60)}, true},
		"restored twice": {"the second restore is noticed by what the first left", []probeResult{seen(60), seen(70), seen(50)}, true},
		"goes on":        {"storage counts upwards", []probeResult{seen(100), seen(140)}, false},
		"not allowed":    {"a revision that may not be read says nothing", []probeResult{seen(0), seen(100)}, false},
		"away meanwhile": {"an outage that is too short to count may hide a restore", []probeResult{{err: errors.New("away")}, seen(99)}, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{answers: map[string]probeResult{"a": seen(100)}}
				f := start(t, w, WithSource(Static(at("a"))))
				require.True(t, f.WaitForSync(t.Context()))
				before, err := f.Connection("a")
				require.NoError(t, err)
				for _, answer := range tc.then {
					w.change(func() { w.answers["a"] = answer })
					time.Sleep(25 * time.Second)
				}
				require.Equal(t, tc.anew, isClosed(before.Done()), tc.reason)
				after, err := f.Connection("a")
				require.NoError(t, err)
				require.Equal(t, before.UID, after.UID, "it is the same cluster")
				require.True(t, lookup(t, f, "a").Ready, "its work stays where it is")
			})
		})
	}
}

func TestFleetRefusesSecondRegistration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{answers: map[string]probeResult{"a": up("same"), "b": up("same")}}
		older := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		f := start(t, w, WithSource(Static(
			at("a", func(r *Registration) { r.CreatedAt = older.Add(time.Hour) }),
			at("b", func(r *Registration) { r.CreatedAt = older }),
		)))
		require.True(t, f.WaitForSync(t.Context()))
		require.True(t, lookup(t, f, "b").Ready, "the older registration counts")
		a := lookup(t, f, "a")
		require.Equal(t, ReasonDuplicate, a.Reason)
		require.Equal(t, `remove one of two registrations: "b" is the same cluster (same)`, a.Message)
	})
}

func TestSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{answers: map[string]probeResult{"a": up("uid-a"), "x": up("uid-x")}}
		first, second := make(script), make(script)
		f := start(t, w, WithSource(first), WithSource(second))
		var changes []string
		f.Subscribe(func(c Change) {
			switch {
			case c.Old == nil:
				changes = append(changes, "joined "+c.Name())
			case c.New == nil:
				changes = append(changes, "left "+c.Name())
			}
		})
		rotated := at("a", func(r *Registration) { r.Config.BearerToken = "new" })
		second <- func(s Sink) { s.Set(at("a", func(r *Registration) { r.Region = "second" })) }
		first <- func(s Sink) { s.Set(at("a", func(r *Registration) { r.Region = "first" })) }
		time.Sleep(time.Second)
		require.Equal(t, "first", lookup(t, f, "a").Region, "the source that was added first wins")
		conn, err := f.Connection("a")
		require.NoError(t, err)

		first <- func(s Sink) { s.Set(at("a", func(r *Registration) { r.Region = "first"; r.Unschedulable = true })) }
		time.Sleep(time.Second)
		require.Equal(t, []corev1.TaintEffect{corev1.TaintEffectNoSchedule}, effects(lookup(t, f, "a"), v1alpha1.TaintUnschedulable))
		require.False(t, isClosed(conn.Done()), "a cordon does not touch the connection")

		first <- func(s Sink) { s.Set(rotated) }
		time.Sleep(time.Second)
		require.True(t, isClosed(conn.Done()), "changed credentials close the connection")
		conn, err = f.Connection("a")
		require.NoError(t, err)
		require.Equal(t, "new", conn.Config.BearerToken)
		require.True(t, lookup(t, f, "a").Ready)

		first <- func(s Sink) {
			s.Set(at("a", func(r *Registration) { r.Config, r.Err = nil, errors.New("secret is gone") }))
		}
		time.Sleep(time.Second)
		require.Equal(t, ReasonInvalidRegistration, lookup(t, f, "a").Reason)
		require.Equal(t, "secret is gone", lookup(t, f, "a").Message)

		first <- func(s Sink) { s.Remove("a") }
		time.Sleep(time.Second)
		require.Equal(t, "second", lookup(t, f, "a").Region, "the other source still has it")
		second <- func(s Sink) { s.Remove("a"); s.Remove("never was") }
		time.Sleep(time.Second)
		require.Zero(t, f.Snapshot().Len())
		_, err = f.Connection("a")
		require.ErrorIs(t, err, ErrNotFound)
		synctest.Wait()
		if diff := cmp.Diff([]string{"joined a", "left a"}, changes); diff != "" {
			t.Errorf("changes (-want +got):\n%s", diff)
		}
	})
}

func TestSourceThatFailsKeepsItsClusters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{answers: map[string]probeResult{"a": up("uid-a")}}
		var runs atomic.Int32
		f := start(t, w, WithSource(sourceFunc(func(ctx context.Context, sink Sink) error {
			if runs.Add(1) == 1 {
				sink.Set(at("a"))
				sink.Synced()
			}
			return errors.New("cannot list")
		})))
		require.True(t, f.WaitForSync(t.Context()))
		time.Sleep(time.Hour)
		require.Greater(t, runs.Load(), int32(10))
		require.True(t, lookup(t, f, "a").Ready)
	})
}

type sourceFunc func(context.Context, Sink) error

func (sourceFunc) Name() string                               { return "func" }
func (f sourceFunc) Run(ctx context.Context, sink Sink) error { return f(ctx, sink) }

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}
