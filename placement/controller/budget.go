package controller

import (
	"context"
	"maps"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// BudgetOptions bound what a Budget allows. The zero value bounds no rate and
// protects against partial outages.
type BudgetOptions struct {
	// PerMinute bounds the moves over all workspaces; zero for no bound.
	PerMinute float64
	// PerWorkspace bounds the moves per minute of one workspace.
	PerWorkspace float64
	// PerRegion bounds the moves per minute off the clusters of one region.
	PerRegion float64
	// Burst is the number of moves that may happen at once after a quiet
	// time. Default: half a minute's worth, at least one.
	Burst int
	// MaxLostShare of the fleet, above 0 to 1. When at least three clusters
	// and this share of the fleet seem lost, or all of it, nothing moves but
	// what the owners of Placements ask for. Default 0.55, as the node
	// lifecycle controller has it; 1 or more leaves only the case that all are
	// lost.
	MaxLostShare float64
	// MaxRegionLostShare is the same of one region: when at least three
	// clusters and this share of it seem lost, nothing moves off its clusters
	// but what the owners of Placements ask for, for RegionHold. Default 0.55;
	// more than 1 leaves regions to the rates alone.
	MaxRegionLostShare float64
	// RegionHold is how long that lasts, from when so many were lost: a network
	// that is cut for a while moves nothing, and a region that stays away is
	// left, at the rate of PerRegion. Default 10 minutes; negative for as long
	// as the clusters are lost.
	RegionHold time.Duration
	// Start of the count: buckets are empty then. Default: when the
	// controller begins to decide.
	Start time.Time
}

const (
	defaultMaxLostShare = 0.55
	defaultRegionHold   = 10 * time.Minute
	minLostClusters     = 3
	outageRetry         = 10 * time.Second
	maxRetry            = 30 * time.Second
	// maxBuckets is the number of workspaces from which on full buckets are
	// forgotten; a new one is as full as its age allows.
	maxBuckets = 1024
)

// Budget is a Limiter of token buckets, with protection against partial
// outages, of the fleet and of each region. The moves of one Placement happen
// together: one that must wait has the others wait. Moves that the owner of a Placement asked for count for the
// workspace alone.
//
// The state is in memory, and the buckets are empty when the controller begins
// to decide: whatever moved before a restart, or under another leader, no more
// moves in any time than the rates and one burst allow.
type Budget struct {
	opts BudgetOptions

	mu         sync.Mutex
	start      time.Time
	global     *rate.Limiter
	workspaces map[string]*rate.Limiter
	regions    map[string]*rate.Limiter
	// refused remembers who waits, to spread the retries.
	refused map[Key]time.Time
	// seen is the fleet that was last looked at for outages, and what was seen.
	seen outages
}

var _ LimiterStarter = (*Budget)(nil)

// NewBudget returns a budget.
func NewBudget(opts BudgetOptions) *Budget {
	if opts.MaxLostShare <= 0 {
		opts.MaxLostShare = defaultMaxLostShare
	}
	if opts.MaxRegionLostShare <= 0 {
		opts.MaxRegionLostShare = defaultMaxLostShare
	}
	if opts.RegionHold == 0 {
		opts.RegionHold = defaultRegionHold
	}
	return &Budget{opts: opts, start: opts.Start, workspaces: map[string]*rate.Limiter{}, regions: map[string]*rate.Limiter{}, refused: map[Key]time.Time{}}
}

// Name implements Limiter.
func (*Budget) Name() string { return "Budget" }

// Started implements LimiterStarter.
func (b *Budget) Started(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.start.IsZero() {
		b.start = now
	}
}

// Limit implements Limiter.
func (b *Budget) Limit(_ context.Context, moves *Moves) Verdict {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.start.IsZero() {
		b.start = moves.Now
	}
	if reason := b.outage(moves); reason != "" {
		return Verdict{Reason: reason, RetryAfter: outageRetry}
	}
	key := Key{Workspace: moves.Workspace, NamespacedName: moves.Placement}
	wait := b.take(moves)
	if wait == 0 {
		delete(b.refused, key)
		return Verdict{}
	}
	b.refused[key] = moves.Now
	return Verdict{Reason: ReasonOverBudget, RetryAfter: b.retryAfter(wait, moves.Now)}
}

// take takes a token per move from every bucket it counts in, or none and
// returns how long it takes until there are enough. More moves than a bucket
// holds take it whole.
func (b *Budget) take(moves *Moves) time.Duration {
	if b.global == nil {
		b.global = b.bucket(b.opts.PerMinute)
	}
	need := map[*rate.Limiter]int{}
	for _, m := range moves.Moves {
		need[b.named(b.workspaces, string(moves.Workspace), b.opts.PerWorkspace, moves.Now)]++
		if m.Cause == CauseRequested {
			continue // a tenant must not use up what failures need
		}
		need[b.global]++
		if m.Region != "" {
			need[b.named(b.regions, m.Region, b.opts.PerRegion, moves.Now)]++
		}
	}
	delete(need, nil)
	var wait time.Duration
	for bucket, n := range need {
		n = min(n, bucket.Burst())
		if missing := float64(n) - bucket.TokensAt(moves.Now); missing > 1e-9 {
			wait = max(wait, time.Duration(missing/float64(bucket.Limit())*float64(time.Second)), time.Millisecond)
		}
	}
	if wait > 0 {
		return wait
	}
	for bucket, n := range need {
		bucket.ReserveN(moves.Now, min(n, bucket.Burst()))
	}
	return 0
}

// retryAfter spreads those who wait, so that they do not all ask for each
// token.
func (b *Budget) retryAfter(wait time.Duration, now time.Time) time.Duration {
	for key, at := range b.refused {
		if now.Sub(at) > 2*maxRetry {
			delete(b.refused, key)
		}
	}
	return min(max(wait, wait*time.Duration(len(b.refused))/2), max(wait, maxRetry))
}

func (b *Budget) named(buckets map[string]*rate.Limiter, name string, perMinute float64, now time.Time) *rate.Limiter {
	if perMinute <= 0 {
		return nil
	}
	bucket, ok := buckets[name]
	if !ok {
		if len(buckets) >= maxBuckets {
			maps.DeleteFunc(buckets, func(_ string, old *rate.Limiter) bool { return old.TokensAt(now) >= float64(old.Burst()) })
		}
		bucket = b.bucket(perMinute)
		buckets[name] = bucket
	}
	return bucket
}

// bucket returns a bucket that was empty at the start of the count.
func (b *Budget) bucket(perMinute float64) *rate.Limiter {
	if perMinute <= 0 {
		return nil
	}
	burst := b.opts.Burst
	if burst <= 0 {
		burst = max(1, int(perMinute/2))
	}
	bucket := rate.NewLimiter(rate.Limit(perMinute/60), burst)
	bucket.AllowN(b.start, burst)
	return bucket
}
