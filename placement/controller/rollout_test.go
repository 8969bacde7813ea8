package controller

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

func TestRolloutUnderLayers(t *testing.T) {
	const canary = `waves: [{name: canary, clusters: {matchLabels: {stage: canary}}}]`
	type policy struct{ demands, defaults string }
	tests := map[string]struct {
		reason   string
		own      string // empty for none
		policies []policy
		want     string // empty for what the spec says
	}{
		"no layers":       {reason: "the spec says it", own: `{paused: true}`},
		"a layer of else": {reason: "it says nothing of rollouts", own: `{paused: true}`, policies: []policy{{}}},
		"a default": {
			reason: "the tenant said nothing", policies: []policy{{defaults: `{` + canary + `}`}}, want: `{` + canary + `}`,
		},
		"a default that is not needed": {reason: "the tenant said otherwise", own: `{maxUnavailable: 7}`, policies: []policy{{defaults: `{` + canary + `}`}}},
		"the nearest default": {
			reason: "a workspace knows better than a platform", policies: []policy{{defaults: `{maxUnavailable: 1}`}, {defaults: `{maxUnavailable: 2}`}}, want: `{maxUnavailable: 2}`,
		},
		"demanded": {
			reason: "a tenant who says nothing has it, too", policies: []policy{{demands: `{` + canary + `, soakSeconds: 60}`}}, want: `{` + canary + `, soakSeconds: 60}`,
		},
		"the stricter": {
			reason: "of each bound", own: `{maxUnavailable: 2, deadlineSeconds: 900, soakSeconds: 90, onFailure: Continue, paused: true}`,
			policies: []policy{{demands: `{` + canary + `, maxUnavailable: 3, soakSeconds: 60}`}},
			want:     `{` + canary + `, maxUnavailable: 2, deadlineSeconds: 600, soakSeconds: 90, paused: true}`,
		},
		"stop is stricter than to go on": {
			reason: "the tenant did not ask to go on", own: `{}`, policies: []policy{{demands: `{onFailure: Continue}`}},
			want: `{maxUnavailable: 1, deadlineSeconds: 600, onFailure: Stop}`,
		},
		"waves of one's own": {
			reason: "the layer has none", own: `{waves: [{name: mine, clusters: {names: [a]}}], pauseAfter: mine}`, policies: []policy{{demands: `{soakSeconds: 5}`}},
			want: `{waves: [{name: mine, clusters: {names: [a]}}], pauseAfter: mine, maxUnavailable: 1, deadlineSeconds: 600, soakSeconds: 5, onFailure: Stop}`,
		},
		"a pause of one's own": {
			reason: "after a wave that counts", own: `{waves: [{name: canary, clusters: {names: [a]}}], pauseAfter: canary}`, policies: []policy{{demands: `{` + canary + `}`}},
			want: `{` + canary + `, pauseAfter: canary, maxUnavailable: 1, deadlineSeconds: 600, onFailure: Stop}`,
		},
		"two layers": {
			reason: "the outermost has the last word on waves", own: `{}`,
			policies: []policy{{demands: `{` + canary + `}`}, {demands: `{waves: [{name: other, clusters: {}}], maxUnavailable: 1}`}},
			want:     `{` + canary + `, maxUnavailable: 1, deadlineSeconds: 600, onFailure: Stop}`,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			rollout := func(text string) *v1alpha1.Rollout {
				if text == "" {
					return nil
				}
				return parse[v1alpha1.Rollout](t, text)
			}
			spec := &v1alpha1.PlacementSpec{Rollout: rollout(tc.own)}
			before := spec.DeepCopy()
			var policies []named
			for i, p := range tc.policies {
				made := &Policy{Rollout: rollout(p.demands)}
				if p.defaults != "" {
					made.Defaults = &v1alpha1.PlacementSpec{Rollout: rollout(p.defaults)}
				}
				policies = append(policies, named{string(rune('a' + i)), made})
			}
			if diff := cmp.Diff(rollout(tc.want), rolloutUnder(spec, policies)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			require.Equal(t, before, spec, "the spec is shared")
		})
	}
}
