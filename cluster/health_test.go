package cluster

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestHealth(t *testing.T) {
	t0 := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	second := func(n int) time.Time { return t0.Add(time.Duration(n) * time.Second) }
	policy := ProbePolicy{FailureThreshold: 3, SuccessThreshold: 2}
	type verdict struct {
		Known, Reachable bool
		Since            time.Time
	}
	cases := map[string]struct {
		reason string
		from   health
		// probes, one each second: + answers, - fails.
		probes string
		want   verdict
	}{
		"first success":     {"a cluster without history is believed at once", health{}, "+", verdict{Known: true, Reachable: true}},
		"too few failures":  {"nothing is known yet", health{}, "--", verdict{}},
		"never answered":    {"it is unreachable since the first probe", health{}, "---", verdict{Known: true, Since: second(0)}},
		"one failure":       {"one failure changes nothing", health{}, "+--+", verdict{Known: true, Reachable: true}},
		"lost":              {"three in a row do; it ceased to answer at the first of them", health{}, "+-+---", verdict{Known: true, Since: second(3)}},
		"one answer":        {"one answer does not bring it back, and the time stays", health{}, "+---+-", verdict{Known: true, Since: second(1)}},
		"back":              {"two in a row do", health{}, "+---++", verdict{Known: true, Reachable: true}},
		"alternating":       {"a cluster that answers every other time stays what it was", health{}, "+---+-+-+-+-", verdict{Known: true, Since: second(1)}},
		"alternating, up":   {"a cluster that answers every other time stays what it was", health{}, "+-+-+-+-+-", verdict{Known: true, Reachable: true}},
		"resumed":           {"a process that starts goes on with the time that an earlier one noted", resume(t0.Add(-time.Hour)), "-", verdict{Known: true, Since: t0.Add(-time.Hour)}},
		"resumed, answers":  {"one answer is not enough for a cluster with a history", resume(t0.Add(-time.Hour)), "+", verdict{Known: true, Since: t0.Add(-time.Hour)}},
		"resumed, is back":  {"two are", resume(t0.Add(-time.Hour)), "++", verdict{Known: true, Reachable: true}},
		"nothing to resume": {"no time means no history", resume(time.Time{}), "+", verdict{Known: true, Reachable: true}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := tc.from
			for i, p := range tc.probes {
				h = h.next(p == '+', second(i), policy)
			}
			got := verdict{Known: h.known, Reachable: h.reachable, Since: h.since}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
