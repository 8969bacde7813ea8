package transform

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Pipeline renders what goes to a cluster. It is safe for concurrent use.
type Pipeline struct {
	installation string
	naming       Naming
	replicas     map[schema.GroupKind][]string
	pods         map[schema.GroupKind][]Path
	returned     map[schema.GroupKind][]Path
	transformers []Transformer
	mappings     []KindMapping
	namespace    map[string]string // labels of every namespace
	owners       bool              // owner references are mapped
}

// Option configures a Pipeline.
type Option func(*Pipeline)

// With appends transformers; they run in the order given.
func With(transformers ...Transformer) Option {
	return func(p *Pipeline) { p.transformers = append(p.transformers, transformers...) }
}

// WithNaming replaces the default HashedNaming. Changing the naming of an
// installation that has copies leaves those behind.
func WithNaming(n Naming) Option {
	return func(p *Pipeline) { p.naming = n }
}

// WithNamespaceLabels puts labels on every namespace that holds copies, such as
// the level of Pod Security Admission. Those of tmc-sdk.dev and kcp.io are
// refused.
func WithNamespaceLabels(labels map[string]string) Option {
	return func(p *Pipeline) { p.namespace = labels }
}

// NewPipeline returns a pipeline. The installation id is part of the marks of
// every copy: a DNS label, unique among all that write to the same clusters.
func NewPipeline(installation string, opts ...Option) (*Pipeline, error) {
	if problems := validation.IsDNS1123Label(installation); len(problems) > 0 {
		return nil, fmt.Errorf("transform: installation %q: %s", installation, problems[0])
	}
	p := &Pipeline{installation: installation, naming: HashedNaming{}, replicas: replicaPaths}
	for _, opt := range opts {
		opt(p)
	}
	for key, value := range p.namespace {
		problems := slices.Concat(validation.IsQualifiedName(key), validation.IsValidLabelValue(value))
		if reserved(key) {
			problems = append(problems, "it is reserved")
		}
		if len(problems) > 0 {
			return nil, fmt.Errorf("transform: label of namespaces %s=%s: %s", key, value, problems[0])
		}
	}
	if err := p.checkMappings(); err != nil {
		return nil, err
	}
	if err := p.checkReturned(); err != nil {
		return nil, err
	}
	if err := p.checkOptions(); err != nil {
		return nil, err
	}
	if err := p.checkTransformers(); err != nil {
		return nil, err
	}
	return p, nil
}

// Installation returns the id of the installation.
func (p *Pipeline) Installation() string { return p.installation }

// Locate returns where the copy of an original stands on every cluster.
func (p *Pipeline) Locate(kind schema.GroupVersionKind, o Origin) (namespace, name string) {
	return p.naming.Locate(kind, o)
}

// Namespace renders the namespace that holds the copies of the originals of a
// namespace.
func (p *Pipeline) Namespace(o Origin) *unstructured.Unstructured {
	name, _ := p.naming.Locate(schema.GroupVersionKind{}, o)
	ns := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{}}}
	ns.SetName(name)
	ns.SetLabels(maps.Clone(p.namespace))
	Marks{Installation: p.installation, Origin: Origin{LogicalCluster: o.LogicalCluster, Name: o.Namespace}}.Stamp(ns)
	return ns
}
