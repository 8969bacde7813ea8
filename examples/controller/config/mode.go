package config

import (
	"reflect"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/tmc-sdk/tmc/cluster/mailbox"
)

// Modes of the program; docs/pull.md says how they play together.
const (
	// ModePush reaches into physical clusters. The default.
	ModePush = "Push"
	// ModeHub is ModePush, and keeps a mailbox for every PhysicalCluster that is
	// registered in pull mode.
	ModeHub = "Hub"
	// ModeAgent runs in a physical cluster, and fetches its work from its mailbox.
	ModeAgent = "Agent"
)

// Agent is what the program needs to know in mode Agent.
type Agent struct {
	// Connection to the cluster that the agent serves. Empty: the one that its pod
	// runs in.
	Connection `json:",inline"`
	// Bootstrap is the file with the bootstrap token, which is a kubeconfig. It is
	// read while the agent has not joined, and may be gone after that.
	Bootstrap string `json:"bootstrap,omitempty"`
	// Namespace on the cluster with all that is the agent's: its lease, and Secret,
	// in which it keeps the credentials for its mailbox.
	Namespace string `json:"namespace,omitempty"`
	Secret    string `json:"secret,omitempty"`
	// Silence is how long the hub waits for a sign of life: 1s to 5m. The agent
	// gives three in this time, each of which is a write to kcp.
	Silence metav1.Duration `json:"silence,omitzero"`
}

func (a *Agent) defaults() {
	a.Bootstrap = or(a.Bootstrap, "/etc/tmc/bootstrap/kubeconfig")
	a.Namespace = or(a.Namespace, "tmc-agent")
	a.Secret = or(a.Secret, "mailbox")
	a.Silence = or(a.Silence, seconds(60))
}

// defaultAgent fills in what counts in mode Agent, and nothing else.
func (c *Configuration) defaultAgent() {
	c.Agent = or(c.Agent, &Agent{})
	c.Agent.defaults()
	c.LeaderElection.Namespace = or(c.LeaderElection.Namespace, c.Agent.Namespace)
	c.LeaderElection.Name = or(c.LeaderElection.Name, "tmc-agent")
	// What one cluster holds is nobody's fleet.
	c.Serving.FleetPage = or(c.Serving.FleetPage, new(false))
}

// validateMode finds what the mode has no use for: somebody believes that it does
// something.
func (c *Configuration) validateMode() field.ErrorList {
	all := oneOf(field.NewPath("mode"), c.Mode, ModePush, ModeHub, ModeAgent)
	if c.Mode != ModeAgent {
		if c.Agent != nil {
			all = append(all, field.Forbidden(field.NewPath("agent"), "it says how an agent works: set mode: Agent, or leave it out"))
		}
		return all
	}
	t := c.Transform
	t.Steps, t.Replicas, t.Kinds, t.OwnerReferences, t.Pods, t.NamespaceLabels = nil, nil, nil, false, nil, nil
	s := c.Sync
	s.Workers, s.PerCluster, s.ReportEvery, s.TidyAfter, s.ProgressWithin, s.ObserveOnly = 0, 0, metav1.Duration{}, metav1.Duration{}, nil, false
	s.Strategies, s.Gates, s.NamespaceObjects, s.Conditions = nil, nil, nil, nil
	f := c.Fleet
	f.Probe, f.Grace = Probe{}, metav1.Duration{}
	for name, section := range map[string]any{
		"platform": c.Platform, "export": c.Export, "placement": c.Placement, "fleet": f, "transform": t, "sync": s,
	} {
		if !reflect.ValueOf(section).IsZero() {
			all = append(all, field.Forbidden(field.NewPath(name), "the hub sees to it: leave "+hubsOwn[name]+" out with mode: Agent"))
		}
	}
	if len(c.Transform.Kinds) > 0 {
		all = append(all, field.Forbidden(field.NewPath("transform", "kinds"), "kinds in the mailbox are those of the cluster: let the hub map them"))
	}
	if c.Sharding != nil {
		all = append(all, field.Forbidden(field.NewPath("sharding"), "an agent has one mailbox, which can't be shared out: leave it out with mode: Agent"))
	}
	if c.Notify != nil {
		all = append(all, field.Forbidden(field.NewPath("notify"), "the hub tells of decisions and health: leave it out with mode: Agent"))
	}
	return append(all, c.Agent.validate(field.NewPath("agent"))...)
}

// hubsOwn are the fields of a section that mean nothing to an agent.
var hubsOwn = map[string]string{
	"platform": "it", "export": "it", "placement": "it", "fleet": "all but probe",
	"transform": "all but steps, replicas, pods, ownerReferences and namespaceLabels",
	"sync":      "deletion, tombstones, releaseLostAfter, collectGone, mentions and upsync",
}

func (a *Agent) validate(at *field.Path) field.ErrorList {
	var all field.ErrorList
	for name, value := range map[string]string{"namespace": a.Namespace, "secret": a.Secret} {
		if problems := validation.IsDNS1123Subdomain(value); len(problems) > 0 {
			all = append(all, field.Invalid(at.Child(name), value, problems[0]))
		}
	}
	if s := a.Silence.Duration; s < mailbox.MinDuration || s > mailbox.MaxDuration {
		all = append(all, field.Invalid(at.Child("silence"), s.String(), "must be between "+mailbox.MinDuration.String()+" and "+mailbox.MaxDuration.String()))
	}
	return all
}
