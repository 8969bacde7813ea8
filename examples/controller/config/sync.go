package config

import (
	"errors"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/cluster/workspaces"
	syncer "github.com/tmc-sdk/tmc/sync"
	"github.com/tmc-sdk/tmc/transform"
)

// Strategy is how copies of some kinds are kept.
type Strategy struct {
	// Strategy: CreateOnly, ObserveOnly or Recreate, which deletes a copy and makes
	// it anew where an immutable field changed. Kinds that nobody lists: Apply.
	Strategy syncer.Strategy `json:"strategy"`
	// Kinds that are kept so.
	Kinds []GroupKind `json:"kinds"`
}

// Mention says where objects of a kind, such as of a CRD, name an object that they
// need and that is of a related kind.
type Mention struct {
	// GroupKind of the objects that name another.
	GroupKind `json:",inline"`
	// Names is the kind that is named, as "Secret", or with its group as
	// "BackupPolicy.db.example".
	Names string `json:"names"`
	// Path of the name, as "spec.users[*].passwordSecret.name".
	Path string `json:"path"`
}

// CollectGone has the copies of workspaces go that were deleted while nobody was
// there to see it.
type CollectGone struct {
	// After is how long their deletion must have been proven.
	After metav1.Duration `json:"after,omitzero"`
	// Control is the name, not the path, of a logical cluster that is as old as this
	// kcp, as that of the platform's workspace.
	Control string `json:"control"`
	// Shards are all shards of kcp, asked directly, as somebody in the group
	// system:kcp:logical-cluster-admin: the front proxy proves nothing.
	Shards []Connection `json:"shards"`
}

func (g *CollectGone) defaults() {
	if g != nil {
		g.After = or(g.After, metav1.Duration{Duration: 30 * time.Minute})
	}
}

func (g *CollectGone) validate(at *field.Path) field.ErrorList {
	if g == nil {
		return nil
	}
	all := positive(at.Child("after"), g.After.Duration)
	if g.Control == "" {
		all = append(all, field.Required(at.Child("control"), "name a logical cluster that is there as long as this kcp is, as that of the platform's workspace: without it an empty kcp would prove everything"))
	}
	if len(g.Shards) == 0 {
		all = append(all, field.Required(at.Child("shards"), "list a connection to each shard of kcp, as [{kubeconfig: shard.kubeconfig}]"))
	}
	return all
}

// Register returns what proves that workspaces are gone. Connect makes the
// configuration of a connection.
func (g *CollectGone) Register(connect func(Connection) (*rest.Config, error)) (*workspaces.Register, error) {
	shards := make([]*rest.Config, 0, len(g.Shards))
	for i, s := range g.Shards {
		cfg, err := connect(s)
		if err != nil {
			return nil, fmt.Errorf("shards[%d]: %w", i, err)
		}
		shards = append(shards, cfg)
	}
	return workspaces.NewRegister(multicluster.ClusterName(g.Control), shards...)
}

// LoopOptions returns what of the section is the same for the loop of every mode.
func (s *Sync) LoopOptions(known Known) ([]syncer.Option, error) {
	var options []syncer.Option
	for _, strategy := range s.Strategies {
		options = append(options, syncer.WithStrategy(strategy.Strategy, groupKinds(strategy.Kinds)...))
	}
	if len(s.Conditions) > 0 {
		options = append(options, syncer.WithConditions(groupKinds(s.Conditions)...))
	}
	for i, name := range s.Gates {
		gate, ok := known.Gates[name]
		if !ok {
			return nil, fmt.Errorf("gates[%d]: there is no gate %q: this controller was built with %q", i, name, namesOf(known.Gates))
		}
		options = append(options, syncer.WithGate(gate))
	}
	objects, err := s.namespaceObjects()
	if err != nil {
		return nil, err
	}
	if len(objects) > 0 {
		options = append(options, syncer.WithNamespaceObjects(func(transform.Origin) []client.Object {
			out := make([]client.Object, 0, len(objects))
			for _, obj := range objects {
				out = append(out, obj.DeepCopy())
			}
			return out
		}))
	}
	return options, nil
}

