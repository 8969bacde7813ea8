package syncer

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func TestImmutable(t *testing.T) {
	kind := schema.GroupKind{Group: "apps", Kind: "Deployment"}
	invalid := func(causes ...*field.Error) error { return apierrors.NewInvalid(kind, "web", causes) }
	tests := map[string]struct {
		reason string
		err    error
		want   []string
	}{
		"none":           {reason: "no error, no field"},
		"another error":  {reason: "only what is invalid counts", err: errors.New("field is immutable")},
		"immutable":      {reason: "a selector never changes", err: invalid(field.Invalid(field.NewPath("spec", "selector"), "x", "field is immutable")), want: []string{"spec.selector"}},
		"a StatefulSet":  {reason: "it says so in other words", err: invalid(field.Forbidden(field.NewPath("spec"), "updates to statefulset spec for fields other than 'replicas' are forbidden")), want: []string{"spec"}},
		"just invalid":   {reason: "a wrong value is the owner's to mend", err: invalid(field.Invalid(field.NewPath("spec", "replicas"), -1, "must be at least 0"))},
		"another object": {reason: "a changed UID means that the copy was replaced", err: invalid(field.Invalid(field.NewPath("metadata", "uid"), "x", "field is immutable"))},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, immutable(tc.err)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestWhatIsLostByARecreationIsSaidForEveryKind(t *testing.T) {
	for _, kind := range []string{"Deployment", "StatefulSet", "Job", "PersistentVolumeClaim", "Service", "Secret", "Pod", "Whatever"} {
		require.NotEmpty(t, lostBy(schema.GroupKind{Kind: kind}))
	}
}

func TestStrategiesAreChecked(t *testing.T) {
	o := defaults()
	Resources(placementKind)(&o)
	WithStrategy(StrategyRecreate, placementKind.GroupKind())(&o)
	require.NoError(t, o.validate())
	WithStrategy("Hope", placementKind.GroupKind())(&o)
	require.ErrorContains(t, o.validate(), `strategy "Hope"`)
}

func TestRepairsInARowAreAFight(t *testing.T) {
	start := time.Unix(1000, 0)
	copied := &unstructured.Unstructured{}
	drift := intent{action: apply, digest: "d", cause: CauseDrift, copied: copied}
	tests := map[string]struct {
		reason string
		last   outcome
		todo   intent
		after  time.Duration
		want   int
	}{
		"the first":         {reason: "nothing was repaired before", todo: drift, want: 1},
		"the next":          {reason: "the same rendering, soon after", last: outcome{digest: "d", repairs: 1, at: start}, todo: drift, want: 2},
		"long after":        {reason: "now and then is no fight", last: outcome{digest: "d", repairs: 2, at: start}, todo: drift, after: 11 * time.Minute, want: 1},
		"after a truce":     {reason: "the wait itself does not count", last: outcome{digest: "d", repairs: 12, at: start, contested: true}, todo: drift, after: 15 * time.Minute, want: 13},
		"another rendering": {reason: "the original changed", last: outcome{digest: "c", repairs: 2, at: start}, todo: drift, want: 1},
		"a change":          {reason: "no repair at all", last: outcome{digest: "c", repairs: 2, at: start}, todo: intent{cause: CauseChanged, copied: copied}},
		"deleted by hand":   {reason: "no field is fought over", last: outcome{digest: "d", repairs: 2, at: start}, todo: intent{digest: "d", cause: CauseDrift}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, tc.last.repairsWith(tc.todo, start.Add(tc.after)), tc.reason)
		})
	}
}

func TestTrucesGrowAndEnd(t *testing.T) {
	require.Zero(t, truce(fightAfter-1))
	require.Equal(t, firstTruce, truce(fightAfter))
	require.Equal(t, 4*firstTruce, truce(fightAfter+2))
	require.Equal(t, mostTruce, truce(1000))
	at := time.Unix(1000, 0)
	o := outcome{contested: true, digest: "d", repairs: fightAfter, at: at}
	require.Equal(t, firstTruce-time.Second, o.truceLeft(intent{digest: "d"}, at.Add(time.Second)))
	require.Zero(t, o.truceLeft(intent{digest: "new"}, at), "what the owner changes does not wait")
}

// Who wrote what a kind does not have has to be told which field it is.
func TestWhatDoesNotFitItsKindIsNamed(t *testing.T) {
	for name, tt := range map[string]struct{ reason, answer, want string }{
		"no such field": {"", `failed to create typed patch object (ns/web; apps/v1, Kind=Deployment): .spec.nonsense: field not declared in schema`, "spec.nonsense: field not declared in schema"},
		"another sort":  {"", `failed to create typed patch object (ns/web; apps/v1, Kind=Deployment): .spec.replicas: expected numeric (int or float), got string`, "spec.replicas: expected numeric (int or float), got string"},
		"without names": {"a server may say less", "failed to create typed patch object: x", "a field"},
		"unwell":        {"what time mends is tried again", "etcdserver: request timed out", ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := apierrors.NewInternalError(errors.New(tt.answer))
			require.Equal(t, tt.want, mismatchOf(err), tt.reason)
			refusal := (&lane{name: "eu"}).classify(err)
			require.Equal(t, tt.want != "", refusal.Reason == ReasonSchemaMismatch)
			require.Equal(t, tt.want != "", outcome{refusal: refusal}.unfit())
		})
	}
}
