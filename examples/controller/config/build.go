package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/tmc-sdk/tmc/placement"
	syncer "github.com/tmc-sdk/tmc/sync"
	"github.com/tmc-sdk/tmc/sync/recovery"
	"github.com/tmc-sdk/tmc/transform"
	"github.com/tmc-sdk/tmc/transform/expression"
)

// Known is what a controller was built with beside what the SDK has, to be used
// by name. The zero value adds nothing.
type Known struct {
	// Transformers by the name that a step uses.
	Transformers map[string]Factory
	// Scorers by name.
	Scorers map[string]placement.Scorer
	// Gates by name.
	Gates map[string]syncer.Gate
	// Filters always apply: what a platform demands is no matter of names.
	Filters []placement.Filter
}

// GVK of a resource.
func (r Resource) GVK() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: r.Group, Version: r.Version, Kind: r.Kind}
}

// GVKs of a list of resources.
func GVKs(resources []Resource) []schema.GroupVersionKind {
	out := make([]schema.GroupVersionKind, 0, len(resources))
	for _, r := range resources {
		out = append(out, r.GVK())
	}
	return out
}

// Engine returns the engine that places.
func (p *Placement) Engine(known Known) (*placement.Engine, error) {
	options := []placement.Option{placement.WithCapacityReserve(p.ReservePercent)}
	for _, name := range p.WithoutFilters {
		options = append(options, placement.WithoutFilter(name))
	}
	for _, e := range p.External {
		if e.Weight != 0 {
			options = append(options, placement.WithExternalScores(e.Name, e.Weight))
		}
	}
	for _, f := range known.Filters {
		options = append(options, placement.WithFilter(f))
	}
	for _, s := range p.Scorers {
		scorer, err := s.scorer(known)
		if err != nil {
			return nil, err
		}
		options = append(options, placement.WithScorer(scorer, s.Weight))
	}
	return placement.NewEngine(options...)
}

func (s Scorer) scorer(known Known) (placement.Scorer, error) {
	all := map[string]placement.Scorer{}
	for _, scorer := range []placement.Scorer{
		placement.FreeCapacity{},
		placement.Preferred{},
		placement.Taints{},
		placement.PreferredAffinity{},
		placement.MostAllocated{},
		placement.Balance{},
		placement.TopologySpread{},
		placement.Stability{},
	} {
		all[scorer.Name()] = scorer
	}
	maps.Copy(all, known.Scorers)
	scorer, ok := all[s.Name]
	switch {
	case s.Property != "" && ok:
		return nil, fmt.Errorf("scorer %q has that name already: give the one of property %q another", s.Name, s.Property)
	case s.Property != "":
		return newPropertyScorer(s)
	case !ok:
		return nil, fmt.Errorf("there is no scorer %q: there are %v; or score by a property", s.Name, namesOf(all))
	}
	return scorer, nil
}

// Pipeline returns the pipeline of the steps.
func (t *Transform) Pipeline(installation string, known Known) (*transform.Pipeline, error) {
	options, err := t.Options(known)
	if err != nil {
		return nil, err
	}
	naming, err := t.naming()
	if err != nil {
		return nil, fmt.Errorf("keepNames: %w", err)
	}
	return transform.NewPipeline(installation, append(options, transform.WithNaming(naming))...)
}

// Options returns the steps as options of a pipeline.
func (t *Transform) Options(known Known) ([]transform.Option, error) {
	var options []transform.Option
	for i := range t.Steps {
		step, err := t.Steps[i].transformer(known)
		if err != nil {
			return nil, fmt.Errorf("steps[%d]: %w", i, err)
		}
		options = append(options, transform.With(step))
	}
	objects, err := t.objectOptions()
	if err != nil {
		return nil, err
	}
	options = append(options, objects...)
	for _, r := range t.Replicas {
		options = append(options, transform.WithReplicas(schema.GroupKind{Group: r.Group, Kind: r.Kind}, r.Path...))
	}
	for _, m := range t.Kinds {
		options = append(options, transform.WithKindMappings(m.mapping()))
	}
	return options, nil
}

