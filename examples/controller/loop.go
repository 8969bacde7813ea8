package main

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/operations"
	"github.com/tmc-sdk/tmc/examples/controller/config"
	syncer "github.com/tmc-sdk/tmc/sync"
	"github.com/tmc-sdk/tmc/transform"
)

// probeOptions are those of every fleet, an agent's of one cluster included.
func (x *controller) probeOptions() []tmccluster.Option {
	p := x.Fleet.Probe
	return []tmccluster.Option{
		tmccluster.WithProbe(tmccluster.ProbePolicy{
			Interval: p.Interval.Duration, Timeout: p.Timeout.Duration,
			FailureThreshold: p.FailureThreshold, SuccessThreshold: p.SuccessThreshold,
		}),
		tmccluster.WithMetrics(x.registry),
	}
}

// addLoop adds the loop that applies, observes and reports.
func (x *controller) addLoop() error {
	c := x.Configuration
	rules, err := c.Transform.StatusRules()
	if err != nil {
		return err
	}
	options, err := x.loopOptions()
	if err != nil {
		return err
	}
	mentions, err := c.Sync.MentionOptions()
	if err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	options = append(slices.Concat(options, mentions, c.Sync.UpsyncOptions()),
		syncer.Resources(config.GVKs(c.Resources)...), syncer.Related(config.GVKs(c.Related)...),
		syncer.WithStatusRules(rules), syncer.WithDeletion(c.Sync.Deletion.Default, c.Sync.Deletion.Allowed...))
	if x.exported != nil {
		options = append(options, syncer.ResourcesFrom(x.exported))
	}
	if g := c.Sync.CollectGone; g != nil {
		register, err := g.Register(x.flags.connect)
		if err != nil {
			return fmt.Errorf("sync.collectGone: %w", err)
		}
		options = append(options, syncer.CollectGone(register, g.After.Duration))
	}
	if c.Sync.ReleaseLostAfter != nil {
		options = append(options, syncer.ReleaseLostAfter(c.Sync.ReleaseLostAfter.Duration))
	}
	if c.Sync.Tombstones != nil {
		tombstones, err := x.newTombstones()
		if err != nil {
			return fmt.Errorf("sync.tombstones: %w", err)
		}
		options = append(options, syncer.WithTombstones(tombstones))
	}
	if x.shares != nil {
		options = append(options, syncer.WithShare(x.shares))
	}
	if x.notifier != nil {
		options = append(options, syncer.OnHealth(x.notifier.Health))
	}
	x.loop, err = syncer.New(x.mgr, x.fleet, x.pipeline, options...)
	return err
}

// loopOptions are those of every loop, an agent's included.
func (x *controller) loopOptions() ([]syncer.Option, error) {
	s := x.Sync
	options, err := s.LoopOptions(known)
	if err != nil {
		return nil, fmt.Errorf("sync: %w", err)
	}
	options = append(options,
		syncer.WithWorkers(s.Workers, s.PerCluster),
		syncer.ReportEvery(s.ReportEvery.Duration), syncer.TidyAfter(s.TidyAfter.Duration), syncer.ProgressWithin(s.ProgressWithin.Duration),
		syncer.WithMetrics(x.registry))
	if s.ObserveOnly {
		options = append(options, syncer.ObserveOnly())
	}
	if x.log != nil {
		options = append(options, syncer.WithAudit(x.log.Changes()), syncer.WithGate(x.log.Gate()))
	}
	if x.spans != nil {
		options = append(options, syncer.WithTracing(x.spans))
	}
	return options, nil
}

// newRemoval keeps clusters that are deleted until work has left them.
func (x *controller) newRemoval() (*operations.Controller, error) {
	copies := operations.Copies{Selector: transform.SelectorFor(x.Installation), Tenant: transform.LabelLogicalCluster}
	for _, kind := range x.KindsOn(x.pipeline) {
		plural, _ := meta.UnsafeGuessKindToResource(kind)
		copies.Resources = append(copies.Resources, plural)
	}
	r := x.Fleet.Removal
	return operations.NewController(x.fleet, x.platform, copies, operations.LostAfter(r.LostAfter.Duration), operations.Settle(r.Settle.Duration))
}

func (x *controller) newTombstones() (*syncer.ConfigMapTombstones, error) {
	t := x.Sync.Tombstones
	cfg := x.platform
	var err error
	if t.Connection != (config.Connection{}) {
		if cfg, err = x.flags.connect(t.Connection); err != nil {
			return nil, err
		}
	}
	c, err := client.New(cfg, client.Options{})
	if err != nil {
		return nil, err
	}
	return syncer.NewTombstones(c, t.Namespace, x.Installation), nil
}
