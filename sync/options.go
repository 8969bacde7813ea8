package syncer

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tmc-sdk/tmc/cluster/workspaces"
	"github.com/tmc-sdk/tmc/transform"
)

// Option configures a Loop.
type Option func(*options)

type options struct {
	resources    []schema.GroupVersionKind
	related      []schema.GroupVersionKind
	sources      []workspaces.Kinds
	relatedFrom  []workspaces.Kinds
	rules        *transform.StatusRules
	conditions   []schema.GroupKind
	workers      int
	lanes        int
	reportEvery  time.Duration
	lostAfter    time.Duration
	deletion     Deletion
	deletions    []Deletion
	tombstones   Tombstones
	tidyAfter    time.Duration
	registerer   prometheus.Registerer
	tracing      trace.TracerProvider
	healthHooks  []func(context.Context, HealthChange)
	furniture    func(transform.Origin) []client.Object
	auditors     []Auditor
	gates        []Gate
	register     Register
	collectAfter time.Duration
	share        Share // nil: all workspaces

	progressWithin time.Duration
	upsync         []*upsyncRule
	strategies     map[schema.GroupKind]Strategy
	mentions       map[schema.GroupKind][]reference
	observeOnly    bool
	decider        Decider // nil: Placements decide
}

func defaults() options {
	return options{
		workers: 8, lanes: 8, reportEvery: 250 * time.Millisecond, lostAfter: -1, tidyAfter: 5 * time.Second, progressWithin: 10 * time.Minute,
		deletion: DeletionBackground, deletions: []Deletion{DeletionBackground, DeletionForeground},
	}
}

// Resources are the kinds to sync, in the version that the workspaces serve.
// Placements cover their objects. At least one is needed, or ResourcesFrom.
func Resources(kinds ...schema.GroupVersionKind) Option {
	return func(o *options) { o.resources = append(o.resources, kinds...) }
}

// Related are the kinds of which an object is synced only while a synced object
// of the same namespace mentions it: ConfigMap, Secret, ServiceAccount,
// PersistentVolumeClaim. They go where those go that mention them, in a pod spec or
// where Mention says, before those, which wait for them on each cluster for ten seconds
// at most, and leave it after them. None by default: a Secret leaves a workspace only
// where the platform allows it here.
func Related(kinds ...schema.GroupVersionKind) Option {
	return func(o *options) { o.related = append(o.related, kinds...) }
}

// WithStatusRules says how the status of copies becomes that of the original.
// Default: the rules of package transform.
func WithStatusRules(rules *transform.StatusRules) Option {
	return func(o *options) { o.rules = rules }
}

// WithWorkers sets how many originals are reconciled at once, and how many
// calls are under way to any one physical cluster. Default: 8 and 8.
func WithWorkers(originals, perCluster int) Option {
	return func(o *options) { o.workers, o.lanes = originals, perCluster }
}

// ReportEvery bounds how often the status of one original is written. The first
// change is written at once; what follows within the interval is written
// together at its end. Default: 250 ms.
func ReportEvery(interval time.Duration) Option {
	return func(o *options) { o.reportEvery = interval }
}

// ReleaseLostAfter lets the deletion of an original complete though a copy may
// remain on a cluster that has not answered for so long. The release is told
// in an event; the copy is retired when the cluster returns. Default: such a
// cluster holds the deletion until it returns or is removed from the fleet.
func ReleaseLostAfter(d time.Duration) Option {
	return func(o *options) { o.lostAfter = d }
}

// TidyAfter is how long a namespace on a physical cluster stays after its last
// copy went, for the next one that may come. Then it is deleted, if it is empty
// and ours. Default: 5 s.
func TidyAfter(d time.Duration) Option {
	return func(o *options) { o.tidyAfter = d }
}

// WithMetrics registers the metrics tmc_sync_* of the loop.
func WithMetrics(r prometheus.Registerer) Option {
	return func(o *options) { o.registerer = r }
}

func (o *options) validate() error {
	if len(o.resources) == 0 && len(o.sources) == 0 {
		return fmt.Errorf("syncer: no kinds to sync: pass syncer.Resources or syncer.ResourcesFrom")
	}
	seen := map[schema.GroupKind]bool{}
	for _, kind := range slices.Concat(o.resources, o.related) {
		if kind.Kind == "" || kind.Version == "" {
			return fmt.Errorf("syncer: kind %q is incomplete: version and kind are needed", kind.String())
		}
		if seen[kind.GroupKind()] {
			return fmt.Errorf("syncer: kind %s is listed twice: a kind is synced in one version, as Resources or as Related", kind.GroupKind())
		}
		if kind.GroupKind() == namespaceKind.GroupKind() {
			return fmt.Errorf("syncer: kind Namespace can't be synced: namespaces follow what is in them")
		}
		seen[kind.GroupKind()] = true
	}
	if o.workers < 1 || o.lanes < 1 {
		return fmt.Errorf("syncer: WithWorkers(%d, %d): both must be at least 1", o.workers, o.lanes)
	}
	if err := o.validateDeletion(); err != nil {
		return err
	}
	if err := o.validateDecider(); err != nil {
		return err
	}
	if err := o.validateUpsync(); err != nil {
		return err
	}
	return o.validateStrategies()
}
