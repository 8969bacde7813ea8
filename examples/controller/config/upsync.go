package config

import (
	"k8s.io/apimachinery/pkg/util/validation/field"

	syncer "github.com/tmc-sdk/tmc/sync"
)

// Upsync is a kind of which objects that were born on clusters are shown in
// workspaces. The export has to have it, or a claim to write it.
type Upsync struct {
	// Resource in the version that clusters and workspaces serve.
	Resource `json:",inline"`
	// Belonging shows what belongs to copies: their Pods, what Events tell of them,
	// their Endpoints and PersistentVolumeClaims. Left out: what bears the label
	// tmc-sdk.dev/upsync with the installation's name.
	Belonging bool `json:"belonging,omitempty"`
	// Most is how many of what belongs to copies one namespace shows. Default: 500,
	// of Events 100.
	Most int `json:"most,omitempty"`
	// ClusterInName has what belongs to copies shown as NAME.CLUSTER. Default: true
	// of Endpoints and PersistentVolumeClaims.
	ClusterInName *bool `json:"clusterInName,omitempty"`
}

func (u Upsync) validate(at *field.Path) field.ErrorList {
	var all field.ErrorList
	if u.Most < 0 {
		all = append(all, field.Invalid(at.Child("most"), u.Most, "must be at least 1"))
	}
	if !u.Belonging && (u.Most != 0 || u.ClusterInName != nil) {
		all = append(all, field.Required(at.Child("belonging"), "set it to true, or leave most and clusterInName out: they are of what belongs to copies"))
	}
	return all
}

// UpsyncOptions say what is shown in workspaces of what was born on clusters.
func (s *Sync) UpsyncOptions() []syncer.Option {
	var options []syncer.Option
	for _, u := range s.Upsync {
		if !u.Belonging {
			options = append(options, syncer.Upsync(u.GVK()))
			continue
		}
		var how []syncer.UpsyncOption
		if u.Most > 0 {
			how = append(how, syncer.UpsyncMost(u.Most))
		}
		if u.ClusterInName != nil {
			how = append(how, syncer.UpsyncClusterInName(*u.ClusterInName))
		}
		options = append(options, syncer.UpsyncOf(u.GVK(), how...))
	}
	return options
}
