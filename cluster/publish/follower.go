package publish

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	apisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/tmc-sdk/tmc/cluster"
)

// Follower keeps an export true to a fleet: for each of its kinds it publishes
// the intersection of what the clusters serve, again whenever that changes. It
// is a manager.Runnable that needs leader election.
//
// A cluster that cannot be asked counts with what it served when it last could,
// or, if it never could, with what is published: that a cluster is down does
// not make tenants' objects acceptable which it would refuse. A cluster that
// does not serve a kind does not count for it: no work of that kind is placed
// there.
type Follower struct {
	fleet     *cluster.Fleet
	publisher *Publisher
	export    Export
	kinds     []schema.GroupVersionKind
	report    func(*Result, []Narrowing, error)
	cache     *Cache
	// known is what each cluster served when it last could be asked.
	known map[string]map[schema.GroupVersionKind]*Schema
	wake  chan struct{}
}

var (
	_ manager.Runnable               = (*Follower)(nil)
	_ manager.LeaderElectionRunnable = (*Follower)(nil)
)

// NewFollower returns a follower that publishes the given kinds as part of the
// export, next to what the export itself has. It calls report, which may be
// nil, after each attempt, with what was done, where the clusters differ, and
// what was refused or failed.
func NewFollower(f *cluster.Fleet, p *Publisher, e Export, kinds []schema.GroupVersionKind, report func(*Result, []Narrowing, error)) (*Follower, error) {
	if f == nil || p == nil || e.Name == "" {
		return nil, errors.New("follow fleet: fleet, publisher and the name of the export are needed")
	}
	if report == nil {
		report = func(*Result, []Narrowing, error) {}
	}
	return &Follower{
		fleet: f, publisher: p, export: e, kinds: kinds, report: report, cache: NewCache(),
		known: map[string]map[schema.GroupVersionKind]*Schema{}, wake: make(chan struct{}, 1),
	}, nil
}

// NeedLeaderElection says that one replica publishes.
func (*Follower) NeedLeaderElection() bool { return true }

// Start publishes until ctx is done.
func (f *Follower) Start(ctx context.Context) error {
	if !f.fleet.WaitForSync(ctx) {
		return nil
	}
	cancel := f.fleet.Subscribe(f.noticed)
	defer cancel()
	const first, last = time.Second, time.Minute
	for pause := first; ; {
		// Changes come in groups: a fleet that comes up, an API that is
		// installed on all clusters.
		if !wait(ctx, f.wake, first) {
			return nil
		}
		result, narrowed, err := f.Publish(ctx)
		if ctx.Err() != nil {
			return nil
		}
		f.report(result, narrowed, err)
		switch {
		case err == nil || errors.Is(err, ErrBreaking):
			// Trying again would not help: the clusters have to change.
			pause = first
		default:
			log.FromContext(ctx).Error(err, "publishing the APIs of the fleet failed, will try again", "export", f.export.Name)
			time.AfterFunc(pause, f.nudge)
			pause = min(2*pause, last)
		}
	}
}

// wait waits for a nudge, and then for more of them to come.
func wait(ctx context.Context, wake <-chan struct{}, more time.Duration) bool {
	select {
	case <-wake:
	case <-ctx.Done():
		return false
	}
	timer := time.NewTimer(more)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// noticed decides whether a change of the fleet may matter.
func (f *Follower) noticed(c cluster.Change) {
	if c.Old != nil && c.New != nil && c.Old.APIs == c.New.APIs && c.Old.Version == c.New.Version && c.Old.Ready == c.New.Ready && c.Old.UID == c.New.UID {
		return
	}
	f.nudge()
}

func (f *Follower) nudge() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Publish asks the clusters and publishes what they have in common, once. It
// must not be called while the follower runs.
func (f *Follower) Publish(ctx context.Context) (*Result, []Narrowing, error) {
	missing := f.ask(ctx)
	e := f.export
	var report []Narrowing
	var failed []error
	for _, kind := range f.kinds {
		var served []*Schema
		for _, name := range slices.Sorted(maps.Keys(f.known)) {
			if s, ok := f.known[name][kind]; ok {
				served = append(served, s)
			}
		}
		if len(served) == 0 {
			continue
		}
		if missing {
			published, err := f.publisher.published(ctx, e.Name, schema.GroupResource{Group: kind.Group, Resource: served[0].Names.Plural}, kind.Version)
			if err != nil {
				return nil, nil, err
			}
			if published != nil {
				served = append(served, published)
			}
		}
		s, narrowed, err := Intersect(served...)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		report = append(report, narrowed...)
		e.Schemas = append(slices.Clip(e.Schemas), s)
	}
	result, err := f.publisher.Ensure(ctx, e)
	return result, report, errors.Join(append(failed, err)...)
}

// ask imports the kinds from the clusters that can be asked. It says whether
// there is a cluster of which nothing is known.
func (f *Follower) ask(ctx context.Context) (missing bool) {
	snapshot := f.fleet.Snapshot()
	for name := range f.known {
		if _, ok := snapshot.Lookup(name); !ok {
			delete(f.known, name)
		}
	}
	for st := range snapshot.All() {
		if !st.Ready {
			missing = missing || f.known[st.Name] == nil
			continue
		}
		schemas, err := f.importFrom(ctx, st)
		if err != nil {
			log.FromContext(ctx).V(1).Info("importing the APIs of a physical cluster failed", "physicalCluster", st.Name, "error", err.Error())
			missing = missing || f.known[st.Name] == nil
			continue
		}
		f.known[st.Name] = schemas
	}
	return missing
}

// importFrom imports the kinds that a cluster serves.
func (f *Follower) importFrom(ctx context.Context, st *cluster.State) (map[schema.GroupVersionKind]*Schema, error) {
	conn, err := f.fleet.Connection(st.Name)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	importer, err := NewImporter(conn.Config, conn.HTTPClient, WithCache(f.cache))
	if err != nil {
		return nil, err
	}
	schemas := map[schema.GroupVersionKind]*Schema{}
	for _, kind := range f.kinds {
		s, err := importer.Import(ctx, kind)
		switch {
		case errors.Is(err, ErrNotServed):
		case err != nil:
			return nil, err
		default:
			schemas[kind] = s
		}
	}
	return schemas, nil
}

// published returns what is published of a resource, or nil.
func (p *Publisher) published(ctx context.Context, export string, gr schema.GroupResource, version string) (*Schema, error) {
	current, err := p.export(ctx, export)
	if err != nil || current == nil {
		return nil, err
	}
	for _, res := range current.Spec.Resources {
		if res.Group != gr.Group || res.Name != gr.Resource {
			continue
		}
		ars := &apisv1alpha1.APIResourceSchema{}
		err := p.client.Get(ctx, client.ObjectKey{Name: res.Schema}, ars)
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read APIResourceSchema %s: %w", res.Schema, err)
		}
		for i := range ars.Spec.Versions {
			if ars.Spec.Versions[i].Name == version {
				return versionOf(ars, i)
			}
		}
	}
	return nil, nil
}
