package syncer

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

func TestWhatBecomesOfCopies(t *testing.T) {
	tests := map[string]struct {
		reason         string
		opts           []Option
		object, placed string
		want           Deletion
		problem        string
	}{
		"nothing is said":         {reason: "as always", want: DeletionBackground},
		"the platform says":       {reason: "its default", opts: []Option{WithDeletion(DeletionForeground)}, want: DeletionForeground},
		"the object asks":         {reason: "it is allowed by default", object: "Foreground", want: DeletionForeground},
		"the Placement asks":      {reason: "for all it covers", placed: "Foreground", want: DeletionForeground},
		"both ask":                {reason: "the object knows better", object: "Background", placed: "Foreground", want: DeletionBackground},
		"orphan is not allowed":   {reason: "work that no workspace shows", object: "Orphan", problem: `annotation tmc-sdk.dev/deletion of the object is "Orphan", and this platform allows Background, Foreground; change or remove it`},
		"orphan is allowed":       {reason: "by name", opts: []Option{WithDeletion(DeletionBackground, DeletionOrphan)}, object: "Orphan", want: DeletionOrphan},
		"what is not allowed now": {reason: "a platform may take that away", opts: []Option{WithDeletion(DeletionBackground)}, placed: "Foreground", problem: `annotation tmc-sdk.dev/deletion of Placement default is "Foreground", and this platform allows Background; change or remove it`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			l, key := stillLoop(t, 1)
			for _, opt := range tc.opts {
				opt(&l.opts)
			}
			require.NoError(t, l.opts.validate())
			original, err := l.original(t.Context(), key)
			require.NoError(t, err)
			original.SetAnnotations(map[string]string{AnnotationDeletion: tc.object})
			p := l.decisions.byNamespace[key.namespace()][0].DeepCopy()
			p.ObjectMeta = metav1.ObjectMeta{Name: p.Name, Namespace: p.Namespace, Annotations: map[string]string{AnnotationDeletion: tc.placed}}
			l.decisions.byNamespace[key.namespace()] = []*v1alpha1.Placement{p}
			how, problem := l.deletionOf(key, original)
			require.Equal(t, tc.want, how, tc.reason)
			require.Equal(t, tc.problem, problem, tc.reason)
		})
	}
}

func TestAClusterMayHaveAPatienceOfItsOwn(t *testing.T) {
	l, _ := stillLoop(t, 1)
	l.opts.lostAfter = time.Minute
	for label, want := range map[string]time.Duration{"24h": 24 * time.Hour, "0s": 0, "never": -1, "soon": -1, "-5s": -1} {
		require.Equal(t, want, l.lostAfter(&tmccluster.State{Labels: map[string]string{LabelReleaseLostAfter: label}}), label)
	}
	require.Equal(t, time.Minute, l.lostAfter(&tmccluster.State{}))
	bad := defaults()
	Resources(placementKind)(&bad)
	WithDeletion("Somehow")(&bad)
	require.ErrorContains(t, bad.validate(), "Background, Foreground and Orphan")
}