// MentionOptions returns what mentions what.
func (s *Sync) MentionOptions() ([]syncer.Option, error) {
	options := make([]syncer.Option, 0, len(s.Mentions))
	for i, m := range s.Mentions {
		path, err := transform.ParsePath(m.Path)
		if err != nil {
			return nil, fmt.Errorf("mentions[%d].path: %w", i, err)
		}
		options = append(options, syncer.Mention(m.schema(), m.Names, path))
	}
	return options, nil
}

// namespaceObjects reads the objects that go into every namespace.
func (s *Sync) namespaceObjects() ([]*unstructured.Unstructured, error) {
	objects := make([]*unstructured.Unstructured, 0, len(s.NamespaceObjects))
	for i, raw := range s.NamespaceObjects {
		obj := &unstructured.Unstructured{}
		if err := obj.UnmarshalJSON(raw); err != nil {
			return nil, fmt.Errorf("namespaceObjects[%d]: %w", i, err)
		}
		switch {
		case obj.GetAPIVersion() == "" || obj.GetName() == "":
			return nil, fmt.Errorf("namespaceObjects[%d]: it needs apiVersion, kind and metadata.name", i)
		case obj.GetNamespace() != "":
			return nil, fmt.Errorf("namespaceObjects[%d]: leave metadata.namespace out: it goes into all", i)
		}
		objects = append(objects, obj)
	}
	return objects, nil
}

// validateMore checks what is told by what it would make.
func (s *Sync) validateMore(at *field.Path, known Known, related []Resource) field.ErrorList {
	all := s.CollectGone.validate(at.Child("collectGone"))
	allowed := []string{string(syncer.StrategyCreateOnly), string(syncer.StrategyObserveOnly), string(syncer.StrategyRecreate)}
	seen := map[GroupKind]bool{}
	for i, strategy := range s.Strategies {
		at := at.Child("strategies").Index(i)
		all = append(all, oneOf(at.Child("strategy"), string(strategy.Strategy), allowed...)...)
		if len(strategy.Kinds) == 0 {
			all = append(all, field.Required(at.Child("kinds"), "list the kinds that are kept so, as [{group: batch, kind: Job}]"))
		}
		for j, kind := range strategy.Kinds {
			if seen[kind] {
				all = append(all, field.Duplicate(at.Child("kinds").Index(j), kind.schema().String()))
			}
			seen[kind] = true
		}
	}
	for i, m := range s.Mentions {
		at := at.Child("mentions").Index(i)
		if m.Kind == "" || m.Path == "" {
			all = append(all, field.Required(at, "say which kind names what, and where: kind, names and path"))
		}
		if !slices.ContainsFunc(related, func(r Resource) bool { return (schema.GroupKind{Group: r.Group, Kind: r.Kind}).String() == m.Names }) {
			all = append(all, field.Invalid(at.Child("names"), m.Names, "must be the kind of one of related: others follow nobody"))
		}
	}
	_, err := s.LoopOptions(known)
	if _, more := s.MentionOptions(); err != nil || more != nil {
		all = append(all, field.Invalid(at, "", errors.Join(err, more).Error()))
	}
	return all
}

// furniture are the kinds of the objects that go into every namespace.
func (s *Sync) furniture() []schema.GroupVersionKind {
	objects, err := s.namespaceObjects()
	if err != nil {
		return nil // Validate refused it
	}
	kinds := make([]schema.GroupVersionKind, 0, len(objects))
	for _, obj := range objects {
		kinds = append(kinds, obj.GroupVersionKind())
	}
	return kinds
}

func groupKinds(kinds []GroupKind) []schema.GroupKind {
	out := make([]schema.GroupKind, 0, len(kinds))
	for _, k := range kinds {
		out = append(out, k.schema())
	}
	return out
}
