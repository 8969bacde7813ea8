package syncer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	"github.com/tmc-sdk/tmc/transform"
)

// template says which template the copy on a target has.
type template int

const (
	templateNone template = iota // there is no copy; one that is made has the newest
	templateOld                  // another than what is rendered now
	templateNew                  // what is rendered now
)

// stagedTarget is what a rollout is told of one target.
type stagedTarget struct {
	cluster string
	wave    int // index of its wave; the number of waves for what is in none
	has     template
	// silent: the cluster does not answer; stuck: what goes there can't be
	// rendered.
	silent, stuck bool
	health        transform.HealthStatus
	message       string
	// since is when we last wrote the copy; zero if that can't be told.
	since time.Time
}

// stages is what a rollout comes to, for what was seen.
type stages struct {
	// may are the targets with an old template that may get the new one now.
	may []string
	// reason that the others may not, with a sentence for the owner; empty if
	// every copy has the new template.
	reason, message string
	// again is when something changes by time alone; zero for never.
	again time.Duration
}

// roll decides which targets may get a new template now. It follows from its
// arguments alone: whoever asks, and after a restart, the same wave goes on. The
// targets that it names are the first of those that may be named, by an order
// that is always the same; so what is not seen yet of a copy that was written
// just now makes it name that target again, and no other.
func roll(r *v1alpha1.Rollout, targets []stagedTarget, now time.Time) stages {
	targets = slices.Clone(targets)
	slices.SortFunc(targets, func(a, b stagedTarget) int {
		return cmp.Or(cmp.Compare(a.wave, b.wave), cmp.Compare(boolInt(a.isHealthy()), boolInt(b.isHealthy())), cmp.Compare(a.cluster, b.cluster))
	})
	s := rolling{policy: r, targets: targets, now: now}
	behind := s.named(func(t *stagedTarget) bool { return t.has == templateOld })
	if len(behind) == 0 {
		return stages{}
	}
	if r.Paused {
		return stages{reason: ReasonRolloutPaused, message: "the rollout is paused: " + few(behind) + keeps(behind) + "; set spec.rollout.paused of the Placement to false to go on"}
	}
	again := s.nextDeadline()
	if failed := s.failed(); failed != nil && r.OnFailure != v1alpha1.RolloutContinue {
		return stages{reason: ReasonRolloutStopped, again: again, message: fmt.Sprintf(
			"the new template does no good on cluster %s (%s): %s%s; correct the object, or put back what it said before, or set spec.rollout.onFailure of the Placement to Continue",
			failed.cluster, failed.message, few(behind), keeps(behind))}
	}
	decided := s.wave()
	decided.again = earlier(decided.again, again)
	return decided
}

// rolling is the state of one call of roll.
type rolling struct {
	policy  *v1alpha1.Rollout
	targets []stagedTarget // sorted
	now     time.Time
}

// wave looks at the first wave that is not done.
func (s *rolling) wave() stages {
	for first := 0; first < len(s.targets); {
		n := s.targets[first].wave
		last := first
		for last < len(s.targets) && s.targets[last].wave == n {
			last++
		}
		wave := s.targets[first:last]
		first = last
		if !s.done(wave) {
			return s.within(wave)
		}
		if first == len(s.targets) || !slices.ContainsFunc(s.targets[first:], func(t stagedTarget) bool { return t.has == templateOld }) {
			break
		}
		left := s.named(func(t *stagedTarget) bool { return t.has == templateOld })
		if s.waveName(n) == s.policy.PauseAfter && s.policy.PauseAfter != "" {
			return stages{reason: ReasonRolloutPaused, message: fmt.Sprintf(
				"the rollout waits after wave %q: %s%s; change spec.rollout.pauseAfter of the Placement to go on", s.policy.PauseAfter, few(left), keeps(left))}
		}
		if soak := s.soaks(wave); soak > 0 {
			return stages{reason: ReasonRolloutProgressing, again: soak, message: fmt.Sprintf("%s is done and is watched for a while; then come %s", s.title(n), few(left))}
		}
	}
	return stages{}
}