// naming returns where copies stand.
func (t *Transform) naming() (transform.Naming, error) {
	if t.KeepNames == "" {
		return transform.HashedNaming{}, nil
	}
	data, err := os.ReadFile(t.KeepNames)
	if err != nil {
		return nil, err
	}
	var renamed recovery.Renamed
	if err := json.Unmarshal(data, &renamed); err != nil {
		return nil, fmt.Errorf("it is no file of renamed workspaces: %w", err)
	}
	return recovery.KeepNames(transform.HashedNaming{}, renamed)
}

// StatusRules returns how many statuses become one.
func (t *Transform) StatusRules() (*transform.StatusRules, error) {
	var options []transform.StatusOption
	for i := range t.Status {
		more, err := t.Status[i].options()
		if err != nil {
			return nil, fmt.Errorf("status[%d]: %w", i, err)
		}
		options = append(options, more...)
	}
	return transform.NewStatusRules(options...), nil
}

func (s *Step) validate(at *field.Path, known Known) field.ErrorList {
	var all field.ErrorList
	if (s.Use == "") == (s.Expression == nil) {
		return field.ErrorList{field.Invalid(at, s.Name, "set one of use (a transformer by name) and expression")}
	}
	if s.Use != "" {
		if _, err := s.factory(known); err != nil {
			return field.ErrorList{field.NotSupported(at.Child("use"), s.Use, namesOf(transformers(known)))}
		}
	}
	if _, err := s.bare(known); err != nil {
		child := at.Child("with")
		if s.Expression != nil {
			child = at.Child("expression")
		}
		all = append(all, field.Invalid(child, "", err.Error()))
	}
	for i := range s.For {
		if _, err := s.For[i].rule(); err != nil {
			all = append(all, field.Invalid(at.Child("for").Index(i), "", err.Error()))
		}
	}
	return all
}

func transformers(known Known) map[string]Factory {
	all := Builtins()
	maps.Copy(all, known.Transformers)
	return all
}

func (s *Step) factory(known Known) (Factory, error) {
	if f, ok := transformers(known)[s.Use]; ok {
		return f, nil
	}
	return nil, fmt.Errorf("there is no transformer %q", s.Use)
}

// bare returns the transformer for all objects.
func (s *Step) bare(known Known) (transform.Transformer, error) {
	if s.Expression != nil {
		return s.Expression.transformer(s.Name)
	}
	f, err := s.factory(known)
	if err != nil {
		return nil, err
	}
	return f(s.With)
}

func (s *Step) transformer(known Known) (transform.Transformer, error) {
	step, err := s.bare(known)
	if err != nil {
		return nil, err
	}
	if s.Name != "" && s.Expression == nil {
		step = transform.Named(s.Name, step)
	}
	rules := make([]transform.Rule, 0, len(s.For))
	for i := range s.For {
		rule, err := s.For[i].rule()
		if err != nil {
			return nil, fmt.Errorf("for[%d]: %w", i, err)
		}
		rules = append(rules, rule)
	}
	if len(rules) == 0 {
		return step, nil
	}
	return transform.Match(step, rules...), nil
}

func (e *Expression) transformer(name string) (transform.Transformer, error) {
	if (e.Merge == "") == (e.Patch == "") {
		return nil, errors.New("set one of merge and patch")
	}
	if name == "" {
		return nil, errors.New("give the step a name: an expression has none of its own")
	}
	var options []expression.Option
	if e.When != "" {
		options = append(options, expression.When(e.When))
	}
	if e.Limit != 0 {
		options = append(options, expression.Limit(e.Limit))
	}
	if e.Merge != "" {
		return expression.Merge(name, e.Merge, options...)
	}
	return expression.Patch(name, e.Patch, options...)
}

func (m *Match) rule() (transform.Rule, error) {
	rule := transform.Rule{LogicalClusters: m.LogicalClusters, Clusters: m.Clusters}
	for _, k := range m.Kinds {
		rule.Kinds = append(rule.Kinds, k.schema())
	}
	var err error
	if rule.Objects, err = selector(m.Objects); err != nil {
		return rule, fmt.Errorf("objects: %w", err)
	}
	if rule.Targets, err = selector(m.Targets); err != nil {
		return rule, fmt.Errorf("targets: %w", err)
	}
	return rule, nil
}

func selector(s *metav1.LabelSelector) (labels.Selector, error) {
	if s == nil {
		return nil, nil
	}
	return metav1.LabelSelectorAsSelector(s)
}
