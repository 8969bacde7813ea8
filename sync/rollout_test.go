package syncer

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	"github.com/tmc-sdk/tmc/transform"
)

// onTarget is a copy that is healthy and was written an hour ago.
func onTarget(cluster string, wave int, has template, change ...func(*stagedTarget)) stagedTarget {
	t := stagedTarget{cluster: cluster, wave: wave, has: has, health: transform.Healthy, since: noon.Add(-time.Hour)}
	for _, fn := range change {
		fn(&t)
	}
	return t
}

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

func isNow(h transform.HealthStatus, age time.Duration) func(*stagedTarget) {
	return func(t *stagedTarget) { t.health, t.message, t.since = h, "as it is", noon.Add(-age) }
}

func isSilent(t *stagedTarget) { t.silent = true }
func isStuck(t *stagedTarget)  { t.stuck = true }

func TestRolloutDecidesWhoIsNext(t *testing.T) {
	waves := []v1alpha1.Wave{{Name: "canary"}, {Name: "rest"}}
	two := v1alpha1.Rollout{Waves: waves}
	tests := map[string]struct {
		reason  string
		policy  v1alpha1.Rollout
		targets []stagedTarget
		may     []string
		because string
		says    []string
		again   time.Duration
	}{
		"nothing to do": {
			reason: "every copy has the template", policy: two,
			targets: []stagedTarget{onTarget("a", 0, templateNew), onTarget("b", 1, templateNew)},
		},
		"nothing to do, and one that is ill": {
			reason: "a rollout that is over is not stopped: the health of the object tells", policy: two,
			targets: []stagedTarget{onTarget("a", 0, templateNew, isNow(transform.HealthDegraded, time.Hour))},
		},
		"the first wave": {
			reason: "one at a time by default, by name", policy: two,
			targets: []stagedTarget{onTarget("c", 1, templateOld), onTarget("b", 0, templateOld), onTarget("a", 0, templateOld)},
			may:     []string{"a"}, because: ReasonRolloutProgressing, says: []string{`wave "canary"`, "waits for a", "then come b, c"},
		},
		"as many as may be": {
			reason:  "maxUnavailable counts those on their way",
			policy:  v1alpha1.Rollout{MaxUnavailable: new(int32(2))},
			targets: []stagedTarget{onTarget("a", 0, templateNew, isNow(transform.HealthProgressing, time.Minute)), onTarget("b", 0, templateOld), onTarget("c", 0, templateOld)},
			may:     []string{"b"}, because: ReasonRolloutProgressing, says: []string{"waits for a, b", "then come c"}, again: 9 * time.Minute,
		},
		"one on its way": {
			reason: "the budget is used up", policy: two,
			targets: []stagedTarget{onTarget("a", 0, templateNew, isNow(transform.HealthProgressing, time.Minute)), onTarget("b", 0, templateOld)},
			because: ReasonRolloutProgressing, again: 9 * time.Minute,
		},
		"the ill first": {
			reason: "where nothing works nothing can be lost", policy: two,
			targets: []stagedTarget{onTarget("a", 0, templateOld), onTarget("b", 0, templateOld, isNow(transform.HealthDegraded, time.Hour))},
			may:     []string{"b"}, because: ReasonRolloutProgressing,
		},
		"ill in a later wave": {
			reason: "a template that failed in wave 2 is replaced through wave 1, which an ill cluster must not hold up", policy: two,
			targets: []stagedTarget{onTarget("a", 0, templateOld), onTarget("b", 1, templateOld, isNow(transform.HealthDegraded, time.Hour))},
			may:     []string{"a"}, because: ReasonRolloutProgressing,
		},
		"the second wave": {
			reason: "the first is done", policy: two,
			targets: []stagedTarget{onTarget("a", 0, templateNew), onTarget("b", 1, templateOld), onTarget("c", 1, templateOld)},
			may:     []string{"b"}, because: ReasonRolloutProgressing, says: []string{`wave "rest"`},
		},
		"in no wave": {
			reason: "those come last", policy: two,
			targets: []stagedTarget{onTarget("a", 0, templateNew), onTarget("z", 2, templateOld)},
			may:     []string{"z"}, because: ReasonRolloutProgressing, says: []string{"the last wave of the rollout"},
		},
		"an empty wave": {
			reason: "it holds up nobody", policy: two, targets: []stagedTarget{onTarget("b", 1, templateOld)},
			may: []string{"b"}, because: ReasonRolloutProgressing,
		},
		"given up": {
			reason: "the cluster says that it is no good", policy: two,
			targets: []stagedTarget{onTarget("a", 0, templateNew, isNow(transform.HealthDegraded, time.Second)), onTarget("b", 1, templateOld), onTarget("c", 1, templateOld)},
			because: ReasonRolloutStopped, says: []string{"cluster a", "as it is", "b, c keep", "onFailure"},
		},
		"too slow": {
			reason: "the deadline is over", policy: two,
			targets: []stagedTarget{onTarget("a", 0, templateNew, isNow(transform.HealthProgressing, 10*time.Minute)), onTarget("b", 1, templateOld)},
			because: ReasonRolloutStopped, says: []string{"b keeps"},
		},
		"given up in an earlier wave": {
			reason: "what was done and is ill now counts", policy: two,
			targets: []stagedTarget{onTarget("a", 0, templateNew, isNow(transform.HealthDegraded, time.Hour)), onTarget("b", 1, templateNew), onTarget("c", 1, templateOld)},
			because: ReasonRolloutStopped, says: []string{"cluster a"},
		},
		"the fix": {
			reason: "what failed has an old template, too, now: a newer one is another rollout", policy: two,
			targets: []stagedTarget{onTarget("a", 0, templateOld, isNow(transform.HealthDegraded, time.Hour)), onTarget("b", 1, templateOld)},
			may:     []string{"a"}, because: ReasonRolloutProgressing,
		},
		"back to what it was": {
			reason: "those that were kept have it already", policy: two,
			targets: []stagedTarget{onTarget("a", 0, templateOld, isNow(transform.HealthDegraded, time.Hour)), onTarget("b", 1, templateNew), onTarget("c", 1, templateNew)},
			may:     []string{"a"}, because: ReasonRolloutProgressing,
		},
		"on in spite of it": {
			reason: "the platform or the tenant says so", policy: v1alpha1.Rollout{Waves: waves, OnFailure: v1alpha1.RolloutContinue},
			targets: []stagedTarget{onTarget("a", 0, templateNew, isNow(transform.HealthDegraded, time.Second)), onTarget("b", 1, templateOld)},
			may:     []string{"b"}, because: ReasonRolloutProgressing,
		},
		"on in spite of it, not yet": {
			reason: "it has its time first", policy: v1alpha1.Rollout{Waves: waves, OnFailure: v1alpha1.RolloutContinue},
			targets: []stagedTarget{onTarget("a", 0, templateNew, isNow(transform.HealthProgressing, time.Minute)), onTarget("b", 1, templateOld)},
			because: ReasonRolloutProgressing, again: 9 * time.Minute,
		},
		"paused": {
			reason: "nobody gets anything", policy: v1alpha1.Rollout{Paused: true},
			targets: []stagedTarget{onTarget("a", 0, templateNew), onTarget("b", 0, templateOld)},
			because: ReasonRolloutPaused, says: []string{"b keeps", "spec.rollout.paused"},
		},
		"paused after a wave": {
			reason: "the wave is done", policy: v1alpha1.Rollout{Waves: waves, PauseAfter: "canary"},
			targets: []stagedTarget{onTarget("a", 0, templateNew), onTarget("b", 1, templateOld)},
			because: ReasonRolloutPaused, says: []string{`after wave "canary"`, "pauseAfter"},
		},
		"to be paused after a wave": {
			reason: "it is not done", policy: v1alpha1.Rollout{Waves: waves, PauseAfter: "canary"},
			targets: []stagedTarget{onTarget("a", 0, templateOld), onTarget("b", 1, templateOld)},
			may:     []string{"a"}, because: ReasonRolloutProgressing,
		},
		"soaks": {
			reason: "not long enough ago", policy: v1alpha1.Rollout{Waves: waves, SoakSeconds: new(int32(300))},
			targets: []stagedTarget{onTarget("a", 0, templateNew, isNow(transform.Healthy, time.Minute)), onTarget("b", 1, templateOld)},
			because: ReasonRolloutProgressing, says: []string{"is watched"}, again: 4 * time.Minute,
		},
		"soaked": {
			reason: "long enough ago", policy: v1alpha1.Rollout{Waves: waves, SoakSeconds: new(int32(300))},
			targets: []stagedTarget{onTarget("a", 0, templateNew), onTarget("b", 1, templateOld)},
			may:     []string{"b"}, because: ReasonRolloutProgressing,
		},
		"a cluster that is lost": {
			reason: "two without a copy that works would be too many", policy: v1alpha1.Rollout{},
			targets: []stagedTarget{onTarget("a", 0, templateOld), onTarget("b", 0, templateOld, isSilent)},
			because: ReasonRolloutProgressing, says: []string{"waits for b"},
		},
		"a cluster that is lost, with the new template": {
			reason: "whether it failed there nobody knows", policy: v1alpha1.Rollout{MaxUnavailable: new(int32(2))},
			targets: []stagedTarget{onTarget("a", 0, templateOld), onTarget("b", 0, templateNew, isSilent, isNow(transform.HealthDegraded, time.Hour))},
			may:     []string{"a"}, because: ReasonRolloutProgressing,
		},
		"a copy that is to be made": {
			reason: "it comes with the new template, and its wave waits for it", policy: two,
			targets: []stagedTarget{onTarget("a", 0, templateNone, isNow(transform.HealthUnknown, 0)), onTarget("b", 1, templateOld)},
			because: ReasonRolloutProgressing, says: []string{"waits for a"},
		},
		"what can't be rendered": {
			reason: "it keeps what it has, and holds up what comes after it", policy: two,
			targets: []stagedTarget{onTarget("a", 0, templateOld, isStuck), onTarget("b", 0, templateOld), onTarget("c", 1, templateOld)},
			may:     []string{"b"}, because: ReasonRolloutProgressing, says: []string{"waits for a, b"},
		},
		"written in no known time": {
			reason: "no deadline can be over", policy: two,
			targets: []stagedTarget{
				onTarget("a", 0, templateNew, isNow(transform.HealthProgressing, 0), func(t *stagedTarget) { t.since = time.Time{} }), onTarget("b", 1, templateOld),
			},
			because: ReasonRolloutProgressing,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := roll(&tc.policy, tc.targets, noon)
			require.Equal(t, tc.may, got.may, tc.reason)
			require.Equal(t, tc.because, got.reason, tc.reason)
			require.Equal(t, tc.again, got.again, tc.reason)
			for _, part := range tc.says {
				require.Contains(t, got.message, part, tc.reason)
			}
		})
	}
}

