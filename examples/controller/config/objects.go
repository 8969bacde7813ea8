package config

import (
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/transform"
	"github.com/tmc-sdk/tmc/transform/expression"
)

// Paths are fields of the objects of a kind.
type Paths struct {
	// GroupKind of the objects.
	GroupKind `json:",inline"`
	// Paths of the fields, as "spec.workers[*].template.spec".
	Paths []string `json:"paths"`
}

func (p *Paths) parse() ([]transform.Path, error) {
	if p.Kind == "" || len(p.Paths) == 0 {
		return nil, errors.New("it needs a kind and paths")
	}
	return parsePaths(p.Paths)
}

func parsePaths(texts []string) ([]transform.Path, error) {
	paths := make([]transform.Path, 0, len(texts))
	for _, text := range texts {
		path, err := transform.ParsePath(text)
		if err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// objectOptions returns what of the pipeline is about objects beside the steps.
func (t *Transform) objectOptions() ([]transform.Option, error) {
	var options []transform.Option
	if t.OwnerReferences {
		options = append(options, transform.WithOwnerReferences())
	}
	if len(t.NamespaceLabels) > 0 {
		options = append(options, transform.WithNamespaceLabels(t.NamespaceLabels))
	}
	for i := range t.Pods {
		paths, err := t.Pods[i].parse()
		if err != nil {
			return nil, fmt.Errorf("pods[%d]: %w", i, err)
		}
		options = append(options, transform.WithPodSpecs(t.Pods[i].schema(), paths...))
	}
	for i := range t.Returned {
		paths, err := t.Returned[i].parse()
		if err != nil {
			return nil, fmt.Errorf("returned[%d]: %w", i, err)
		}
		options = append(options, transform.WithReturned(t.Returned[i].schema(), paths...))
	}
	return options, nil
}

// StatusRule is about the status of one kind.
type StatusRule struct {
	// Group and Kind of the objects.
	Group string `json:"group,omitempty"`
	Kind  string `json:"kind"`
	// Aggregate is an expression in CEL that makes one status of many. It reads all
	// copies for each event of one.
	Aggregate string `json:"aggregate,omitempty"`
	// Fields say how the fields of many statuses become one, at a cost that does not
	// grow with the number of clusters. Not with aggregate.
	Fields *Fields `json:"fields,omitempty"`
	// Project is an expression in CEL of what one copy says, which fields then put
	// together. Left out: its status.
	Project string `json:"project,omitempty"`
	// Health is an expression in CEL of how a copy does. Left out: the rules of
	// kstatus.
	Health string `json:"health,omitempty"`
	// Drop are paths within status that tenants don't see.
	Drop []string `json:"drop,omitempty"`
}

func (r *StatusRule) options() ([]transform.StatusOption, error) {
	kind := schema.GroupKind{Group: r.Group, Kind: r.Kind}
	aggregator, err := r.aggregator()
	if err != nil {
		return nil, err
	}
	if r.Kind == "" || aggregator == nil && r.Health == "" && len(r.Drop) == 0 {
		return nil, errors.New("a rule needs a kind, and aggregate, fields, health or drop")
	}
	var options []transform.StatusOption
	if aggregator != nil {
		options = append(options, transform.Aggregate(kind, aggregator))
	}
	if r.Health != "" {
		health, err := expression.Health(r.Kind, r.Health)
		if err != nil {
			return nil, err
		}
		options = append(options, transform.HealthBy(kind, health))
	}
	paths, err := parsePaths(r.Drop)
	if err != nil {
		return nil, err
	}
	return append(options, transform.DropStatus(kind, paths...)), nil
}

// aggregator returns what makes one status of many; nil for that of the SDK.
func (r *StatusRule) aggregator() (transform.Aggregator, error) {
	if r.Aggregate != "" && r.Fields != nil || r.Project != "" && r.Fields == nil {
		return nil, errors.New("set aggregate, or fields with or without project")
	}
	switch {
	case r.Aggregate != "":
		return expression.Aggregate(r.Kind, r.Aggregate)
	case r.Fields == nil:
		return nil, nil
	}
	fields := r.Fields.fields(r.Kind)
	if r.Project != "" {
		return expression.Project(r.Kind, r.Project, fields)
	}
	return fields, fields.Validate()
}

// Fields of a status, as dotted paths, by how those of many copies become one. What
// no list names is left out where there are several clusters.
type Fields struct {
	// Sum adds integers; of Due, copies without a status count as what they are to
	// have.
	Sum []string `json:"sum,omitempty"`
	Due []string `json:"due,omitempty"`
	// Min and Max of numbers, quantities or times.
	Min []string `json:"min,omitempty"`
	Max []string `json:"max,omitempty"`
	// Any is true if one is, All if all are.
	Any []string `json:"any,omitempty"`
	All []string `json:"all,omitempty"`
	// Agree is what all copies have, if it is the same.
	Agree []string `json:"agree,omitempty"`
	// Worst is the first of some values that a copy has.
	Worst []Ranking `json:"worst,omitempty"`
	// Merge joins lists by keys.
	Merge []Keyed `json:"merge,omitempty"`
	// Each puts lists together item by item.
	Each []Each `json:"each,omitempty"`
	// Together are fields and types of conditions that are told only when every copy
	// has them.
	Together []string `json:"together,omitempty"`
	// BadWhenTrue are types of conditions that say something bad when they are True.
	BadWhenTrue []string `json:"badWhenTrue,omitempty"`
}

// Ranking is a field with its values from the worst to the best.
type Ranking struct {
	Field  string   `json:"field"`
	Values []string `json:"values"`
	// Missing is what a copy without the field counts as. Left out: it does not
	// count.
	Missing string `json:"missing,omitempty"`
}

// Keyed is a list whose items are the same if they have the same keys.
type Keyed struct {
	Field string   `json:"field"`
	Keys  []string `json:"keys"`
}

// Each is a list whose items with the same key become one.
type Each struct {
	Field string   `json:"field"`
	Key   string   `json:"key"`
	Sum   []string `json:"sum,omitempty"`
	Agree []string `json:"agree,omitempty"`
	// BadWhenTrue are as those of a status.
	BadWhenTrue []string `json:"badWhenTrue,omitempty"`
}

func (f *Fields) fields(kind string) transform.Fields {
	out := transform.Fields{
		Kind: kind, Sum: f.Sum, Due: f.Due, Min: f.Min, Max: f.Max, Any: f.Any, All: f.All, Agree: f.Agree,
		Together: f.Together, BadWhenTrue: f.BadWhenTrue,
	}
	for _, r := range f.Worst {
		out.Worst = append(out.Worst, transform.Ranking{Field: r.Field, Values: r.Values, Missing: r.Missing})
	}
	for _, k := range f.Merge {
		out.Merge = append(out.Merge, transform.Keyed{Field: k.Field, Keys: k.Keys})
	}
	for _, e := range f.Each {
		out.Each = append(out.Each, transform.Each(e))
	}
	return out
}

// Decisions exchange decisions with other tools as PlacementDecisions of
// sig-multicluster.
type Decisions struct {
	// ProfileNamespace is where the ClusterProfiles of the clusters are. Left out:
	// in the namespace of the Placement.
	ProfileNamespace string `json:"profileNamespace,omitempty"`
	// ClusterNamespace is where, in each workspace, the decisions for its
	// ClusterPlacements are. Tenants who may write there decide for cluster-scoped
	// objects that name their scheduler. Left out: those are not exchanged.
	ClusterNamespace string `json:"clusterNamespace,omitempty"`
	// FollowOnly publishes none of ours, and follows those of others.
	FollowOnly bool `json:"followOnly,omitempty"`
}

// Removal keeps PhysicalClusters that are deleted until work has left them.
type Removal struct {
	// LostAfter is how long a cluster that does not answer keeps its object.
	// Default: 1h; less than zero: for ever.
	LostAfter metav1.Duration `json:"lostAfter,omitzero"`
	// Settle is how long a cluster is kept at least, though no work was found.
	// Default: 15s.
	Settle metav1.Duration `json:"settle,omitzero"`
}

func (r *Removal) defaults() {
	if r != nil {
		r.LostAfter, r.Settle = or(r.LostAfter, seconds(3600)), or(r.Settle, seconds(15))
	}
}
