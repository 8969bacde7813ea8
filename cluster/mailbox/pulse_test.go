package mailbox_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/tmc-sdk/tmc/cluster/mailbox"
)

var start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func lease(renewed time.Time, seconds int32) *coordinationv1.Lease {
	return &coordinationv1.Lease{Spec: coordinationv1.LeaseSpec{
		HolderIdentity: new("agent"), LeaseDurationSeconds: &seconds, RenewTime: &metav1.MicroTime{Time: renewed},
	}}
}

// look is one look at a Lease.
type look struct {
	after  time.Duration // since the start
	lease  *coordinationv1.Lease
	unread bool
	want   mailbox.Verdict
}

func TestPulse(t *testing.T) {
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	cases := map[string]struct {
		reason string
		looks  []look
	}{
		"Joining": {
			reason: "without a lease no agent has joined",
			looks:  []look{{0, nil, false, mailbox.Silent}, {10 * time.Second, lease(at(10), 60), false, mailbox.Alive}},
		},
		"Renewed": {
			reason: "an agent that renews is alive, and one that ceased to is silent after the duration",
			looks: []look{
				{0, lease(at(0), 60), false, mailbox.Alive},
				{30 * time.Second, lease(at(20), 60), false, mailbox.Alive},
				{89 * time.Second, lease(at(20), 60), false, mailbox.Alive},
				{90 * time.Second, lease(at(20), 60), false, mailbox.Silent},
				{95 * time.Second, lease(at(94), 60), false, mailbox.Alive},
			},
		},
		"ClockBehind": {
			reason: "an agent whose clock is an hour behind is alive as soon as it is seen to renew",
			looks: []look{
				{0, lease(at(-3600), 60), false, mailbox.Unknown},
				{20 * time.Second, lease(at(-3580), 60), false, mailbox.Alive},
				{70 * time.Second, lease(at(-3580), 60), false, mailbox.Alive},
			},
		},
		"ClockAhead": {
			reason: "a time in the future does not keep an agent alive that died",
			looks: []look{
				{0, lease(at(86400), 60), false, mailbox.Unknown},
				{59 * time.Second, lease(at(86400), 60), false, mailbox.Unknown},
				{60 * time.Second, lease(at(86400), 60), false, mailbox.Silent},
			},
		},
		"LongDead": {
			reason: "a hub that starts finds an agent silent that died before",
			looks: []look{
				{0, lease(at(-600), 60), false, mailbox.Unknown},
				{60 * time.Second, lease(at(-600), 60), false, mailbox.Silent},
			},
		},
		"MailboxDown": {
			reason: "an agent that could not renew, since the mailbox was down, gets its time once it is back",
			looks: []look{
				{0, lease(at(0), 60), false, mailbox.Alive},
				{10 * time.Second, nil, true, 0},
				{600 * time.Second, lease(at(0), 60), false, mailbox.Alive},
				{659 * time.Second, lease(at(0), 60), false, mailbox.Alive},
				{660 * time.Second, lease(at(0), 60), false, mailbox.Silent},
			},
		},
		"Boastful": {
			reason: "a duration of a year is cut to the bound",
			looks: []look{
				{0, lease(at(0), 31536000), false, mailbox.Alive},
				{299 * time.Second, lease(at(0), 31536000), false, mailbox.Alive},
				{300 * time.Second, lease(at(0), 31536000), false, mailbox.Silent},
			},
		},
		"Deleted": {
			reason: "a lease that was deleted, as by a revocation, is silence at once",
			looks:  []look{{0, lease(at(0), 60), false, mailbox.Alive}, {time.Second, nil, false, mailbox.Silent}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var p mailbox.Pulse
			for i, l := range tc.looks {
				if l.unread {
					p = p.Unread()
					continue
				}
				var got mailbox.Verdict
				p, got = p.Next(l.lease, start.Add(l.after))
				require.Equal(t, l.want, got, "look %d: %s", i, tc.reason)
			}
		})
	}
}

// Whatever the agent's clock shows: one that renews twice within its duration is
// not called silent, and one that stopped is, once the duration has passed.
func TestPulseDoesNotDependOnTheAgentsClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		skew := time.Duration(rapid.Int64Range(-1e6, 1e6).Draw(t, "skew")) * time.Second
		var p mailbox.Pulse
		now := start
		var renewed time.Time
		for i := range rapid.IntRange(2, 20).Draw(t, "looks") {
			renewed = now.Add(skew)
			var v mailbox.Verdict
			p, v = p.Next(lease(renewed, 60), now)
			if i > 0 && v != mailbox.Alive {
				t.Fatalf("look %d: %v", i, v)
			}
			now = now.Add(time.Duration(rapid.IntRange(1, 59).Draw(t, "pause")) * time.Second)
		}
		now = now.Add(time.Minute)
		if _, v := p.Next(lease(renewed, 60), now); v != mailbox.Silent {
			t.Fatalf("after it stopped: %v", v)
		}
	})
}