func drawRollout(t *rapid.T) (*v1alpha1.Rollout, []stagedTarget) {
	r := &v1alpha1.Rollout{
		MaxUnavailable: rapid.SampledFrom([]*int32{nil, new(int32(1)), new(int32(2)), new(int32(5))}).Draw(t, "max"),
		SoakSeconds:    rapid.SampledFrom([]*int32{nil, new(int32(60))}).Draw(t, "soak"),
		OnFailure:      rapid.SampledFrom([]v1alpha1.RolloutFailure{"", v1alpha1.RolloutStop, v1alpha1.RolloutContinue}).Draw(t, "failure"),
		Paused:         rapid.IntRange(0, 9).Draw(t, "paused") == 0,
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "waves") {
		r.Waves = append(r.Waves, v1alpha1.Wave{Name: fmt.Sprint(i)})
	}
	if len(r.Waves) > 0 {
		r.PauseAfter = rapid.SampledFrom([]string{"", "", "0"}).Draw(t, "pauseAfter")
	}
	targets := make([]stagedTarget, rapid.IntRange(0, 8).Draw(t, "targets"))
	for i := range targets {
		targets[i] = stagedTarget{
			cluster: fmt.Sprintf("c%d", i), wave: rapid.IntRange(0, len(r.Waves)).Draw(t, "wave"),
			has:    template(rapid.IntRange(0, 2).Draw(t, "has")),
			silent: rapid.IntRange(0, 9).Draw(t, "silent") == 0, stuck: rapid.IntRange(0, 9).Draw(t, "stuck") == 0,
			health: rapid.SampledFrom([]transform.HealthStatus{transform.Healthy, transform.Healthy, transform.HealthProgressing, transform.HealthDegraded, transform.HealthUnknown}).Draw(t, "health"),
			since:  noon.Add(-time.Duration(rapid.IntRange(0, 1200).Draw(t, "age")) * time.Second),
		}
	}
	return r, targets
}

