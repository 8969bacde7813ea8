package config

import (
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/tmc-sdk/tmc/cluster/workspaces"
	"github.com/tmc-sdk/tmc/transform"
)

// Follow has whatever the export exports placed and synced, beside resources, and
// follows it while it changes. Rights on clusters are made of the kinds that this
// file lists: what comes beside them, their administrators have to allow.
type Follow struct {
	// Exclude are kinds that the export has and that stay in workspaces.
	Exclude []GroupKind `json:"exclude,omitempty"`
	// Versions of kinds. Left out: of those that the export serves the first, by
	// the order of Kubernetes.
	Versions []Resource `json:"versions,omitempty"`
}

// Kinds returns what the export exports. It is to be added to the manager.
func (f *Follow) Kinds(platform *rest.Config, export string) (*workspaces.ExportedKinds, error) {
	options := workspaces.ExportedOptions{Versions: map[schema.GroupKind]string{}}
	for _, k := range f.Exclude {
		options.Exclude = append(options.Exclude, k.schema())
	}
	for _, r := range f.Versions {
		options.Versions[r.GVK().GroupKind()] = r.Version
	}
	return workspaces.NewExportedKinds(platform, export, options)
}

// KindMapping says what objects of a kind are on clusters: of another kind, in
// another version, or both. Fields stay as they are.
type KindMapping struct {
	// GroupKind in workspaces.
	GroupKind `json:",inline"`
	// To is the kind on clusters. Left out: the same.
	To *GroupKind `json:"to,omitempty"`
	// Versions on clusters: the first that a cluster serves is taken there. Left
	// out: that of workspaces.
	Versions []string `json:"versions,omitempty"`
}

func (m KindMapping) mapping() transform.KindMapping {
	out := transform.KindMapping{From: m.schema(), Versions: m.Versions}
	if m.To != nil {
		out.To = m.To.schema()
	}
	return out
}

// KindsOn returns what listed kinds are on clusters.
func (c *Configuration) KindsOn(p *transform.Pipeline) []schema.GroupVersionKind {
	var out []schema.GroupVersionKind
	for _, kind := range append(GVKs(c.Resources), GVKs(c.Related)...) {
		out = append(out, p.KindsOn(kind)...)
	}
	return out
}
