package syncer_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	syncer "github.com/tmc-sdk/tmc/sync"
)

// waitPlan waits for a plan with so many steps that says all of what.
func (w *world) waitPlan(steps int, what ...string) {
	w.t.Helper()
	var text strings.Builder
	eventually(w.t, "plan", func() error {
		text.Reset()
		plan, err := w.loop.Plan(w.t.Context())
		if err != nil {
			return err
		}
		if err := plan.Print(&text); err != nil {
			return err
		}
		says := func(part string) bool { return strings.Contains(text.String(), part) }
		if len(plan.Steps) != steps || !all(what, says) {
			return errors.New(text.String())
		}
		return nil
	})
}

func all(list []string, ok func(string) bool) bool {
	return !slices.ContainsFunc(list, func(s string) bool { return !ok(s) })
}

func TestAFirstStartOnlyObservesPlansAndThenResumes(t *testing.T) {
	w := newWorld(t, 1)
	d := mentioning(deployment("web", 2), "settings")
	require.NoError(t, w.tenant(0).Create(t.Context(), configMap("settings", "1")))
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	w.decide(0, target("east", 1))
	w.start(syncer.ObserveOnly())

	w.waitPlan(2, "created Deployment "+string(w.tenants[0].Cluster)+"|default/web on east", "+ spec.replicas: 2", "waits: the installation")
	require.NoError(t, w.queueEmpty())
	require.Zero(t, w.upstream.n.Load(), "%s", &w.upstream)
	require.Zero(t, w.physical.n.Load(), "%s", &w.physical)

	w.loop.Resume(t.Context())
	w.waitCopy("east", 0, d)
	w.waitCopy("east", 0, configMap("settings", "1"))
	w.waitPlan(0)

	// A Placement alone: its work stays as it is, and says so.
	suspend := func(value string) {
		patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%s}}}`, syncer.MarkSuspend, value)
		require.NoError(t, w.tenant(0).Patch(t.Context(), object(placementKind, "default", "default"), client.RawPatch(types.MergePatchType, []byte(patch))))
	}
	suspend(`"since the incident of Monday"`)
	eventually(t, "it is suspended", func() error {
		return w.tenant(0).Patch(t.Context(), d.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"spec":{"replicas":3}}`)))
	})
	w.waitOriginal(0, d, condition("Synced", "False", "Suspended"))
	w.waitPlan(1, "~ spec.replicas: 2 -> 3", "waits: Placement default")
	require.NoError(t, w.tenant(0).Delete(t.Context(), d.DeepCopy()))
	w.waitPlan(1, "deleted Deployment")
	w.waitCopy("east", 0, d, field("spec.replicas", 2))
	suspend("null")
	w.waitNoOriginal(0, d)
	w.waitNoCopy("east", 0, d)
}
