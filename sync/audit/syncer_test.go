package audit_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	syncer "github.com/tmc-sdk/tmc/sync"
	"github.com/tmc-sdk/tmc/sync/audit"
)

func change(kind schema.GroupVersionKind, err error) syncer.Change {
	return syncer.Change{
		Action: syncer.ActionCreated, Cause: syncer.CausePlaced, Installation: "main", Manager: "tmc-main",
		Original:    syncer.Key{Kind: kind, Workspace: "ws", Namespace: "default", Name: "web"},
		OriginalUID: "u1", Placement: "default", Cluster: "eu-1",
		Copy: client.ObjectKey{Namespace: "default-x", Name: "web"}, After: "d1", Err: err,
	}
}

func TestChangesOfTheLoopAreRecorded(t *testing.T) {
	for name, c := range map[string]struct {
		change         syncer.Change
		code           int32
		cause, message string
		after          string
	}{
		"done":     {change(deployment, nil), 201, "Placed", "decided by Placement default", "d1"},
		"a secret": {change(secret, nil), 201, "Placed", "", ""},
		"server says no": {
			change(deployment, apierrors.NewForbidden(schema.GroupResource{Resource: "deployments"}, "web", errors.New("quota"))),
			403, "Placed", `deployments "web" is forbidden: quota`, "d1",
		},
		"a conflict": {
			change(deployment, &syncer.RefusalError{Reason: syncer.ReasonConflict, Cluster: "eu-1", Message: "not ours"}),
			409, "Conflict", "Conflict on eu-1: not ours", "d1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			log := open(t, dir, "a")
			log.Changes().Audit(t.Context(), c.change)
			require.NoError(t, log.Close())
			var got *audit.Event
			for ev := range events(t, files(t, dir)[0]) {
				got = ev
			}
			require.Equal(t, c.code, got.ResponseStatus.Code)
			require.Equal(t, c.message, got.ResponseStatus.Message)
			require.Equal(t, "tmc-main", got.User.Username)
			want := map[string]string{
				audit.AnnotationWorkspace: "ws", audit.AnnotationCluster: "eu-1", audit.AnnotationKind: c.change.Original.Kind.Kind,
				audit.AnnotationOriginal: "default/web", audit.AnnotationOriginalUID: "u1", audit.AnnotationCause: c.cause,
			}
			if c.after != "" {
				want[audit.AnnotationAfter] = c.after
			}
			chain := cmpopts.IgnoreMapEntries(func(name, _ string) bool {
				return name == audit.AnnotationWriter || name == audit.AnnotationSequence || name == audit.AnnotationPrevious || name == audit.AnnotationHash
			})
			if diff := cmp.Diff(want, got.Annotations, chain); diff != "" {
				t.Errorf("annotations (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheGateStopsWritesThatWouldGoUnrecorded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	log := open(t, dir, "a", audit.Directory(dir, audit.Rotation{MaxBytes: 1}), audit.OnFailure(audit.Count))
	gate := log.Gate()
	log.Changes().Audit(t.Context(), change(deployment, nil))
	require.NoError(t, gate.Admit(t.Context(), &syncer.Proposal{}))

	undo := fill(t, dir)
	log.Changes().Audit(t.Context(), change(deployment, nil))
	require.ErrorContains(t, gate.Admit(t.Context(), &syncer.Proposal{}), "can't be written")
	require.Error(t, gate.Admit(t.Context(), &syncer.Proposal{}))
	undo()
	require.NoError(t, gate.Admit(t.Context(), &syncer.Proposal{}), "the gate finds out by itself")
	require.NoError(t, log.Close())
	report, err := audit.VerifyDirectory(dir)
	require.NoError(t, err)
	require.Equal(t, uint64(1), report.Chains[0].Lost)
}
