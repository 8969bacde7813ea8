package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
)

// Scenario 22: whatever a cluster does, the others go on; and it has all that it
// should have when it is well again.
func TestAClusterInTroubleHoldsUpNoOtherAndConverges(t *testing.T) {
	w := newWorld(t, 1)
	w.start()
	w.decide(0, target("east", 1), target("west", 1))
	west := w.server("west")
	storm := func(answer tmcenvtest.Answer, verbs ...string) func() error {
		return func() error { west.Proxy().Storm(tmcenvtest.Storm{Answer: answer, Verbs: verbs}); return nil }
	}
	heal := func() error { west.Proxy().Heal(); return nil }
	t.Cleanup(west.Proxy().Heal)
	n := 0
	for _, trouble := range []struct {
		name     string
		begin    func() error
		end      func() error
		passable bool // some of what is written arrives
	}{
		{"it refuses", func() error { west.Proxy().Refuse(); return nil }, heal, false},
		{"it resets", func() error { west.Proxy().Reset(); return nil }, heal, true},
		{"it does not answer", func() error { west.Proxy().Cut(); return nil }, heal, false},
		{"it throttles", storm(tmcenvtest.Throttle(time.Second)), heal, false},
		{"it fails", storm(tmcenvtest.Fail(http.StatusInternalServerError)), heal, false},
		{"requests hang", storm(tmcenvtest.Hang(), "create", "update", "patch", "delete"), heal, false},
		{"answers are lost", storm(tmcenvtest.LoseAnswer(), "create", "update", "patch", "delete"), heal, true},
		{"watches are cut", storm(tmcenvtest.CutWatch(100*time.Millisecond), "watch"), heal, true},
	} {
		t.Run(trouble.name, func(t *testing.T) {
			require.NoError(t, trouble.begin())
			var made []*unstructured.Unstructured
			for range 5 {
				n++
				d := deployment(fmt.Sprintf("web-%d", n), 2)
				require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
				made = append(made, d)
			}
			for _, d := range made {
				w.waitCopy("east", 0, d, field("spec.replicas", 1))
				if _, err := past(w, west, d); !trouble.passable {
					require.Error(t, err, "nothing passes")
				}
			}
			if !trouble.passable {
				w.waitOriginal(0, made[0], conditionIs("Synced", "False"))
			}
			require.NoError(t, trouble.end())
			for _, d := range made {
				w.waitCopy("west", 0, d, field("spec.replicas", 1))
				w.waitOriginal(0, d, condition("Synced", "True", "Synced"))
			}
		})
	}

	t.Run("it loses its data", func(t *testing.T) {
		d := deployment("web-1", 2)
		east, before := w.waitCopy("east", 0, d), w.waitCopy("west", 0, d)
		require.NoError(t, west.RestartEmpty(context.Background()))
		require.NoError(t, installField(t.Context(), west))
		for i := range n {
			w.waitCopy("west", 0, deployment(fmt.Sprintf("web-%d", i+1), 2), func(u *unstructured.Unstructured) error {
				if u.GetUID() == before.GetUID() {
					return errors.New("it cannot be the same")
				}
				return nil
			})
		}
		now := w.waitCopy("east", 0, d)
		require.Equal(t, east.GetUID(), now.GetUID(), "the other cluster is not concerned")
		w.waitOriginal(0, d, condition("Synced", "True", "Synced"))
		require.NoError(t, w.tenant(0).Delete(t.Context(), d.DeepCopy()))
		w.waitNoCopy("west", 0, d)
		w.waitNoOriginal(0, d)
	})
}

// past reads the copy of an original of the first tenant past the faults of the
// network.
func past(w *world, c *tmcenvtest.Cluster, d *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	w.t.Helper()
	cl, err := client.New(c.Direct(), client.Options{})
	require.NoError(w.t, err)
	u := object(d.GroupVersionKind(), "", "")
	return u, cl.Get(w.t.Context(), w.copyKey(0, d), u)
}

// conditionIs checks the status of a condition, whatever its reason.
func conditionIs(typ, status string) func(*unstructured.Unstructured) error {
	return func(u *unstructured.Unstructured) error {
		list, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
		for _, c := range list {
			if m, _ := c.(map[string]any); m["type"] == typ && m["status"] == status {
				return nil
			}
		}
		return fmt.Errorf("%s is not %s in %v", typ, status, list)
	}
}
