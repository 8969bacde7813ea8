package cluster

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

// Source says which physical clusters there are.
//
// A source that cannot read its inventory returns an error from Run, or simply
// says nothing: the fleet keeps what it was last told, and runs the source
// again after a while. Only Remove removes a cluster.
type Source interface {
	// Name of the source, for logs and metrics.
	Name() string
	// Run tells the sink what the source knows, and what changes, until ctx is
	// done. It calls Synced once all that it knows has been Set.
	Run(ctx context.Context, sink Sink) error
}

// Sink is what a Source reports to. Its methods do not block and may be called
// from several goroutines.
type Sink interface {
	// Set registers a cluster, or changes its registration. Setting what is
	// already there is free.
	Set(reg Registration)
	// Remove takes a cluster out of the fleet. It must mean that somebody took
	// it out: a cluster that a list does not show is not thereby removed.
	Remove(name string)
	// Synced says that all that the source knows has been Set.
	Synced()
}

// Registration is what a source says of one cluster.
type Registration struct {
	// Name of the cluster in the fleet. If several sources register one name,
	// the source that was given to NewFleet first wins.
	Name string
	// Config to reach the cluster's API server. The fleet copies it.
	Config *rest.Config
	// Pull says that the config leads to the cluster's mailbox: an agent in the
	// cluster fetches its work there, and its Lease and report tell what probes
	// and watches tell of other clusters.
	Pull bool

	// Labels that placements select by.
	Labels map[string]string
	// Region, Zone and Provider say where the cluster runs.
	Region, Zone, Provider string
	// Properties that were declared; see ParseProperty.
	Properties map[string]string
	// Observed is when properties were observed, of those that somebody
	// observed rather than declared.
	Observed map[string]time.Time
	// Taints that were declared. The fleet adds those for health, cordon and
	// drain.
	Taints []v1alpha1.Taint
	// Unschedulable cordons the cluster, Drain moves its work away.
	Unschedulable, Drain bool

	// Err says why the cluster cannot be connected to: a Secret that is
	// missing, a kubeconfig that is refused. The cluster is then in the fleet,
	// not ready, with Reason and the error's text as its message.
	Err error

	// CreatedAt is when the cluster was registered; of two registrations of
	// one cluster the older one counts. Zero if unknown.
	CreatedAt time.Time
	// LastUID is the identity that the cluster had when it was last seen, by
	// this process or an earlier one, so that a cluster which was rebuilt
	// meanwhile is noticed. Empty if unknown.
	LastUID types.UID
	// UnreachableSince is when the cluster ceased to answer an earlier
	// process, so that the grace period goes on over a restart. Zero if it did
	// answer, or if that is unknown.
	UnreachableSince time.Time

	// generation of the object that the registration is of.
	generation int64
}

// Static returns a source of clusters that are known from the start and do not
// change.
func Static(regs ...Registration) Source { return static(regs) }

type static []Registration

var _ Source = static(nil)

// Name implements Source.
func (static) Name() string { return "static" }

// Run implements Source.
func (s static) Run(ctx context.Context, sink Sink) error {
	for _, reg := range s {
		sink.Set(reg)
	}
	sink.Synced()
	<-ctx.Done()
	return nil
}
