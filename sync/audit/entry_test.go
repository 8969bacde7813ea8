package audit_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/tmc-sdk/tmc/sync/audit"
)

func TestAnEventSaysWhoWhatWhereAndWhy(t *testing.T) {
	dir, at := t.TempDir(), newClock()
	log := open(t, dir, "controller-0", audit.Clock(at.Now))
	e := entry(1)
	e.Actor, e.Code = "tmc-main", 409
	require.NoError(t, log.Record(t.Context(), e))
	require.NoError(t, log.Close())
	var got *audit.Event
	for ev := range events(t, files(t, dir)[0]) {
		got = ev
	}
	require.Equal(t, "audit.k8s.io/v1", got.APIVersion)
	require.Equal(t, "Event", got.Kind)
	require.Equal(t, "/apis/apps/v1/namespaces/default-x/deployments/web", got.RequestURI)
	require.Equal(t, "tmc-main", got.User.Username)
	require.Equal(t, int32(409), got.ResponseStatus.Code)
	require.Equal(t, metav1.StatusReason("Drift"), got.ResponseStatus.Reason)
	require.True(t, got.StageTimestamp.Time.Equal(at.now))
	require.NotEmpty(t, got.AuditID)
	want := map[string]string{
		audit.AnnotationWriter: "controller-0", audit.AnnotationSequence: "2", audit.AnnotationWorkspace: "ws",
		audit.AnnotationCluster: "eu-1", audit.AnnotationKind: "Deployment", audit.AnnotationOriginal: "default/web",
		audit.AnnotationOriginalUID: "u1", audit.AnnotationCause: "Drift", audit.AnnotationBefore: "aa", audit.AnnotationAfter: "bb",
	}
	for _, name := range []string{audit.AnnotationHash, audit.AnnotationPrevious} {
		require.Len(t, got.Annotations[name], 64)
		delete(got.Annotations, name)
	}
	if diff := cmp.Diff(want, got.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
}

// A server quotes what it refuses. Neither that nor anything to try secrets
// against may be in the file.
func TestNoSecretIsWritten(t *testing.T) {
	const value = "hunter2"
	quoted := apierrors.NewInvalid(deployment.GroupKind(), "web", field.ErrorList{
		field.Invalid(field.NewPath("spec", "env").Index(0), map[string]string{"PASSWORD": value}, "must be: something else"),
		field.NotSupported(field.NewPath("spec", "type"), value, []string{"a"}),
		field.Duplicate(field.NewPath("spec", "name"), value),
	})
	ofSecret := entry(1)
	ofSecret.Object.Kind, ofSecret.Original.Kind = secret, secret
	ofSecret.Message, ofSecret.Before, ofSecret.After = "data: "+value, "digest-"+value, "digest2-"+value
	ofCopy := entry(2)
	ofCopy.Message = quoted.Error()
	long := entry(3)
	long.Message = strings.Repeat("ä", 2000)

	for name, opts := range map[string][]audit.Option{"plain": nil, "with a key": {audit.DigestKey([]byte("k"))}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			log := open(t, dir, "a", opts...)
			for _, e := range []audit.Entry{ofSecret, ofCopy, long} {
				require.NoError(t, log.Record(t.Context(), e))
			}
			require.NoError(t, log.Close())
			data, err := os.ReadFile(files(t, dir)[0])
			require.NoError(t, err)
			require.NotContains(t, string(data), value)
			require.Contains(t, string(data), "[hidden]")
			n := strings.Count(string(data), audit.AnnotationBefore)
			require.Equal(t, map[string]int{"plain": 2, "with a key": 3}[name], n, "digests of Secrets need a key")
			_, err = audit.VerifyDirectory(dir)
			require.NoError(t, err)
		})
	}
}

func TestFiltersSelect(t *testing.T) {
	dir := t.TempDir()
	written(t, dir, "a", 1)
	var got *audit.Event
	for ev := range events(t, files(t, dir)[0]) {
		got = ev
	}
	for name, c := range map[string]struct {
		filter audit.Filter
		want   bool
	}{
		"all":               {audit.Filter{}, true},
		"all of it":         {audit.Filter{Workspace: "ws", Cluster: "eu-1", Verb: "patch", Cause: "Drift", Writer: "a", Kind: "deployment", Name: "web"}, true},
		"name of the copy":  {audit.Filter{Name: "default-x/web"}, true},
		"the original":      {audit.Filter{Name: "default/web"}, true},
		"another namespace": {audit.Filter{Name: "other/web"}, false},
		"another cluster":   {audit.Filter{Cluster: "eu-2"}, false},
		"another verb":      {audit.Filter{Verb: "delete"}, false},
		"another kind":      {audit.Filter{Kind: "Secret"}, false},
		"later":             {audit.Filter{Since: got.StageTimestamp.Add(1)}, false},
		"until then":        {audit.Filter{Until: got.StageTimestamp.Time}, false},
		"since then":        {audit.Filter{Since: got.StageTimestamp.Time}, true},
	} {
		require.Equal(t, c.want, c.filter.Matches(got), name)
	}
}
