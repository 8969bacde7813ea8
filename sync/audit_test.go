package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	syncer "github.com/tmc-sdk/tmc/sync"
)

// journal is an auditor that keeps what it is told.
type journal struct {
	mu      sync.Mutex
	changes []syncer.Change
}

func (j *journal) Audit(_ context.Context, c syncer.Change) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.changes = append(j.changes, c)
}

// lines returns what happened to objects of a kind: action, cause, cluster.
func (j *journal) lines(kind string) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var lines []string
	for _, c := range j.changes {
		if c.Original.Kind.Kind == kind {
			line := fmt.Sprintf("%s %s %s", c.Action, c.Cause, c.Cluster)
			if c.Err != nil {
				line += " failed"
			}
			lines = append(lines, line)
		}
	}
	return lines
}

func (j *journal) wait(w *world, kind, line string) {
	w.t.Helper()
	eventually(w.t, "audit of "+kind, func() error {
		if lines := j.lines(kind); !slices.Contains(lines, line) {
			return fmt.Errorf("no %q in %q", line, lines)
		}
		return nil
	})
}

func TestEveryWriteIsAuditedWithItsCauseAndAGateMayVetoIt(t *testing.T) {
	w := newWorld(t, 1)
	j := &journal{}
	var frozen atomic.Bool
	frozen.Store(true)
	w.start(syncer.WithAudit(j), syncer.WithGate(syncer.GateFunc("freeze", func(_ context.Context, p *syncer.Proposal) error {
		if frozen.Load() && p.Key.Kind == deploymentKind {
			return errors.New("changes are frozen; wait until it is over")
		}
		return nil
	})))
	d := deployment("web", 1)
	d.Object["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)["imagePullSecrets"] = []any{map[string]any{"name": "key"}}
	secret := object(secretKind, "default", "key")
	secret.Object["stringData"] = map[string]any{"password": "swordfish"}
	require.NoError(t, w.tenant(0).Create(t.Context(), secret))
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	w.decide(0, target("east", 1))
	w.waitOriginal(0, d, condition("Synced", "False", "Vetoed"))
	require.Empty(t, j.lines("Deployment"), "what was vetoed was not tried")
	frozen.Store(false)
	copied := w.waitCopy("east", 0, d)
	w.waitOriginal(0, d, condition("Synced", "True", "Synced"))

	require.NoError(t, w.tenant(0).Patch(t.Context(), w.waitOriginal(0, d), client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"a":"b"}}}`))))
	w.waitCopy("east", 0, d, field("metadata.labels.a", "b"))
	require.NoError(t, w.cluster("east").Patch(t.Context(), copied, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"replicas":9}}`))))
	w.waitCopy("east", 0, d, field("spec.replicas", 1))

	frozen.Store(true)
	require.NoError(t, w.tenant(0).Delete(t.Context(), d.DeepCopy()))
	eventually(t, "the veto of the deletion is asked for", func() error { return w.queueEmpty() })
	w.waitCopy("east", 0, d)
	frozen.Store(false)
	w.waitNoOriginal(0, d)
	j.wait(w, "Deployment", "deleted OriginalDeleted east")
	require.Equal(t, []string{
		"created Placed east", "configured Changed east", "configured Drift east", "deleted OriginalDeleted east",
	}, j.lines("Deployment"))
	j.wait(w, "Secret", "deleted Unmentioned east")
	j.wait(w, "Namespace", "deleted Empty east")

	eventually(t, "an entry for every write", func() error {
		j.mu.Lock()
		defer j.mu.Unlock()
		if n := w.physical.n.Load(); int(n) != len(j.changes) {
			return fmt.Errorf("%d writes, %d entries:\n%s\n%v", n, len(j.changes), &w.physical, j.changes)
		}
		return nil
	})
	for _, c := range j.changes {
		require.NotContains(t, fmt.Sprintf("%+v", c), "swordfish")
		require.Equal(t, w.id, c.Installation)
		require.NotEmpty(t, c.CopyUID, "%s", c)
	}
}
