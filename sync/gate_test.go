package syncer

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tmc-sdk/tmc/transform"
)

func TestGatesAreAskedInOrderAndTheFirstVetoDecides(t *testing.T) {
	var asked []string
	gate := func(name string, err error) Gate {
		return GateFunc(name, func(context.Context, *Proposal) error {
			asked = append(asked, name)
			return err
		})
	}
	panics := GateFunc("panics", func(context.Context, *Proposal) error { panic("out of order") })
	closed := errors.New("closed until Monday; ask the platform team")
	tests := map[string]struct {
		reason string
		gates  []Gate
		asked  []string
		want   string
	}{
		"none":      {reason: "without gates everything passes"},
		"all pass":  {reason: "every gate is asked", gates: []Gate{gate("a", nil), gate("b", nil)}, asked: []string{"a", "b"}},
		"one vetos": {reason: "who comes after a veto is not asked", gates: []Gate{gate("a", nil), gate("b", closed), gate("c", nil)}, asked: []string{"a", "b"}, want: "Vetoed on east: b: " + closed.Error()},
		"one panics": {
			reason: "a broken gate lets nothing pass and breaks nothing else", gates: []Gate{panics},
			want: "Vetoed on east: panics: the gate failed, so nothing passes it: out of order",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			asked = nil
			l := &Loop{opts: options{gates: tc.gates}}
			err := l.admit(t.Context(), &Proposal{Cluster: "east"})
			if tc.want == "" {
				require.NoError(t, err, tc.reason)
			} else {
				require.EqualError(t, err, tc.want, tc.reason)
			}
			if diff := cmp.Diff(tc.asked, asked); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestCauseOf(t *testing.T) {
	there := copyWithDigest("d1")
	tests := map[string]struct {
		reason string
		digest string
		last   outcome
		exists bool
		want   Cause
	}{
		"first":          {reason: "nothing was there", digest: "d1", want: CausePlaced},
		"back again":     {reason: "a copy that went and was placed again changed", digest: "d2", last: outcome{digest: "d1", seen: true}, want: CausePlaced},
		"deleted":        {reason: "it was seen after it was written", digest: "d1", last: outcome{digest: "d1", seen: true}, want: CauseDrift},
		"not seen yet":   {reason: "it may never have been there", digest: "d1", last: outcome{digest: "d1"}, want: CausePlaced},
		"other digest":   {reason: "the rendering changed", digest: "d2", exists: true, want: CauseChanged},
		"same rendering": {reason: "so the copy changed", digest: "d1", exists: true, want: CauseDrift},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			copied := there
			if !tc.exists {
				copied = nil
			}
			require.Equal(t, tc.want, causeOf(tc.digest, copied, tc.last), tc.reason)
		})
	}
}

func TestAChangeReadsAsASentence(t *testing.T) {
	c := Change{
		Action: ActionDeleted, Cause: CauseMoved, Cluster: "east",
		Original: Key{Kind: placementKind, Workspace: "ws", Namespace: "n", Name: "a"}, Copy: client.ObjectKey{Namespace: "x", Name: "a"},
	}
	require.Equal(t, "deleted Placement ws|n/a as x/a on east, because Moved", c.String())
	c.Err = errors.New("timed out")
	require.Equal(t, "deleted Placement ws|n/a as x/a on east, because Moved: timed out", c.String())
}

func copyWithDigest(digest string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetAnnotations(map[string]string{transform.AnnotationDigest: digest})
	return u
}
