package controller

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Preempter is implemented by an Engine that says who would have to leave for a
// request to be placed. Without it nobody has to.
type Preempter interface {
	Engine
	// Preempt returns nil where nothing that may leave makes room.
	Preempt(ctx context.Context, r *placement.Request, fleet *cluster.Snapshot, placed []*placement.Request) (*placement.Preemption, error)
}

var _ Preempter = (*placement.Engine)(nil)

// evictedFor is how long a Placement that was pushed out stays away, and how
// long the one that it made room for waits for that before others are pushed
// out.
const evictedFor = 5 * time.Minute

// preemptions knows who was pushed out of where, for whom. It is in memory: after
// a restart the one that waits asks again.
type preemptions struct {
	mu      sync.Mutex
	evicted map[Key]map[string]eviction // by who leaves, and cluster
	waiting map[Key]wait                // by who waits
}

type eviction struct {
	by       Key
	priority int32
	until    time.Time
}

type wait struct {
	until   time.Time
	whatFor string
	needs   map[string]cluster.Resources
}

func newPreemptions() *preemptions {
	return &preemptions{evicted: map[Key]map[string]eviction{}, waiting: map[Key]wait{}}
}

// of returns the clusters that a Placement was pushed out of.
func (p *preemptions) of(k Key, now time.Time) map[string]eviction {
	p.mu.Lock()
	defer p.mu.Unlock()
	left := map[string]eviction{}
	for name, e := range p.evicted[k] {
		if now.Before(e.until) {
			left[name] = e
		} else {
			delete(p.evicted[k], name)
		}
	}
	if len(p.evicted[k]) == 0 {
		delete(p.evicted, k)
	}
	return left
}

// awaited says what a Placement waits for, if it does.
func (p *preemptions) awaited(k Key, now time.Time) (wait, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w, ok := p.waiting[k]
	if ok && !now.Before(w.until) {
		delete(p.waiting, k)
		return wait{}, false
	}
	return w, ok
}

func (p *preemptions) add(by Key, priority int32, victims map[Key][]string, w wait) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting[by] = w
	for k, clusters := range victims {
		if p.evicted[k] == nil {
			p.evicted[k] = map[string]eviction{}
		}
		for _, name := range clusters {
			p.evicted[k][name] = eviction{by, priority, w.until}
		}
	}
}

func (p *preemptions) drop(k Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.evicted, k)
	delete(p.waiting, k)
}

func (p *preemptions) dropWorkspace(name multicluster.ClusterName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for k := range p.evicted {
		if k.Workspace == name {
			delete(p.evicted, k)
		}
	}
	for k := range p.waiting {
		if k.Workspace == name {
			delete(p.waiting, k)
		}
	}
}

// preempt has others leave for a Placement that is refused and asks for that,
// and says so to both. Only work of the same workspace leaves: a priority is what
// a tenant says, and says nothing about another tenant's.
func (c *Controller) preempt(ctx context.Context, q *question, r *placement.Request, fleet *cluster.Snapshot, d *placement.Decision, a *answer) error {
	engine, ok := c.engine.(Preempter)
	if !ok || q.dry || !ofFleet(d.Reason) || r.Spec.PreemptionPolicy != v1alpha1.PreemptLowerPriority {
		return nil
	}
	if w, ok := c.preemptions.awaited(q.key(), q.now); ok {
		d.Message = w.whatFor
		c.ledger.reserve(q.key().String(), w.needs, q.now) // nobody else takes the room that is made
		a.again = sooner(a.again, w.until.Sub(q.now))
		return nil
	}
	p, err := engine.Preempt(ctx, r, fleet, c.placedRequests(ctx, q))
	if err != nil {
		return fmt.Errorf("look for who could leave: %w", err)
	}
	if p == nil || len(p.Victims) == 0 {
		return nil
	}
	victims, words := map[Key][]string{}, []string(nil)
	for i := range p.Victims {
		v := &p.Victims[i]
		k := keyIn(q.workspace, v.Namespace, v.Name)
		victims[k] = v.Clusters
		a.evicts = append(a.evicts, k)
		if len(words) < maxNames {
			words = append(words, fmt.Sprintf("%s (priority %d) to leave %s", k.NamespacedName, v.Priority, strings.Join(v.Clusters[:min(len(v.Clusters), maxNames)], ", ")))
		}
	}
	d.Message = fmt.Sprintf("The work waits for room: it preempts %d placements and waits for %s.", len(victims), strings.Join(words, ", for "))
	w := wait{until: q.now.Add(evictedFor), whatFor: d.Message, needs: p.Decision.Needs()}
	c.preemptions.add(q.key(), r.Spec.Priority, victims, w)
	c.ledger.reserve(q.key().String(), w.needs, q.now)
	a.again = sooner(a.again, evictedFor)
	return nil
}

// placedRequests returns the requests of all Placements of the workspace that
// are placed.
func (c *Controller) placedRequests(ctx context.Context, q *question) (placed []*placement.Request) {
	for _, o := range c.others(ctx, q.workspace) {
		if len(o.request.Current) > 0 {
			placed = append(placed, o.request)
		}
	}
	return placed
}

// evictionsFor returns what the engine is to know of who was pushed out.
func evictionsFor(evicted map[string]eviction) (list []placement.Eviction) {
	for name, e := range evicted {
		list = append(list, placement.Eviction{Cluster: name, Until: e.until})
	}
	slices.SortFunc(list, func(a, b placement.Eviction) int { return strings.Compare(a.Cluster, b.Cluster) })
	return list
}

// pushedOut says, for people, for whom the work leaves clusters.
func pushedOut(moves []Move, evicted map[string]eviction) (notes []string) {
	for _, m := range moves {
		if e, ok := evicted[m.Cluster]; ok && len(notes) < maxNames {
			notes = append(notes, fmt.Sprintf("It leaves %s for Placement %s of priority %d.", m.Cluster, e.by.NamespacedName, e.priority))
		}
	}
	return notes
}
