package syncer

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
)

func TestCollectorJudges(t *testing.T) {
	type look struct {
		at        time.Duration
		gone      string // of all
		condemned []multicluster.ClusterName
		refused   bool
	}
	tests := map[string]struct {
		reason string
		all    string
		looks  []look
	}{
		"after the time": {
			reason: "a workspace is collected when it was gone for so long", all: "a b c",
			looks: []look{{gone: "a"}, {at: 5 * time.Minute, gone: "a"}, {at: 10 * time.Minute, gone: "a", condemned: []multicluster.ClusterName{"a"}}},
		},
		"in doubt once": {
			reason: "what was not proven in between starts anew", all: "a b c",
			looks: []look{{gone: "a"}, {at: 5 * time.Minute}, {at: 10 * time.Minute, gone: "a"}, {at: 20 * time.Minute, gone: "a", condemned: []multicluster.ClusterName{"a"}}},
		},
		"all of few": {
			reason: "a small kcp may lose its data, too", all: "a b c",
			looks: []look{{gone: "a b c", refused: true}, {at: 10 * time.Minute, gone: "a b", refused: true}},
		},
		"half of many": {
			reason: "half of them may go", all: "a b c d e f g h",
			looks: []look{{gone: "a b c d"}, {at: 10 * time.Minute, gone: "a b c d", condemned: []multicluster.ClusterName{"a", "b", "c", "d"}}},
		},
		"too many": {
			reason: "more than half is what a kcp without its data looks like", all: "a b c d e f g",
			looks: []look{{gone: "a b c d", refused: true}, {at: 10 * time.Minute, gone: "a b c d", refused: true}},
		},
		"too many in between": {
			reason: "after such a look all starts anew", all: "a b c d e f g",
			looks: []look{{gone: "a"}, {at: 5 * time.Minute, gone: "a b c d", refused: true}, {at: 10 * time.Minute, gone: "a"}},
		},
	}
	set := func(names string) map[multicluster.ClusterName]bool {
		s := map[multicluster.ClusterName]bool{}
		for n := range strings.FieldsSeq(names) {
			s[multicluster.ClusterName(n)] = true
		}
		return s
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var c collector
			for i, look := range tc.looks {
				got, plausible := c.judge(time.Unix(0, 0).Add(look.at), 10*time.Minute, set(tc.all), set(look.gone))
				slices.Sort(got)
				require.Equal(t, !look.refused, plausible, "%s: look %d", tc.reason, i)
				if diff := cmp.Diff(look.condemned, got); diff != "" {
					t.Errorf("%s: look %d (-want +got):\n%s", tc.reason, i, diff)
				}
				for ws := range set(tc.all) {
					require.Equal(t, slices.Contains(look.condemned, ws), c.has(ws), "%s: look %d", tc.reason, i)
				}
			}
		})
	}
}
