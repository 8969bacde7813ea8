package syncer

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// pressure bounds how many errands are under way to a cluster, by what the
// cluster can bear: every refusal for load (429, or 503 that says when to come
// back) halves the bound, at most once a second, and makes all workers wait as
// long as the server says; every answer raises it a little, up to what
// WithWorkers allows. The zero of a pointer bounds nothing.
type pressure struct {
	now    func() time.Time
	most   int
	report func(limit float64)

	mu       sync.Mutex
	limit    float64
	underWay int
	cut      time.Time // when the limit was last halved
	until    time.Time // when the server wants to be asked again
}

// crowded is how long a worker waits before it asks again for a place.
const crowded = 250 * time.Millisecond

func newPressure(most int, now func() time.Time, report func(limit float64)) *pressure {
	report(float64(most))
	return &pressure{now: now, most: most, limit: float64(most), report: report}
}

// enter takes a place for an errand; if there is none, it returns how long to
// wait before asking again.
func (p *pressure) enter() time.Duration {
	if p == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if wait := p.until.Sub(p.now()); wait > 0 {
		return wait
	}
	if p.underWay >= max(1, int(p.limit)) {
		return crowded
	}
	p.underWay++
	return 0
}

// leave gives the place back.
func (p *pressure) leave() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.underWay--
}

// answered takes in an answer of the server.
func (p *pressure) answered(r *http.Response) {
	after, told := retryAfter(r)
	overloaded := r.StatusCode == http.StatusTooManyRequests || r.StatusCode == http.StatusServiceUnavailable && told
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	before := p.limit
	switch {
	case overloaded:
		if until := now.Add(after); until.After(p.until) {
			p.until = until
		}
		if now.Sub(p.cut) >= time.Second {
			p.cut, p.limit = now, max(1, p.limit/2)
		}
	case r.StatusCode < http.StatusInternalServerError:
		p.limit = min(float64(p.most), p.limit+1/p.limit)
	}
	if p.limit != before {
		p.report(p.limit)
	}
}

// retryAfter reads when the server wants to be asked again, at most
// requestTimeout from now.
func retryAfter(r *http.Response) (time.Duration, bool) {
	seconds, err := strconv.Atoi(r.Header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0, false
	}
	return min(time.Duration(seconds)*time.Second, requestTimeout), true
}

// wrap shows the pressure every answer that a client gets.
func (p *pressure) wrap(next http.RoundTripper) http.RoundTripper { return feeling{p, next} }

type feeling struct {
	p    *pressure
	next http.RoundTripper
}

func (f feeling) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := f.next.RoundTrip(r)
	if err == nil {
		f.p.answered(answer)
	}
	return answer, err
}
