package placement

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tmc-sdk/tmc/cluster/facts"
	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// recordVersion is the version of the format of records. One that adds what may
// be left out keeps it.
const recordVersion = 1

// ErrDiverged is returned by Replay where the decision is not the one that was
// recorded.
var ErrDiverged = errors.New("placement: the decision differs from the recorded one")

// Record returns all inputs of the decision and what came of them, as JSON: for
// Replay, here or elsewhere. The same decision gives the same bytes.
func (d *Decision) Record() ([]byte, error) {
	if d.engine == nil {
		return nil, errors.New("placement: the decision was not made by an engine")
	}
	r := *d.request
	r.Now = r.Now.UTC()
	r.Reserved = nil // the fleet has it
	rec := record{Version: recordVersion, Filters: d.engine.filterNames(), Scorers: d.engine.profile(), Reserve: d.engine.reserve, Request: r, Outcome: d.outcome()}
	index := map[*facts.APISet]int{}
	for state := range d.fleet.All() {
		at, ok := index[state.APIs]
		if !ok && state.APIs != nil {
			at = len(rec.APIs)
			index[state.APIs] = at
			rec.APIs = append(rec.APIs, state.APIs.List())
		}
		rec.Clusters = append(rec.Clusters, recordState(state, at))
	}
	data, err := json.Marshal(&rec)
	if err != nil {
		return nil, fmt.Errorf("encode the record of a decision: %w", err)
	}
	return data, nil
}

// Replay makes a recorded decision anew, and returns it with ErrDiverged if it
// is another. The engine must have the plugins that were recorded, with their
// weights.
func Replay(ctx context.Context, e *Engine, data []byte) (*Decision, error) {
	var rec record
	if err := json.Unmarshal(data, &rec); err != nil {
		return nil, fmt.Errorf("decode the record of a decision: %w", err)
	}
	if rec.Version != recordVersion {
		return nil, fmt.Errorf("placement: a record of version %d; this engine replays version %d", rec.Version, recordVersion)
	}
	if !slices.Equal(rec.Filters, e.filterNames()) || !slices.Equal(rec.Scorers, e.profile()) || rec.Reserve != e.reserve {
		return nil, fmt.Errorf("placement: the record is of an engine with filters %v, scorers %v and a reserve of %d", rec.Filters, rec.Scorers, rec.Reserve)
	}
	sets := make([]*facts.APISet, 0, len(rec.APIs))
	for _, apis := range rec.APIs {
		sets = append(sets, facts.NewAPISet(apis...))
	}
	states := make([]*facts.State, 0, len(rec.Clusters))
	for i := range rec.Clusters {
		state, err := rec.Clusters[i].state(sets)
		if err != nil {
			return nil, err
		}
		states = append(states, state)
	}
	d, err := e.Place(ctx, &rec.Request, facts.NewSnapshot(states...))
	if err != nil {
		return nil, err
	}
	want, err := json.Marshal(&rec.Outcome)
	if err != nil {
		return nil, fmt.Errorf("encode the recorded outcome: %w", err)
	}
	got, err := json.Marshal(new(d.outcome()))
	if err != nil {
		return nil, fmt.Errorf("encode the outcome: %w", err)
	}
	if !bytes.Equal(want, got) {
		return d, fmt.Errorf("%w: recorded %s, replayed %s", ErrDiverged, want, got)
	}
	return d, nil
}

type record struct {
	Version  int              `json:"version"`
	Filters  []string         `json:"filters"`
	Scorers  []Score          `json:"scorers"`
	Reserve  int              `json:"reserve,omitempty"`
	Request  Request          `json:"request"`
	APIs     [][]facts.API    `json:"apis,omitempty"`
	Clusters []recordedState  `json:"clusters"`
	Outcome  recordedDecision `json:"outcome"`
}

type recordedDecision struct {
	Targets         []v1alpha1.Target
	Reason, Message string
	Rejected        []v1alpha1.Rejection
	Recheck         time.Time
}

func (d *Decision) outcome() recordedDecision {
	return recordedDecision{d.Targets, d.Reason, d.Message, d.Rejected, d.Recheck.UTC()}
}

// recordedState is a State in JSON. What has a type of its own here would lose
// something in its own form: a taint its fractions of a second.
type recordedState struct {
	facts.State
	Taints []recordedTaint `json:",omitempty"`
	APIs   *int            `json:",omitempty"`
}

type recordedTaint struct {
	Key, Value string
	Effect     corev1.TaintEffect
	Workspace  string     `json:",omitempty"`
	TimeAdded  *time.Time `json:",omitempty"`
}

func recordState(s *facts.State, apis int) recordedState {
	r := recordedState{State: *s}
	if s.APIs != nil {
		r.APIs = &apis
	}
	r.UnreachableSince, r.UsedAt = r.UnreachableSince.UTC(), r.UsedAt.UTC()
	for i := range s.Taints {
		t := &s.Taints[i]
		taint := recordedTaint{Key: t.Key, Value: t.Value, Effect: t.Effect, Workspace: t.Workspace}
		if t.TimeAdded != nil {
			taint.TimeAdded = new(t.TimeAdded.UTC())
		}
		r.Taints = append(r.Taints, taint)
	}
	if s.Properties != nil {
		r.Properties = make(map[string]facts.Property, len(s.Properties))
		for key, p := range s.Properties {
			p.ObservedAt = p.ObservedAt.UTC()
			r.Properties[key] = p
		}
	}
	return r
}

func (r *recordedState) state(sets []*facts.APISet) (*facts.State, error) {
	s := r.State
	if r.APIs != nil {
		if *r.APIs < 0 || *r.APIs >= len(sets) {
			return nil, fmt.Errorf("placement: the record of cluster %s names a set of APIs that is not there", s.Name)
		}
		s.APIs = sets[*r.APIs]
	}
	for i := range r.Taints {
		t := &r.Taints[i]
		taint := clusterv1alpha1.Taint{Key: t.Key, Value: t.Value, Effect: t.Effect, Workspace: t.Workspace}
		if t.TimeAdded != nil {
			taint.TimeAdded = &metav1.Time{Time: *t.TimeAdded}
		}
		s.Taints = append(s.Taints, taint)
	}
	return &s, nil
}

func (e *Engine) filterNames() []string {
	names := make([]string, 0, len(e.filters))
	for _, f := range e.filters {
		names = append(names, f.Name())
	}
	return names
}

// profile returns the weights of all scorers, those from outside included.
func (e *Engine) profile() []Score {
	list := make([]Score, 0, len(e.scorers)+len(e.external))
	for i := range e.scorers {
		list = append(list, Score{Scorer: e.scorers[i].Name(), Weight: e.scorers[i].weight})
	}
	for _, name := range sortedKeys(e.external) {
		list = append(list, Score{Scorer: "External(" + name + ")", Weight: e.external[name]})
	}
	return list
}