// What a rollout promises, whatever is seen.
func TestRolloutNeverGoesTooFar(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, targets := drawRollout(t)
		got := roll(r, targets, noon)
		shuffled := rapid.Permutation(targets).Draw(t, "order")
		require.Equal(t, got, roll(r, shuffled, noon), "the order in which clusters are listed changes nothing")

		by := map[string]stagedTarget{}
		old, changing, stop := 0, 0, false
		s := rolling{policy: r, targets: targets, now: noon}
		for i := range targets {
			by[targets[i].cluster] = targets[i]
			switch has := targets[i].has; {
			case has == templateOld:
				old++
			case has == templateNew && r.OnFailure != v1alpha1.RolloutContinue && s.hasFailed(&targets[i]):
				stop = true
			}
			if targets[i].has != templateOld && !s.available(&targets[i]) {
				changing++
			}
		}
		require.Equal(t, old > 0, got.reason != "", "who waits is told why")
		require.Equal(t, old > 0, got.message != "")
		if r.Paused || stop {
			require.Empty(t, got.may)
		}
		if len(got.may) > 0 {
			require.LessOrEqual(t, changing+len(got.may), int(valueOr(r.MaxUnavailable, 1)))
		}
		for _, name := range got.may {
			require.Equal(t, templateOld, by[name].has)
			require.False(t, by[name].silent || by[name].stuck)
			for i := range targets {
				if targets[i].wave < by[name].wave {
					require.True(t, targets[i].has == templateNew && s.available(&targets[i]), "an earlier wave is done")
				}
			}
		}
		// A copy that was written, of which nothing is seen yet, changes nothing.
		require.Equal(t, got.may, roll(r, targets, noon).may)
	})
}

// If every copy becomes healthy, every cluster gets there, wave by wave.
func TestRolloutArrives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, targets := drawRollout(t)
		r.Paused, r.PauseAfter = false, ""
		for i := range targets {
			targets[i].silent, targets[i].stuck = false, false
			if targets[i].has != templateOld {
				targets[i].has, targets[i].health = templateNew, transform.Healthy
			}
		}
		now := noon
		for range 100 {
			got := roll(r, targets, now)
			if got.reason == "" {
				return
			}
			require.True(t, len(got.may) > 0 || got.again > 0, "somebody is next, now or later: %+v", got)
			now = now.Add(got.again)
			for i := range targets {
				if slices.Contains(got.may, targets[i].cluster) {
					targets[i].has, targets[i].health, targets[i].since = templateNew, transform.Healthy, now
				}
			}
		}
		t.Fatal("it does not arrive")
	})
}
