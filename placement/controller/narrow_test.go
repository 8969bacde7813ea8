package controller

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

func parse[T any](t *testing.T, text string) *T {
	t.Helper()
	out := new(T)
	require.NoError(t, yaml.UnmarshalStrict([]byte(text), out))
	return out
}

func TestNarrow(t *testing.T) {
	type policy struct {
		defaults  string
		max       int32
		tolerable []v1alpha1.Toleration
	}
	gpu := v1alpha1.Toleration{Key: "gpu", Operator: corev1.TolerationOpExists}
	tests := map[string]struct {
		reason   string
		spec     string
		policies []policy // outermost first, layers "a", "b"
		want     string
		notes    []string
		refusal  string
	}{
		"no layers": {
			reason: "the spec as it is", spec: `{count: {min: 2}}`, want: `{count: {min: 2}}`,
		},
		"a default": {
			reason: "it stands in for what is left out, and says so", spec: `{}`,
			policies: []policy{{defaults: `{count: {min: 2, max: 2}, division: {type: Even}}`}},
			want:     `{count: {min: 2, max: 2}, division: {type: Even}}`,
			notes:    []string{`By default of layer "a": count, division.`},
		},
		"a default is no constraint": {
			reason: "the tenant said otherwise", spec: `{count: {min: 3}}`, policies: []policy{{defaults: `{count: {min: 2}}`}},
			want: `{count: {min: 3}}`,
		},
		"the nearest default": {
			reason: "a workspace knows better than a platform", spec: `{}`,
			policies: []policy{{defaults: `{count: {min: 2}, clusters: {matchLabels: {env: prod}}}`}, {defaults: `{count: {min: 3}}`}},
			want:     `{count: {min: 3}, clusters: {matchLabels: {env: prod}}}`,
			notes:    []string{`By default of layer "b": count.`, `By default of layer "a": clusters.`},
		},
		"overrides and moves": {
			reason: "they are no part of the decision, and readers take them from the Placement alone",
			spec:   `{}`, policies: []policy{{defaults: `{moves: {type: BreakBeforeMake}, suspend: true}`}}, want: `{}`,
		},
		"a toleration too many": {
			reason: "a tenant does not tolerate what the platform keeps for others",
			spec:   `{tolerations: [{key: gpu, operator: Exists}, {key: infra, operator: Exists}]}`, policies: []policy{{tolerable: []v1alpha1.Toleration{gpu}}},
			want:  `{tolerations: [{key: gpu, operator: Exists}]}`,
			notes: []string{`Toleration 1 has no effect: layer "a" does not allow it.`},
		},
		"no toleration at all": {
			reason: "an empty list allows none", spec: `{tolerations: [{key: gpu}]}`, policies: []policy{{tolerable: []v1alpha1.Toleration{}}},
			want: `{tolerations: []}`, notes: []string{`Toleration 0 has no effect: layer "a" does not allow it.`},
		},
		"a bound on clusters": {
			reason: "as many as there are becomes as many as allowed", spec: `{count: {min: 1}}`, policies: []policy{{max: 3}},
			want: `{count: {min: 1, max: 3}}`, notes: []string{`Layer "a" allows 3 clusters.`},
		},
		"a bound that does not bite": {
			reason: "the tenant asks for less", spec: `{count: {max: 2}}`, policies: []policy{{max: 3}}, want: `{count: {max: 2}}`,
		},
		"one cluster": {
			reason: "no count is one cluster", spec: `{}`, policies: []policy{{max: 3}}, want: `{}`,
		},
		"two bounds": {
			reason: "the lesser holds", spec: `{count: {max: 9}}`, policies: []policy{{max: 3}, {max: 5}},
			want: `{count: {max: 3}}`, notes: []string{`Layer "a" allows 3 clusters.`},
		},
		"more than allowed": {
			reason: "the tenant must decide what to give up", spec: `{count: {min: 5}}`, policies: []policy{{max: 3}},
			refusal: `spec.count.min is 5, and layer "a" allows 3 clusters: ask for fewer.`,
		},
		"more groups than allowed": {
			reason: "each group has a cluster", spec: `{spread: [{topologyKey: region, minGroups: 4}]}`, policies: []policy{{max: 3}},
			refusal: `spec.spread[0].minGroups is 4, and layer "a" allows 3 clusters: ask for fewer.`,
		},
		"more groups if possible": {
			reason: "a soft spread demands nothing", spec: `{spread: [{topologyKey: region, minGroups: 4, whenUnsatisfiable: ScheduleAnyway}]}`,
			policies: []policy{{max: 3}}, want: `{spread: [{topologyKey: region, minGroups: 4, whenUnsatisfiable: ScheduleAnyway}]}`,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			spec := parse[v1alpha1.PlacementSpec](t, tc.spec)
			before := spec.DeepCopy()
			var policies []named
			for i, p := range tc.policies {
				made := &Policy{MaxClusters: p.max, Tolerable: p.tolerable}
				if p.defaults != "" {
					made.Defaults = parse[v1alpha1.PlacementSpec](t, p.defaults)
				}
				policies = append(policies, named{string(rune('a' + i)), made})
			}
			n := narrow(spec, policies)
			got := n.spec
			require.Equal(t, tc.refusal, n.refusal, tc.reason)
			require.Equal(t, tc.notes, n.notes, tc.reason)
			require.Equal(t, before, spec, "the spec is shared")
			if tc.refusal != "" {
				return
			}
			if diff := cmp.Diff(parse[v1alpha1.PlacementSpec](t, tc.want), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// Whatever a tenant writes, no taint is tolerated that the layer does not let
// be tolerated, nor for longer.
func TestNarrowNeverWidensTolerations(t *testing.T) {
	key := rapid.SampledFrom([]string{"", "a", "b"})
	effect := rapid.SampledFrom([]corev1.TaintEffect{"", "", corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute})
	toleration := rapid.Custom(func(t *rapid.T) v1alpha1.Toleration {
		out := v1alpha1.Toleration{
			Key: key.Draw(t, "key"), Value: key.Draw(t, "value"), Effect: effect.Draw(t, "effect"),
			Operator: rapid.SampledFrom([]corev1.TolerationOperator{"", corev1.TolerationOpExists, corev1.TolerationOpExists}).Draw(t, "operator"),
		}
		if rapid.Bool().Draw(t, "bounded") {
			out.TolerationSeconds = new(int64(rapid.IntRange(0, 3).Draw(t, "seconds")))
		}
		return out
	})
	const forever = int64(1) << 40
	// tolerates returns for how long, -1 for not at all.
	tolerates := func(list []v1alpha1.Toleration, taint clusterv1alpha1.Taint) int64 {
		longest := int64(-1)
		for _, one := range list {
			if one.Effect != "" && one.Effect != taint.Effect {
				continue
			}
			exists := one.Operator == corev1.TolerationOpExists
			if one.Key != taint.Key && (one.Key != "" || !exists) || !exists && one.Value != taint.Value {
				continue
			}
			seconds := forever
			if taint.Effect == corev1.TaintEffectNoExecute && one.TolerationSeconds != nil {
				seconds = *one.TolerationSeconds
			}
			longest = max(longest, seconds)
		}
		return longest
	}
	rapid.Check(t, func(t *rapid.T) {
		allowed := rapid.SliceOfN(toleration, 1, 3).Draw(t, "allowed")
		spec := &v1alpha1.PlacementSpec{Tolerations: rapid.SliceOfN(toleration, 1, 3).Draw(t, "asked")}
		got := narrow(spec, []named{{"a", &Policy{Tolerable: append([]v1alpha1.Toleration{}, allowed...)}}}).spec
		for _, k := range []string{"a", "b"} {
			for _, v := range []string{"", "a", "b"} {
				for _, e := range []corev1.TaintEffect{corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute} {
					taint := clusterv1alpha1.Taint{Key: k, Value: v, Effect: e}
					if now, most := tolerates(got.Tolerations, taint), tolerates(allowed, taint); now > most {
						t.Fatalf("%v is tolerated for %d s, at most %d s are allowed", taint, now, most)
					}
				}
			}
		}
	})
}
