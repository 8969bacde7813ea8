package cluster

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// reader reads one cluster until ctx is done, and reports to the readings.
type reader func(ctx context.Context, r *readings)

// readings is where a reader puts what it reads, over one connection.
type readings struct {
	fleet   *Fleet
	member  *member
	session *session
	usage   *usage
	wanted  map[schema.GroupVersionKind]bool
	// due says that a publication of the capacity is due.
	due atomic.Bool
}

// readAll watches nodes and pods, asks what the nodes use, and reads the version
// and the APIs again after each refresh period, or when it is asked to.
func readAll(ctx context.Context, r *readings) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		if err := watchCapacity(ctx, r.session.conn, r.usage, &r.session.back, r.capacityChanged, r.capacityFailed(ctx)); err != nil {
			r.capacityFailed(ctx)(err)
		}
	})
	wg.Go(func() { watchUse(ctx, r) })
	for pause := time.Second; ctx.Err() == nil; {
		d, err := discover(ctx, r.session.conn, r.wanted)
		if ctx.Err() != nil {
			return
		}
		r.discovered(ctx, d, err)
		wait := r.fleet.opts.refresh
		if err != nil || len(d.failed) > 0 {
			pause = min(2*pause, wait)
			wait = pause
		} else {
			pause = time.Second
		}
		timer := time.NewTimer(jitter(wait))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-r.session.refresh:
		}
		timer.Stop()
	}
}

// capacityChanged publishes the capacity before long, together with what
// changes until then.
func (r *readings) capacityChanged() {
	if r.due.CompareAndSwap(false, true) {
		time.AfterFunc(r.fleet.opts.coalesce, r.publishCapacity)
	}
}

func (r *readings) publishCapacity() {
	r.due.Store(false)
	f, m := r.fleet, r.member
	f.mu.Lock()
	defer f.mu.Unlock()
	if m.session != r.session {
		return
	}
	if r.usage.capacity().known {
		m.facts.capacityTried = true
	}
	f.publishLocked(m, false, false)
}

// capacityFailed notes that nodes or pods could not be read. What was read
// before stays.
func (r *readings) capacityFailed(ctx context.Context) func(error) {
	logger := log.FromContext(ctx).WithValues("physicalCluster", r.member.name)
	return func(err error) {
		logger.V(1).Info("reading capacity failed, will try again", "error", err.Error())
		f, m := r.fleet, r.member
		f.metrics.readErrors.WithLabelValues(m.name, "capacity").Inc()
		f.mu.Lock()
		defer f.mu.Unlock()
		if m.session != r.session || m.facts.capacityTried {
			return
		}
		m.facts.capacityTried = true
		f.publishLocked(m, false, false)
	}
}

// discovered notes what the API server says of itself. After an error, what
// was known stays.
func (r *readings) discovered(ctx context.Context, d *discovered, err error) {
	f, m := r.fleet, r.member
	if err != nil {
		log.FromContext(ctx).V(1).Info("discovery failed, will try again", "physicalCluster", m.name, "error", err.Error())
		f.metrics.readErrors.WithLabelValues(m.name, "discovery").Inc()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if m.session != r.session {
		return
	}
	m.facts.apisTried = true
	if err == nil {
		m.facts.version = d.version
		m.facts.apis = f.apis.share(mergeAPIs(m.facts.apis, d))
	}
	f.publishLocked(m, false, false)
}

// apiSets lets clusters that serve the same APIs share one set.
type apiSets map[string]*APISet

func (s *apiSets) share(set *APISet) *APISet {
	var b strings.Builder
	for _, a := range set.List() {
		b.WriteString(a.Kind.String() + "=" + a.Resource.String() + ";")
	}
	key := b.String()
	if *s == nil || len(*s) > 256 {
		// Fleets have few sets; those of clusters that are gone need not stay.
		*s = apiSets{}
	}
	if shared, ok := (*s)[key]; ok {
		return shared
	}
	(*s)[key] = set
	return set
}
