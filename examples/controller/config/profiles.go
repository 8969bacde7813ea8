package config

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/inventory"
)

// Profiles exchange the inventory as ClusterProfiles of sig-multicluster.
type Profiles struct {
	// Publish shows the fleet to others. Left out: it is not shown.
	Publish *PublishProfiles `json:"publish,omitempty"`
	// Read takes clusters from profiles that others wrote. Left out: none.
	Read *ReadProfiles `json:"read,omitempty"`
}

// PublishProfiles are written to the platform's workspace.
type PublishProfiles struct {
	// Namespace of the profiles.
	Namespace string `json:"namespace"`
	// Manager is the name that profiles of this installation bear. Default: tmc.
	Manager string `json:"manager,omitempty"`
}

// ReadProfiles are found in the platform's workspace.
type ReadProfiles struct {
	// Namespace of the profiles.
	Namespace string `json:"namespace"`
	// Providers are the ways to get credentials that the platform trusts, by the
	// names that profiles give them.
	Providers []ProfileProvider `json:"providers"`
}

// ProfileProvider is a program that gets credentials for a cluster.
type ProfileProvider struct {
	// Name of the access provider.
	Name string `json:"name"`
	// Command is the program, an exec plugin of client-go.
	Command string `json:"command"`
	// Args and Env of the program.
	Args []string `json:"args,omitempty"`
	Env  []EnvVar `json:"env,omitempty"`
}

// EnvVar is a variable of a program's environment.
type EnvVar struct {
	// Name and Value of the variable.
	Name  string `json:"name"`
	Value string `json:"value"`
}

func (p *Profiles) defaults() {
	if p != nil && p.Publish != nil {
		p.Publish.Manager = or(p.Publish.Manager, "tmc")
	}
}

func (p *Profiles) validate(at *field.Path) field.ErrorList {
	if p == nil {
		return nil
	}
	var all field.ErrorList
	if p.Publish != nil && p.Publish.Namespace == "" {
		all = append(all, field.Required(at.Child("publish", "namespace"), "name the namespace that profiles are written to"))
	}
	if p.Read == nil {
		return all
	}
	at = at.Child("read")
	if p.Read.Namespace == "" {
		all = append(all, field.Required(at.Child("namespace"), "name the namespace that profiles are read from"))
	}
	if len(p.Read.Providers) == 0 {
		all = append(all, field.Required(at.Child("providers"), "list at least one: a profile does not choose what is run"))
	}
	for i, provider := range p.Read.Providers {
		if provider.Name == "" || provider.Command == "" {
			all = append(all, field.Invalid(at.Child("providers").Index(i), provider.Name, "needs a name and a command"))
		}
	}
	return all
}

// Source returns the clusters of the profiles at a server.
func (r *ReadProfiles) Source(cfg *rest.Config) (tmccluster.Source, error) {
	ways := make([]inventory.Access, 0, len(r.Providers))
	for _, p := range r.Providers {
		program := clientcmdapi.ExecConfig{
			APIVersion: "client.authentication.k8s.io/v1", Command: p.Command, Args: p.Args, InteractiveMode: clientcmdapi.NeverExecInteractiveMode,
		}
		for _, v := range p.Env {
			program.Env = append(program.Env, clientcmdapi.ExecEnvVar{Name: v.Name, Value: v.Value})
		}
		ways = append(ways, inventory.Exec(p.Name, program))
	}
	source, err := inventory.FromProfiles(cfg, r.Namespace, ways...)
	if err != nil {
		return nil, fmt.Errorf("fleet.profiles.read: %w", err)
	}
	return source, nil
}
