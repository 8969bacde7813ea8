package config

import (
	"net"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/tmc-sdk/tmc/placement"
	placementv1alpha1 "github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Who may read what is served.
const (
	AuthorizationKubernetes = "Kubernetes"
	AuthorizationNone       = "None"
)

// Validate finds all that is wrong. Each error names the field and what to do.
func (c *Configuration) Validate(known Known) error {
	var all field.ErrorList
	if c.Installation == "" {
		all = append(all, field.Required(field.NewPath("installation"), "give this installation an id, as \"prod\"; it marks its copies and never changes"))
	} else if problems := validation.IsDNS1123Label(c.Installation); len(problems) > 0 {
		all = append(all, field.Invalid(field.NewPath("installation"), c.Installation, problems[0]))
	}
	all = append(all, c.validateMode()...)
	all = append(all, c.Serving.validate(field.NewPath("serving"))...)
	all = append(all, c.LeaderElection.validate(field.NewPath("leaderElection"))...)
	all = append(all, c.Sharding.validate(field.NewPath("sharding"), &c.LeaderElection)...)
	all = append(all, oneOf(field.NewPath("logging", "level"), c.Logging.Level, "error", "info", "debug")...)
	all = append(all, oneOf(field.NewPath("logging", "format"), c.Logging.Format, "json", "text")...)
	all = append(all, c.validateKinds()...)
	all = append(all, c.Fleet.Probe.validate(field.NewPath("fleet", "probe"))...)
	if c.Mode != ModeAgent {
		all = append(all, c.Fleet.validate(field.NewPath("fleet"))...)
		all = append(all, c.Placement.validate(field.NewPath("placement"), known)...)
	}
	all = append(all, c.Transform.validate(field.NewPath("transform"), c.Installation, known)...)
	all = append(all, c.Sync.validate(field.NewPath("sync"))...)
	all = append(all, c.Sync.validateMore(field.NewPath("sync"), known, c.Related)...)
	if c.Audit != nil {
		all = append(all, c.Audit.validate(field.NewPath("audit"))...)
	}
	if c.Notify != nil {
		all = append(all, c.Notify.validate(field.NewPath("notify"))...)
	}
	if c.Tracing != nil {
		all = append(all, c.Tracing.validate(field.NewPath("tracing"))...)
	}
	for i, claim := range c.Export.Claims {
		at := field.NewPath("export", "claims").Index(i)
		if claim.Resource == "" {
			all = append(all, field.Required(at.Child("resource"), "name the resource in the plural, as \"configmaps\""))
		}
		if len(claim.Verbs) == 0 {
			all = append(all, field.Required(at.Child("verbs"), "list what the controller does with it, as [get, list, watch]"))
		}
	}
	return all.ToAggregate()
}

func (s *Serving) validate(at *field.Path) field.ErrorList {
	all := oneOf(at.Child("authorization"), s.Authorization, AuthorizationKubernetes, AuthorizationNone)
	for name, address := range map[string]string{"health": s.Health, "address": s.Address} {
		if address == "0" {
			continue
		}
		host, _, err := net.SplitHostPort(address)
		switch {
		case err != nil:
			all = append(all, field.Invalid(at.Child(name), address, "give it as host:port or :port, or \"0\" to serve nothing"))
		case name == "address" && s.Authorization == AuthorizationNone && !net.ParseIP(host).IsLoopback():
			all = append(all, field.Invalid(at.Child(name), address, "without authorization it must be on the loopback, as 127.0.0.1:8443: set authorization to Kubernetes to serve others"))
		}
	}
	return all
}

func (l *LeaderElection) validate(at *field.Path) field.ErrorList {
	if l.Enabled != nil && !*l.Enabled {
		return nil
	}
	var all field.ErrorList
	if l.LeaseDuration.Duration <= l.RenewDeadline.Duration {
		all = append(all, field.Invalid(at.Child("leaseDuration"), l.LeaseDuration.Duration.String(), "must be longer than renewDeadline, or two replicas could both lead"))
	}
	if l.RenewDeadline.Duration <= l.RetryPeriod.Duration*6/5 {
		all = append(all, field.Invalid(at.Child("renewDeadline"), l.RenewDeadline.Duration.String(), "must be longer than 1.2 times retryPeriod, to leave room for a second try"))
	}
	return all
}

// validateKinds finds kinds that are incomplete or listed twice.
func (c *Configuration) validateKinds() field.ErrorList {
	var all field.ErrorList
	if len(c.Resources) == 0 && c.Export.Follow == nil {
		all = append(all, field.Required(field.NewPath("resources"), "list at least one kind to place and sync, as {group: apps, version: v1, kind: Deployment}"))
	}
	seen := map[GroupKind]bool{}
	check := func(list string, resources []Resource) {
		for i, r := range resources {
			at := field.NewPath(list).Index(i)
			if r.Kind == "" {
				all = append(all, field.Required(at.Child("kind"), "name the kind, as \"Deployment\""))
			}
			if r.Version == "" {
				all = append(all, field.Required(at.Child("version"), "name the version that workspaces serve, as \"v1\""))
			}
			if r.Group == "" && r.Kind == "Namespace" {
				all = append(all, field.Invalid(at.Child("kind"), r.Kind, "namespaces follow what is in them: leave the kind out"))
			}
			kind := GroupKind{r.Group, r.Kind}
			if seen[kind] {
				all = append(all, field.Duplicate(at, kind.schema().String()))
			}
			seen[kind] = true
		}
	}
	check("resources", c.Resources)
	check("related", c.Related)
	seen = map[GroupKind]bool{}
	upsync := make([]Resource, 0, len(c.Sync.Upsync))
	for i, u := range c.Sync.Upsync {
		upsync = append(upsync, u.Resource)
		all = append(all, u.validate(field.NewPath("sync.upsync").Index(i))...)
	}
	check("sync.upsync", upsync)
	return all
}

func (f *Fleet) validate(at *field.Path) field.ErrorList {
	all := f.Profiles.validate(at.Child("profiles"))
	if f.Objects != nil && !*f.Objects && f.Folder == "" && (f.Profiles == nil || f.Profiles.Read == nil) {
		all = append(all, field.Required(at.Child("folder"), "name a folder of kubeconfigs, or set objects: true: without either there is no cluster"))
	}
	return append(all, positive(at.Child("grace"), f.Grace.Duration)...)
}

func (p *Probe) validate(at *field.Path) field.ErrorList {
	var all field.ErrorList
	if p.Timeout.Duration > p.Interval.Duration {
		all = append(all, field.Invalid(at.Child("timeout"), p.Timeout.Duration.String(), "must not be longer than the interval"))
	}
	all = append(all, positive(at.Child("interval"), p.Interval.Duration)...)
	all = append(all, positive(at.Child("timeout"), p.Timeout.Duration)...)
	all = append(all, positive(at.Child("failureThreshold"), p.FailureThreshold)...)
	return append(all, positive(at.Child("successThreshold"), p.SuccessThreshold)...)
}

func (p *Placement) validate(at *field.Path, known Known) field.ErrorList {
	all := positive(at.Child("workers"), p.Workers)
	if _, err := p.Engine(known); err != nil {
		all = append(all, field.Invalid(at, namesOfScorers(p.Scorers), err.Error()))
	}
	for i, e := range p.External {
		if _, err := e.source(); err != nil {
			all = append(all, field.Invalid(at.Child("external").Index(i), e.Name, err.Error()))
		}
	}
	if p.Defaults != nil {
		if err := placement.ValidateSpec(p.Defaults); err != nil {
			all = append(all, field.Invalid(at.Child("defaults"), "", err.Error()))
		}
	}
	for i, l := range p.Layers {
		if l.Name == "" {
			all = append(all, field.Required(at.Child("layers").Index(i).Child("name"), "name the layer, as explanations are to show it"))
		}
		if l.Rollout != nil {
			if err := placement.ValidateSpec(&placementv1alpha1.PlacementSpec{Rollout: l.Rollout}); err != nil {
				all = append(all, field.Invalid(at.Child("layers").Index(i).Child("rollout"), "", err.Error()))
			}
		}
		if len(l.Spread) > 0 {
			if err := placement.ValidateSpec(&placementv1alpha1.PlacementSpec{Spread: l.Spread}); err != nil {
				all = append(all, field.Invalid(at.Child("layers").Index(i).Child("spread"), "", err.Error()))
			}
		}
		all = append(all, l.validateBounds(at.Child("layers").Index(i))...)
		if l.Defaults != nil {
			if err := placement.ValidateSpec(l.Defaults); err != nil {
				all = append(all, field.Invalid(at.Child("layers").Index(i).Child("defaults"), "", err.Error()))
			}
		}
	}
	all = append(all, p.validateBudget(at.Child("budget"))...)
	if d := p.Decisions; d != nil && d.ClusterNamespace != "" {
		if problems := validation.IsDNS1123Label(d.ClusterNamespace); len(problems) > 0 {
			all = append(all, field.Invalid(at.Child("decisions", "clusterNamespace"), d.ClusterNamespace, problems[0]))
		}
	}
	return all
}

// validateBudget finds bounds of moves that can't be meant.
func (p *Placement) validateBudget(b *field.Path) field.ErrorList {
	var all field.ErrorList
	for name, value := range map[string]float64{"perMinute": p.Budget.PerMinute, "perWorkspace": p.Budget.PerWorkspace, "perRegion": p.Budget.PerRegion, "burst": float64(p.Budget.Burst)} {
		if value < 0 {
			all = append(all, field.Invalid(b.Child(name), value, "must not be negative; 0 is no bound"))
		}
	}
	if p.Budget.MaxLostShare <= 0 {
		all = append(all, field.Invalid(b.Child("maxLostShare"), p.Budget.MaxLostShare, "must be above 0; 1 leaves only the case that all clusters seem lost"))
	}
	if p.Budget.MaxRegionLostShare <= 0 {
		all = append(all, field.Invalid(b.Child("maxRegionLostShare"), p.Budget.MaxRegionLostShare, "must be above 0; more than 1 leaves regions to the rates"))
	}
	return all
}

// validateBounds finds bounds of a layer that bound nothing.
func (l *Layer) validateBounds(at *field.Path) field.ErrorList {
	var all field.ErrorList
	if l.ReservePercent < 0 || l.ReservePercent > 99 {
		all = append(all, field.Invalid(at.Child("reservePercent"), l.ReservePercent, "must be from 0 to 99"))
	}
	if l.Quota == nil {
		return all
	}
	if l.Quota.Replicas < 0 {
		all = append(all, field.Invalid(at.Child("quota", "replicas"), l.Quota.Replicas, "must not be negative; 0 is no bound"))
	}
	for name, q := range l.Quota.Resources {
		if q.Sign() < 0 {
			all = append(all, field.Invalid(at.Child("quota", "resources").Key(string(name)), q.String(), "must not be negative; leave it out for no bound"))
		}
	}
	return all
}

func (t *Transform) validate(at *field.Path, installation string, known Known) field.ErrorList {
	var all field.ErrorList
	for i := range t.Steps {
		all = append(all, t.Steps[i].validate(at.Child("steps").Index(i), known)...)
	}
	if _, err := t.naming(); err != nil {
		all = append(all, field.Invalid(at.Child("keepNames"), t.KeepNames, err.Error()))
	}
	if _, err := t.objectOptions(); err != nil {
		all = append(all, field.Invalid(at, "", err.Error()))
	}
	if len(all) == 0 && installation != "" {
		if _, err := t.Pipeline(installation, known); err != nil {
			all = append(all, field.Invalid(at.Child("steps"), "", err.Error()))
		}
	}
	for i := range t.Status {
		if _, err := t.Status[i].options(); err != nil {
			all = append(all, field.Invalid(at.Child("status").Index(i), t.Status[i].Kind, err.Error()))
		}
	}
	return all
}

func (s *Sync) validate(at *field.Path) field.ErrorList {
	all := positive(at.Child("workers"), s.Workers)
	all = append(all, positive(at.Child("perCluster"), s.PerCluster)...)
	all = append(all, positive(at.Child("reportEvery"), s.ReportEvery.Duration)...)
	if s.ReleaseLostAfter != nil && s.ReleaseLostAfter.Duration < 0 {
		all = append(all, field.Invalid(at.Child("releaseLostAfter"), s.ReleaseLostAfter.Duration.String(), "must not be negative: leave it out to hold deletions until the cluster returns"))
	}
	if s.Deletion != nil {
		all = append(all, s.Deletion.validate(at.Child("deletion"))...)
	}
	if s.ProgressWithin != nil && s.ProgressWithin.Duration < 0 {
		all = append(all, field.Invalid(at.Child("progressWithin"), s.ProgressWithin.Duration.String(), "must not be negative; 0s never calls anything stalled"))
	}
	if s.Tombstones != nil && s.ReleaseLostAfter == nil {
		all = append(all, field.Required(at.Child("releaseLostAfter"), "say when deletions stop waiting for a lost cluster: without it no tombstone is ever made, except for clusters that are removed"))
	}
	return append(all, positive(at.Child("tidyAfter"), s.TidyAfter.Duration)...)
}

func oneOf(at *field.Path, value string, allowed ...string) field.ErrorList {
	if slices.Contains(allowed, value) {
		return nil
	}
	return field.ErrorList{field.NotSupported(at, value, allowed)}
}

func positive[T ~int | ~int64](at *field.Path, value T) field.ErrorList {
	if value > 0 {
		return nil
	}
	return field.ErrorList{field.Invalid(at, value, "must be above 0; leave it out for the default")}
}

func namesOfScorers(scorers []Scorer) []string {
	names := make([]string, 0, len(scorers))
	for _, s := range scorers {
		names = append(names, s.Name)
	}
	return names
}
