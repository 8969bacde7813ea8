package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/pprof"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/tmc-sdk/tmc/examples/controller/config"
	"github.com/tmc-sdk/tmc/sync/plan"
)

// managerOptions says how the process leads, serves and ends.
func (x *controller) managerOptions() (manager.Options, error) {
	c := x.Configuration
	options := manager.Options{
		HealthProbeBindAddress:  c.Serving.Health,
		GracefulShutdownTimeout: &c.Shutdown.Grace.Duration,
	}
	var err error
	if options.Metrics, err = serverOptions(c.Serving, x.flags, x.platform); err != nil {
		return options, fmt.Errorf("serving: %w", err)
	}
	if l := c.LeaderElection; *l.Enabled {
		options.LeaderElection = true
		options.LeaderElectionResourceLock = "leases"
		options.LeaderElectionNamespace, options.LeaderElectionID = l.Namespace, l.Name
		options.LeaseDuration, options.RenewDeadline, options.RetryPeriod = &l.LeaseDuration.Duration, &l.RenewDeadline.Duration, &l.RetryPeriod.Duration
		// The lease is given up only after everything that acts has ended: a
		// planned restart costs no lease time, and there are never two leaders.
		options.LeaderElectionReleaseOnCancel = true
		if l.Connection != (config.Connection{}) {
			if options.LeaderElectionConfig, err = x.flags.connect(l.Connection); err != nil {
				return options, fmt.Errorf("leaderElection: %w", err)
			}
		}
	}
	return options, nil
}

// serverOptions are those of the server that asks who you are.
func serverOptions(s config.Serving, f *flags, platform *rest.Config) (metricsserver.Options, error) {
	options := metricsserver.Options{BindAddress: s.Address, SecureServing: true, CertDir: s.CertificateFolder}
	if s.CertificateFolder != "" {
		for _, name := range []string{"tls.crt", "tls.key"} {
			if _, err := os.Stat(filepath.Join(s.CertificateFolder, name)); err != nil {
				return options, fmt.Errorf("certificateFolder: %w; leave it out for a certificate made at the start", err)
			}
		}
	}
	if s.Authorization == config.AuthorizationNone {
		return options, nil
	}
	reviewer := platform
	if s.Reviewer != nil {
		var err error
		if reviewer, err = f.connect(*s.Reviewer); err != nil {
			return options, fmt.Errorf("reviewer: %w", err)
		}
	}
	options.FilterProvider = func(*rest.Config, *http.Client) (metricsserver.Filter, error) {
		httpClient, err := rest.HTTPClientFor(reviewer)
		if err != nil {
			return nil, err
		}
		return filters.WithAuthenticationAndAuthorization(reviewer, httpClient)
	}
	return options, nil
}

// addChecks adds the probes. Alive is a process that answers: what is outside
// it no restart can mend. Ready is a leader that knows enough to act, or a
// standby that knows the fleet; see docs/deploy.md.
func (x *controller) addChecks() error {
	if err := x.mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return err
	}
	if err := x.mgr.AddReadyzCheck("fleet", x.fleet.Ready); err != nil {
		return err
	}
	checks := map[string]healthz.Checker{"sync": x.loop.Ready}
	if x.Mode != config.ModeAgent {
		checks["endpoints"], checks["placement"] = x.tenants.Ready, x.placer.Ready
	}
	for name, check := range checks {
		// A standby watches no workspaces; were it unready for that, a rollout
		// would wait for ever for the lease that the old replica holds.
		asLeader := func(r *http.Request) error {
			select {
			case <-x.mgr.Elected():
				return check(r)
			default:
				return nil
			}
		}
		if err := x.mgr.AddReadyzCheck(name, asLeader); err != nil {
			return err
		}
	}
	return nil
}

// addHandlers adds what is served beside the metrics, to the same readers.
func (x *controller) addHandlers() error {
	handlers := map[string]http.Handler{"/debug/loglevel": x.level}
	if x.Serving.Profiling {
		handlers["/debug/pprof/"] = http.HandlerFunc(pprof.Index)
		handlers["/debug/pprof/cmdline"] = http.HandlerFunc(pprof.Cmdline)
		handlers["/debug/pprof/profile"] = http.HandlerFunc(pprof.Profile)
		handlers["/debug/pprof/symbol"] = http.HandlerFunc(pprof.Symbol)
		handlers["/debug/pprof/trace"] = http.HandlerFunc(pprof.Trace)
	}
	planner, err := x.newPlanner()
	if err != nil {
		return err
	}
	handlers["/plan"] = planner
	if x.page != nil {
		handlers["/fleet"], handlers["/fleet/events"] = x.page, x.page.Events()
	}
	for path, handler := range handlers {
		if err := x.mgr.AddMetricsServerExtraHandler(path, handler); err != nil {
			return err
		}
	}
	return nil
}

// newPlanner answers kubectl tmc plan. A standby knows nothing to plan with.
func (x *controller) newPlanner() (*plan.Handler, error) {
	leads := plan.OnlyIf(func(r *http.Request) error {
		select {
		case <-x.mgr.Elected():
			return x.loop.Ready(r)
		default:
			return errors.New("it stands by")
		}
	})
	if x.placer == nil {
		return plan.NewHandler(x.loop, nil, leads)
	}
	return plan.NewHandler(x.loop, x.placer, leads)
}
