package controller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/tmc-sdk/tmc/placement"
)

// Scores are what a ScoreSource says of clusters.
type Scores struct {
	// Clusters by name, each 0 to 100. Shared and not changed.
	Clusters map[string]int64
	// At is when they were found. Scores that are too old do not count.
	At time.Time
}

// ScoreSource gives scores of clusters from outside: a price list, a forecast of
// carbon, a planner of capacity. A Placement uses it by the name that
// spec.scoring.external gives, all of them where the engine was made with
// placement.WithExternalScores.
type ScoreSource interface {
	// Name of the source.
	Name() string
	// Scores returns what is known, at once: it waits for no one.
	Scores(scope *Scope) Scores
}

// ScoreStarter is implemented by a ScoreSource that runs along with the
// controller.
type ScoreStarter interface {
	ScoreSource
	// Start runs until ctx ends.
	Start(ctx context.Context)
}

// ScoreSourceFunc makes a ScoreSource of a name and a function.
func ScoreSourceFunc(name string, fn func(*Scope) Scores) ScoreSource {
	return scoreSourceFunc{name, fn}
}

type scoreSourceFunc struct {
	name string
	fn   func(*Scope) Scores
}

func (f scoreSourceFunc) Name() string           { return f.name }
func (f scoreSourceFunc) Scores(s *Scope) Scores { return f.fn(s) }

// scoresFor asks the sources, and leaves out what is too old.
func (o *options) scoresFor(scope *Scope, now time.Time) (given []placement.ExternalScores) {
	for _, source := range o.scores {
		s := source.Scores(scope)
		if len(s.Clusters) > 0 && now.Sub(s.At) <= o.scoreAge {
			given = append(given, placement.ExternalScores{Name: source.Name(), Clusters: s.Clusters})
		}
	}
	return given
}

// ScoreFetcher fetches scores from wherever they are.
type ScoreFetcher func(ctx context.Context) (map[string]int64, error)

// PolledScores is a ScoreSource that fetches again and again. While it can't,
// what it has ages.
type PolledScores struct {
	name  string
	every time.Duration
	fetch ScoreFetcher

	mu    sync.RWMutex
	known Scores
}

var _ ScoreStarter = (*PolledScores)(nil)

// NewPolledScores returns a source that fetches at intervals; HTTPScores makes
// a fetcher.
func NewPolledScores(name string, every time.Duration, fetch ScoreFetcher) (*PolledScores, error) {
	if name == "" || every <= 0 || fetch == nil {
		return nil, errors.New("placement controller: polled scores need a name, an interval and a fetcher")
	}
	return &PolledScores{name: name, every: every, fetch: fetch}, nil
}

// Name implements ScoreSource.
func (p *PolledScores) Name() string { return p.name }

// Scores implements ScoreSource.
func (p *PolledScores) Scores(*Scope) Scores {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.known
}

// Start implements ScoreStarter.
func (p *PolledScores) Start(ctx context.Context) {
	logger := log.FromContext(ctx).WithName("scores").WithValues("source", p.name)
	tick := time.NewTicker(p.every)
	defer tick.Stop()
	for {
		limited, cancel := context.WithTimeout(ctx, p.every)
		scores, err := p.fetch(limited)
		cancel()
		if err != nil {
			logger.Error(err, "Scores can't be fetched, those from before age")
		} else {
			p.mu.Lock()
			p.known = Scores{Clusters: scores, At: time.Now()}
			p.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// maxScoresBody bounds what a server of scores may say.
const maxScoresBody = 8 << 20

// HTTPScores fetches a JSON object from names of clusters to scores by GET:
// {"eu-1": 80, "us-1": 20}. A nil client is http.DefaultClient.
func HTTPScores(client *http.Client, url string) ScoreFetcher {
	if client == nil {
		client = http.DefaultClient
	}
	return func(ctx context.Context) (map[string]int64, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, fmt.Errorf("fetch scores: %w", err)
		}
		req.Header.Set("Accept", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			return nil, fmt.Errorf("fetch scores: %w", err)
		}
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxScoresBody+1))
		switch closed := resp.Body.Close(); {
		case err != nil:
			return nil, fmt.Errorf("fetch scores: %w", err)
		case closed != nil:
			return nil, fmt.Errorf("fetch scores: %w", closed)
		case resp.StatusCode != http.StatusOK:
			return nil, fmt.Errorf("fetch scores: server answers %s", resp.Status)
		case len(body) > maxScoresBody:
			return nil, fmt.Errorf("fetch scores: more than %d bytes", maxScoresBody)
		}
		var scores map[string]int64
		if err := json.Unmarshal(body, &scores); err != nil {
			return nil, fmt.Errorf("decode scores: %w", err)
		}
		for name, score := range scores {
			scores[name] = min(100, max(0, score))
		}
		return scores, nil
	}
}
