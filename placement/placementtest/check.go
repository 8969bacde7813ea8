package placementtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"testing"

	"github.com/tmc-sdk/tmc/cluster/facts"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// TestFilter fails the test if the filter is not what the engine takes it for.
func TestFilter(tb testing.TB, f placement.Filter, opts ...Option) {
	tb.Helper()
	if err := CheckFilter(f, opts...); err != nil {
		tb.Error(err)
	}
}

// TestScorer fails the test if the scorer is not what the engine takes it for.
func TestScorer(tb testing.TB, s placement.Scorer, opts ...Option) {
	tb.Helper()
	if err := CheckScorer(s, opts...); err != nil {
		tb.Error(err)
	}
}

// CheckFilter returns what is wrong with a filter; nil if nothing is.
func CheckFilter(f placement.Filter, opts ...Option) error {
	if f == nil || f.Name() == "" {
		return errors.New("the filter is nil, or its name is empty")
	}
	return newSuite(opts).run("filter "+f.Name(), &filtering{f})
}

// CheckScorer returns what is wrong with a scorer; nil if nothing is.
func CheckScorer(s placement.Scorer, opts ...Option) error {
	if s == nil || s.Name() == "" {
		return errors.New("the scorer is nil, or its name is empty")
	}
	return newSuite(opts).run("scorer "+s.Name(), &scoring{s})
}

// suite is what a plugin is asked about.
type suite struct {
	states   []*facts.State
	requests []*placement.Request
	fleet    *facts.Snapshot
}

func newSuite(opts []Option) *suite {
	s := &suite{states: States(), requests: Requests()}
	for _, opt := range opts {
		opt(s)
	}
	for i, r := range s.requests {
		if r.Spec == nil { // plugins never see nil
			s.requests[i] = new(*r)
			s.requests[i].Spec = &v1alpha1.PlacementSpec{}
		}
	}
	s.fleet = facts.NewSnapshot(s.states...)
	return s
}

// plugin is a filter or a scorer.
type plugin interface {
	// prepare returns what to ask for a request, and in a batch. Each is nil
	// if there is no such thing.
	prepare(r *placement.Request, fleet *facts.Snapshot) (one func(*facts.State) answer, batch func(*facts.Chunk, facts.Mask) []answer, err error)
}

// answer is what a plugin says of a cluster.
type answer struct {
	code, message string
	score         int64
	fault         string // what is wrong with the answer itself
}

// goroutines that ask at once.
const goroutines = 4

func (s *suite) run(name string, p plugin) error {
	for i, r := range s.requests {
		if err := s.ask(p, r); err != nil {
			return fmt.Errorf("%s, request %d: %w", name, i, err)
		}
	}
	return nil
}

// ask asks about every cluster, for one request.
func (s *suite) ask(p plugin, r *placement.Request) error {
	before, err := s.image(r)
	if err != nil {
		return err
	}
	first, err := s.answers(p, r, false)
	if err != nil {
		return err
	}
	var others [goroutines][]answer
	var faults [goroutines]error
	var group sync.WaitGroup
	for i := range others {
		group.Go(func() { others[i], faults[i] = s.answers(p, r, i%2 == 1) })
	}
	group.Wait()
	if err := errors.Join(faults[:]...); err != nil {
		return err
	}
	for _, other := range others {
		for i := range other {
			if other[i] != first[i] {
				return fmt.Errorf("cluster %s: it says %+v, and another time %+v: same inputs, same answer, in any order and from any goroutine", s.fleet.At(i).Name, first[i], other[i])
			}
		}
	}
	after, err := s.image(r)
	if err != nil {
		return err
	}
	if before != after {
		return errors.New("it changes the request or a cluster: both are shared with others")
	}
	return nil
}

// image is all that a plugin could change.
func (s *suite) image(r *placement.Request) (string, error) {
	data, err := json.Marshal([]any{r, slices.Collect(s.fleet.All())})
	if err != nil {
		return "", fmt.Errorf("encode what plugins are asked about: %w", err)
	}
	return string(data), nil
}

