package pull

import (
	"context"
	"errors"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/internal/pause"
	"github.com/tmc-sdk/tmc/cluster/mailbox"
)

// Fleet is what a Reporter asks of the agent's fleet of one cluster.
type Fleet interface {
	// Snapshot returns the cluster as it is known now.
	Snapshot() *tmccluster.Snapshot
}

// Reporter renews the agent's Lease, and with it the report about the cluster. It
// is a manager.Runnable that needs leader election: one replica reports.
//
// It renews three times in the Lease's duration, and at once, though no more
// often than every tenth of that, when something becomes known that somebody
// waits for: amounts of capacity alone go with the next renewal. While the agent
// can't reach its own cluster it does not renew: for the hub that is a cluster
// that does not answer.
type Reporter struct {
	fleet    Fleet
	cluster  string
	client   client.Client
	holder   string
	duration time.Duration

	sent    *mailbox.Report
	sentAt  time.Time
	version string // of the Lease that was written last
}

var (
	_ manager.Runnable               = (*Reporter)(nil)
	_ manager.LeaderElectionRunnable = (*Reporter)(nil)
)

// ReporterOption changes how a Reporter works.
type ReporterOption func(*Reporter)

// LeaseDuration is how long the hub waits for a renewal before it calls the agent
// silent: mailbox.DefaultDuration by default. Each renewal is a write to the
// mailbox's server, three in this time.
func LeaseDuration(d time.Duration) ReporterOption {
	return func(r *Reporter) { r.duration = min(max(d, mailbox.MinDuration), mailbox.MaxDuration) }
}

// Holder is the name of this replica in the Lease. By default: that of the cluster.
func Holder(identity string) ReporterOption { return func(r *Reporter) { r.holder = identity } }

// NewReporter returns a reporter of the cluster that has the given name in the
// fleet, to the mailbox that the config leads to.
func NewReporter(fleet Fleet, cluster string, cfg *rest.Config, opts ...ReporterOption) (*Reporter, error) {
	if fleet == nil || cluster == "" {
		return nil, errors.New("report to mailbox: a fleet and the cluster's name in it are needed")
	}
	c, err := newClient(cfg)
	if err != nil {
		return nil, err
	}
	r := &Reporter{fleet: fleet, cluster: cluster, client: c, holder: cluster, duration: mailbox.DefaultDuration}
	for _, opt := range opts {
		opt(r)
	}
	return r, nil
}

// NeedLeaderElection says that one replica reports.
func (*Reporter) NeedLeaderElection() bool { return true }

// Start reports until ctx is done. What was reported last stays.
func (r *Reporter) Start(ctx context.Context) error {
	logger := log.FromContext(ctx).WithName("report")
	for pause.For(ctx, r.duration/30) {
		report, due := r.due(time.Now())
		if !due {
			continue
		}
		attempt, cancel := context.WithTimeout(ctx, r.duration/3)
		err := r.renew(attempt, report, time.Now())
		cancel()
		if err != nil && ctx.Err() == nil {
			logger.Error(err, "Lease was not renewed; it is tried again")
			if !pause.For(ctx, r.duration/10) {
				return nil
			}
		}
	}
	return nil
}

// due returns the report to send, and whether it is time.
func (r *Reporter) due(now time.Time) (*mailbox.Report, bool) {
	state, ok := r.fleet.Snapshot().Lookup(r.cluster)
	if !ok || !state.Reachable || state.UID == "" {
		return nil, false
	}
	report, age := tmccluster.ReportOf(state), now.Sub(r.sentAt)
	if r.sent == nil || age >= r.duration/3 {
		return report, true
	}
	return report, age >= r.duration/10 && !report.SameButAmounts(r.sent)
}

// renew writes the Lease.
func (r *Reporter) renew(ctx context.Context, report *mailbox.Report, now time.Time) error {
	data, err := report.Encode()
	if err != nil {
		return err
	}
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: mailbox.Namespace, Name: mailbox.Lease}}
	if r.version != "" {
		lease.ResourceVersion = r.version
	} else if err := r.client.Get(ctx, client.ObjectKeyFromObject(lease), lease); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("read Lease: %w", err)
	}
	seconds := int32(max(r.duration/time.Second, 1))
	lease.Annotations = map[string]string{mailbox.AnnotationReport: string(data)}
	lease.Spec = coordinationv1.LeaseSpec{HolderIdentity: &r.holder, LeaseDurationSeconds: &seconds, RenewTime: &metav1.MicroTime{Time: now}}
	if lease.ResourceVersion == "" {
		err = r.client.Create(ctx, lease)
	} else {
		err = r.client.Update(ctx, lease)
	}
	r.version = ""
	switch {
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("write Lease: %w: the agent's access was revoked, or has expired; make a bootstrap token and join again", ErrRefused)
	case err != nil:
		return fmt.Errorf("write Lease: %w", err)
	}
	r.version, r.sent, r.sentAt = lease.ResourceVersion, report, now
	return nil
}
