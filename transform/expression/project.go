package expression

import (
	"errors"
	"fmt"

	"github.com/google/cel-go/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tmc-sdk/tmc/transform"
)

// Project returns an aggregator in two parts: the expression says what one copy
// says, a map, and the fields how what the copies say is put together.
//
//	expression.Project("Lag", `{"lag": copy.status.?replication.?lag.orValue(0), "ready": copy.status.phase == "Ready"}`,
//		transform.Fields{Kind: "Lag", Max: []string{"lag"}, All: []string{"ready"}})
//
// The expression sees copy, as Health's does. It runs for a copy that has a status, once
// when that changes, whatever the number of clusters: where Aggregate
// reads all copies for each event of one, this costs the same with ten and with ten
// thousand. Conditions and observedGeneration of the copies are counted as they are,
// unless the expression gives conditions of its own.
//
// With one copy the status is what the expression says of it. A copy on which it
// fails fails the status.
func Project(name, expression string, fields transform.Fields, opts ...Option) (transform.Aggregator, error) {
	program, err := optionsOf(opts).compile(judging, expression, cel.MapType(cel.StringType, cel.DynType))
	if err != nil {
		return nil, fmt.Errorf("expression: %s: %w", name, err)
	}
	if err := fields.Validate(); err != nil {
		return nil, fmt.Errorf("expression: %s: %w", name, err)
	}
	return &projection{name: name, program: program, fields: fields}, nil
}

type projection struct {
	name    string
	program cel.Program
	fields  transform.Fields
}

var (
	_ transform.Aggregator  = (*projection)(nil)
	_ transform.Incremental = (*projection)(nil)
)

// Name implements transform.Aggregator.
func (p *projection) Name() string { return p.name }

// Aggregate implements transform.Aggregator.
func (p *projection) Aggregate(original *unstructured.Unstructured, copies []transform.Observed) (map[string]any, error) {
	t := p.Tally()
	for _, c := range copies {
		t.Set(c)
	}
	return t.Status(original)
}

// Tally implements transform.Incremental.
func (p *projection) Tally() transform.Tally {
	return &projected{Tally: p.fields.Tally(), rule: p, failed: map[string]error{}}
}

// projected counts what the expression says of copies.
type projected struct {
	transform.Tally

	rule   *projection
	failed map[string]error
}

// Set implements transform.Tally.
func (t *projected) Set(seen transform.Observed) {
	delete(t.failed, seen.Cluster)
	if seen.Copy != nil {
		said, err := t.rule.of(seen.Copy)
		if err != nil {
			t.failed[seen.Cluster] = err
		}
		seen.Copy = said
	}
	t.Tally.Set(seen)
}

// Remove implements transform.Tally.
func (t *projected) Remove(cluster string) {
	delete(t.failed, cluster)
	t.Tally.Remove(cluster)
}

// Status implements transform.Tally.
func (t *projected) Status(original *unstructured.Unstructured) (map[string]any, error) {
	if len(t.failed) == 0 {
		return t.Tally.Status(original)
	}
	least := ""
	for cluster := range t.failed {
		if least == "" || cluster < least {
			least = cluster
		}
	}
	return nil, fmt.Errorf("the copy on cluster %s: %w", least, t.failed[least])
}

// of returns a copy with the status that the expression gives it; without one where
// it fails, so that it counts as a copy that has said nothing.
func (p *projection) of(copied *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	metadata, _ := copied.Object["metadata"].(map[string]any)
	said := &unstructured.Unstructured{Object: map[string]any{"metadata": metadata}}
	status, _ := copied.Object["status"].(map[string]any)
	if len(status) == 0 {
		return said, nil // it has said nothing yet
	}
	value, _, err := p.program.Eval(map[string]any{"copy": copied.Object})
	if err != nil {
		return said, err
	}
	result, err := native(value, 0)
	if err != nil {
		return said, err
	}
	fields, ok := result.(map[string]any)
	if !ok {
		return said, errors.New("the expression gives no map")
	}
	for _, own := range [...]string{"conditions", "observedGeneration"} {
		if there, has := status[own]; has && fields[own] == nil {
			fields[own] = there
		}
	}
	said.Object["status"] = fields
	return said, nil
}