// answers asks about every cluster, one by one and in batches.
func (s *suite) answers(p plugin, r *placement.Request, backwards bool) ([]answer, error) {
	one, batch, err := p.prepare(r, s.fleet)
	if one == nil || err != nil {
		return nil, err
	}
	list := make([]answer, s.fleet.Len())
	for i := range list {
		if backwards {
			i = len(list) - 1 - i
		}
		c := s.fleet.At(i)
		if list[i] = one(c); list[i].fault != "" {
			return nil, fmt.Errorf("cluster %s: %s", c.Name, list[i].fault)
		}
	}
	if batch == nil {
		return list, nil
	}
	for start, chunk := range s.fleet.Chunks() {
		var asked facts.Mask
		for i := range chunk.Len() {
			if !r.On(chunk.At(i).Name) && i%7 != 3 {
				asked.Set(i)
			}
		}
		for i, a := range batch(chunk, asked) {
			want := list[start+i]
			want.message = "" // messages come one by one
			if asked.Has(i) && a != want {
				return nil, fmt.Errorf("cluster %s: in a batch it says %+v, and one by one %+v", chunk.At(i).Name, a, want)
			}
		}
	}
	return list, nil
}

var camelCase = regexp.MustCompile(`^[A-Z][A-Za-z0-9]*$`)

type filtering struct{ filter placement.Filter }

func (p *filtering) prepare(r *placement.Request, fleet *facts.Snapshot) (func(*facts.State) answer, func(*facts.Chunk, facts.Mask) []answer, error) {
	f := p.filter
	if prepared, ok := f.(placement.RequestFilter); ok {
		if f = prepared.ForRequest(r, fleet); f == nil {
			return nil, nil, nil
		}
		if f.Name() != p.filter.Name() {
			return nil, nil, fmt.Errorf("prepared for a request it is called %q", f.Name())
		}
	}
	one := func(c *facts.State) answer {
		switch reason := f.Filter(r, c); {
		case reason == nil:
			return answer{}
		case !camelCase.MatchString(reason.Code):
			return answer{fault: fmt.Sprintf("the reason %q is not in CamelCase", reason.Code)}
		case len(reason.Message) < 10:
			return answer{fault: fmt.Sprintf("the message %q is no sentence that says what would have to change", reason.Message)}
		default:
			return answer{code: reason.Code, message: reason.Message}
		}
	}
	b, ok := f.(placement.BatchFilter)
	if !ok {
		return one, nil, nil
	}
	return one, func(chunk *facts.Chunk, asked facts.Mask) []answer {
		list := make([]answer, chunk.Len())
		left := asked
		b.FilterChunk(r, chunk, asked, func(code string, refused facts.Mask) {
			refused = refused.And(left)
			for i, ok := refused.Next(0); ok; i, ok = refused.Next(i + 1) {
				list[i].code = code
			}
			left = left.AndNot(refused)
		})
		return list
	}, nil
}

type scoring struct{ scorer placement.Scorer }

func (p *scoring) prepare(r *placement.Request, fleet *facts.Snapshot) (func(*facts.State) answer, func(*facts.Chunk, facts.Mask) []answer, error) {
	s := p.scorer
	if prepared, ok := s.(placement.RequestScorer); ok {
		if s = prepared.ForRequest(r, fleet); s == nil {
			return nil, nil, nil
		}
		if s.Name() != p.scorer.Name() {
			return nil, nil, fmt.Errorf("prepared for a request it is called %q", s.Name())
		}
	}
	one := func(c *facts.State) answer {
		score := s.Score(r, c)
		if score < 0 || score > 100 {
			return answer{fault: fmt.Sprintf("it scores %d, which is not within 0 and 100: wrap it in placement.Normalized", score)}
		}
		return answer{score: score}
	}
	b, ok := s.(placement.BatchScorer)
	if !ok {
		return one, nil, nil
	}
	return one, func(chunk *facts.Chunk, asked facts.Mask) []answer {
		scores := make([]int64, chunk.Len())
		b.ScoreChunk(r, chunk, asked, scores)
		list := make([]answer, chunk.Len())
		for i := range list {
			list[i].score = min(100, max(0, scores[i]))
		}
		return list
	}, nil
}
