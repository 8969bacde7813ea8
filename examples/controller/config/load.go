package config

import (
	"errors"
	"fmt"
	"os"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// Load reads a configuration file, fills in what is left out and validates it.
// Overrides come before that, as those of flags.
func Load(path string, known Known, override func(*Configuration)) (*Configuration, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	c, err := Decode(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if override != nil {
		override(c)
	}
	c.Default()
	if err := c.Validate(known); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// Decode decodes a configuration strictly: a field that is unknown, or that
// stands twice, is an error.
func Decode(data []byte) (*Configuration, error) {
	// What it is comes first: fields of another version would only confuse.
	var is metav1.TypeMeta
	if err := yaml.Unmarshal(data, &is); err != nil {
		return nil, fmt.Errorf("decode configuration: %w", err)
	}
	if is.APIVersion != APIVersion || is.Kind != Kind {
		return nil, fmt.Errorf("decode configuration: it is apiVersion %q, kind %q; this controller reads apiVersion %q, kind %q", is.APIVersion, is.Kind, APIVersion, Kind)
	}
	asJSON, err := yaml.YAMLToJSONStrict(data)
	if err != nil {
		return nil, fmt.Errorf("decode configuration: %w", err)
	}
	c := &Configuration{}
	strict, err := json.UnmarshalStrict(asJSON, c)
	if err := errors.Join(append(strict, err)...); err != nil {
		return nil, fmt.Errorf("decode configuration: %w", err)
	}
	return c, nil
}

// Encode prints a configuration as a file that Load reads.
func (c *Configuration) Encode() ([]byte, error) { return yaml.Marshal(c) }

// Default fills in what is left out.
func (c *Configuration) Default() {
	c.Mode = or(c.Mode, ModePush)
	if c.Mode == ModeAgent {
		c.defaultAgent()
	} else {
		c.defaultController()
	}
	c.LeaderElection.defaults(c.Installation)
	c.Serving.Health = or(c.Serving.Health, ":8081")
	c.Serving.Address = or(c.Serving.Address, ":8443")
	c.Serving.Authorization = or(c.Serving.Authorization, AuthorizationKubernetes)
	c.Serving.FleetPage = or(c.Serving.FleetPage, new(true))
	c.Logging.Level = or(c.Logging.Level, "info")
	c.Logging.Format = or(c.Logging.Format, "json")
	c.Shutdown.Grace = or(c.Shutdown.Grace, seconds(20))
	c.Fleet.Probe.defaults()
	if c.Sharding != nil {
		c.Sharding.defaults()
	}
	if c.Audit != nil {
		c.Audit.defaults()
	}
	if c.Notify != nil {
		c.Notify.Source = or(c.Notify.Source, "/tmc/"+c.Installation)
	}
	if c.Tracing != nil {
		c.Tracing.defaults()
	}
	c.Sync.Workers = or(c.Sync.Workers, 8)
	c.Sync.PerCluster = or(c.Sync.PerCluster, 8)
	c.Sync.ReportEvery = or(c.Sync.ReportEvery, metav1.Duration{Duration: 250 * time.Millisecond})
	c.Sync.TidyAfter = or(c.Sync.TidyAfter, seconds(5))
	c.Sync.ProgressWithin = or(c.Sync.ProgressWithin, new(seconds(600)))
}

// defaultController fills in what means nothing to an agent.
func (c *Configuration) defaultController() {
	c.Export.Name = or(c.Export.Name, "tmc")
	c.Export.Publish = or(c.Export.Publish, new(true))
	c.Fleet.Objects = or(c.Fleet.Objects, new(true))
	c.Fleet.Grace = or(c.Fleet.Grace, seconds(300))
	c.Fleet.Profiles.defaults()
	c.Placement.Workers = or(c.Placement.Workers, 4)
	c.Placement.Settling = or(c.Placement.Settling, seconds(5))
	c.Placement.Budget.MaxLostShare = or(c.Placement.Budget.MaxLostShare, 0.55)
	c.Placement.Budget.MaxRegionLostShare = or(c.Placement.Budget.MaxRegionLostShare, 0.55)
	c.Placement.Budget.RegionHold = or(c.Placement.Budget.RegionHold, seconds(600))
	c.Placement.Reservations = or(c.Placement.Reservations, new(seconds(120)))
	for i := range c.Placement.External {
		e := &c.Placement.External[i]
		e.Every, e.MaxAge = or(e.Every, seconds(30)), or(e.MaxAge, seconds(300))
	}
	c.Sync.Deletion = or(c.Sync.Deletion, &Deletion{})
	c.Sync.Deletion.defaults()
	c.LeaderElection.defaults(c.Installation) // where tombstones go
	c.Sync.CollectGone.defaults()
	c.Fleet.Removal.defaults()
	if c.Sync.Tombstones != nil {
		c.Sync.Tombstones.defaults(&c.LeaderElection)
	}
}

func (l *LeaderElection) defaults(installation string) {
	l.Enabled = or(l.Enabled, new(true))
	l.Namespace = or(l.Namespace, "default")
	l.Name = or(l.Name, "tmc-"+installation)
	// The figures of kube-controller-manager, which survive an API server that
	// is slow for ten seconds.
	l.LeaseDuration = or(l.LeaseDuration, seconds(15))
	l.RenewDeadline = or(l.RenewDeadline, seconds(10))
	l.RetryPeriod = or(l.RetryPeriod, seconds(2))
}

func (p *Probe) defaults() {
	p.Interval = or(p.Interval, seconds(10))
	p.Timeout = or(p.Timeout, seconds(5))
	p.FailureThreshold = or(p.FailureThreshold, 3)
	p.SuccessThreshold = or(p.SuccessThreshold, 2)
}

func or[T comparable](value, instead T) T {
	var zero T
	if value == zero {
		return instead
	}
	return value
}

func seconds(n int) metav1.Duration {
	return metav1.Duration{Duration: time.Duration(n) * time.Second}
}