// within decides inside a wave that is not done.
func (s *rolling) within(wave []stagedTarget) stages {
	used, budget := 0, int(valueOr(s.policy.MaxUnavailable, v1alpha1.DefaultMaxUnavailable))
	var waits []string
	for i := range s.targets {
		t := &s.targets[i]
		switch {
		case t.has == templateOld && !t.silent, s.available(t):
			continue
		}
		used++
		waits = append(waits, t.cluster)
	}
	var d stages
	for i := range wave {
		t := &wave[i]
		if t.has != templateOld || t.silent || t.stuck {
			continue
		}
		if used >= budget {
			break
		}
		used++
		d.may = append(d.may, t.cluster)
		waits = append(waits, t.cluster)
	}
	for i := range wave {
		if t := &wave[i]; t.stuck && t.has == templateOld {
			waits = append(waits, t.cluster)
		}
	}
	slices.Sort(waits)
	left := s.named(func(t *stagedTarget) bool { return t.has == templateOld && !slices.Contains(d.may, t.cluster) })
	d.reason = ReasonRolloutProgressing
	d.message = s.title(wave[0].wave) + " is under way: waits for " + few(waits)
	if len(left) > 0 {
		d.message += "; then come " + few(left)
	}
	return d
}

// done says whether every copy of a wave has the new template and works.
func (s *rolling) done(wave []stagedTarget) bool {
	return !slices.ContainsFunc(wave, func(t stagedTarget) bool { return t.has == templateOld || !s.available(&t) })
}

// available says whether a cluster has a copy of the new template that works, or
// counts as if it did.
func (s *rolling) available(t *stagedTarget) bool {
	if t.has != templateNew || t.silent {
		return false
	}
	return t.isHealthy() || s.policy.OnFailure == v1alpha1.RolloutContinue && s.hasFailed(t)
}

// failed returns the first target that the new template did no good; nil for
// none.
func (s *rolling) failed() *stagedTarget {
	for i := range s.targets {
		if s.hasFailed(&s.targets[i]) {
			return &s.targets[i]
		}
	}
	return nil
}

func (s *rolling) hasFailed(t *stagedTarget) bool {
	if t.has != templateNew || t.silent || t.isHealthy() {
		return false
	}
	return t.health == transform.HealthDegraded || !t.since.IsZero() && s.left(t) <= 0
}

// left is how long a copy may still take.
func (s *rolling) left(t *stagedTarget) time.Duration {
	return seconds(valueOr(s.policy.DeadlineSeconds, v1alpha1.DefaultDeadlineSeconds)) - s.now.Sub(t.since)
}

// nextDeadline is when the first copy on its way to health will have failed.
func (s *rolling) nextDeadline() (next time.Duration) {
	for i := range s.targets {
		t := &s.targets[i]
		if t.has == templateNew && !t.silent && !t.isHealthy() && !t.since.IsZero() && !s.hasFailed(t) {
			next = earlier(next, s.left(t))
		}
	}
	return next
}

// soaks is for how long a wave that is done is still watched.
func (s *rolling) soaks(wave []stagedTarget) time.Duration {
	var last time.Time
	for i := range wave {
		if wave[i].since.After(last) {
			last = wave[i].since
		}
	}
	if last.IsZero() {
		return 0
	}
	return max(0, seconds(valueOr(s.policy.SoakSeconds, 0))-s.now.Sub(last))
}

func (s *rolling) named(which func(*stagedTarget) bool) (names []string) {
	for i := range s.targets {
		if which(&s.targets[i]) {
			names = append(names, s.targets[i].cluster)
		}
	}
	slices.Sort(names)
	return names
}

func (s *rolling) waveName(n int) string {
	if n < len(s.policy.Waves) {
		return s.policy.Waves[n].Name
	}
	return ""
}

func (s *rolling) title(n int) string {
	switch name := s.waveName(n); {
	case name != "":
		return fmt.Sprintf("wave %q of the rollout", name)
	case len(s.policy.Waves) > 0:
		return "the last wave of the rollout"
	}
	return "the rollout"
}

func (t *stagedTarget) isHealthy() bool { return t.health == transform.Healthy }

// few lists the first of some names, for people.
func few(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

func keeps(names []string) string {
	if len(names) == 1 {
		return " keeps the template that it has"
	}
	return " keep the template that they have"
}

func valueOr(n *int32, otherwise int32) int32 {
	if n == nil {
		return otherwise
	}
	return *n
}

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }

// earlier returns the lesser of two pauses, of which zero is none.
func earlier(a, b time.Duration) time.Duration {
	if a <= 0 || b > 0 && b < a {
		return b
	}
	return a
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
