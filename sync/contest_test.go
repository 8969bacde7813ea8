package syncer_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	syncer "github.com/tmc-sdk/tmc/sync"
)

func TestAFightOverAFieldIsToldOfAndBacksOff(t *testing.T) {
	w := newWorld(t, 1)
	w.start()
	d := deployment("web", 2)
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	w.decide(0, target("east", 1))
	w.waitCopy("east", 0, d)
	w.waitOriginal(0, d, condition("Synced", "True", "Synced"))

	// Somebody scales the copy, whatever we do.
	key, cl := w.copyKey(0, d), w.cluster("east")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var fights atomic.Int32
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			u := object(deploymentKind, "", "")
			if cl.Get(ctx, key, u) == nil {
				if n, _, _ := unstructured.NestedInt64(u.Object, "spec", "replicas"); n != 9 &&
					cl.Patch(ctx, u, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"replicas":9}}`)), client.FieldOwner("scaler")) == nil {
					fights.Add(1)
				}
			}
			time.Sleep(10 * time.Millisecond) // the pace of the fighter
		}
	}()
	w.waitOriginal(0, d, condition("Synced", "False", "Contested"), conditionSays("Synced", "east: ", "spec.replicas is changed by scaler", "9 -> 2"))
	require.LessOrEqual(t, fights.Load(), int32(6), "a fight is short")
	stop()
	<-done
	w.waitCopy("east", 0, d, field("spec.replicas", 2))
	w.waitOriginal(0, d, condition("Synced", "True", "Synced"))
}

func TestAnImmutableFieldIsToldOfOrTheCopyIsMadeAnew(t *testing.T) {
	w := newWorld(t, 1)
	w.start()
	d := deployment("web", 2)
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	w.decide(0, target("east", 1))
	first := w.waitCopy("east", 0, d)
	labels := `{"app":"other"}`
	require.NoError(t, w.tenant(0).Patch(t.Context(), d.DeepCopy(), client.RawPatch(types.MergePatchType, fmt.Appendf(nil,
		`{"spec":{"selector":{"matchLabels":%s},"template":{"metadata":{"labels":%s}}}}`, labels, labels))))
	w.waitOriginal(0, d, condition("Synced", "False", "Refused"), conditionSays("Synced", "spec.selector can't be changed", "lost by that: its pods stop"))
	w.waitCopy("east", 0, d, func(u *unstructured.Unstructured) error {
		if u.GetUID() != first.GetUID() {
			return fmt.Errorf("the copy was replaced")
		}
		return nil
	})
	w.stopLoop()

	j := &journal{}
	w.start(syncer.WithStrategy(syncer.StrategyRecreate, deploymentKind.GroupKind()), syncer.WithAudit(j))
	second := w.waitCopy("east", 0, d, field("spec.selector.matchLabels.app", "other"))
	require.NotEqual(t, first.GetUID(), second.GetUID())
	j.wait(w, "Deployment", "deleted Immutable east")
	w.waitOriginal(0, d, condition("Synced", "True", "Synced"))
}
