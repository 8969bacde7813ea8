package envtest

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A Storm is trouble on the level of requests, as a server makes it that is
// overloaded or ill: some requests meet Answer instead of the server. The other
// fields say which; each is a bound, and a zero field is none. Give it to
// Proxy.Storm.
type Storm struct {
	// Answer is what the requests meet. The zero Answer is the server's own.
	Answer Answer
	// Verbs are those of Kubernetes: get, list, watch, create, update, patch,
	// delete, deletecollection.
	Verbs []string
	// Resources are in the plural; with a subresource, "deployments/status",
	// they mean requests to that alone, without one to the objects alone.
	Resources []string
	// Path is contained in the path of the URL.
	Path string
	// Share is how many of the requests that the other fields choose are struck,
	// between 0 and 1. Zero means all.
	Share float64
	// Seed decides which: the nth request that the other fields choose meets the
	// same with the same seed.
	Seed uint64
}

// An Answer is what a request meets in a Storm. See Throttle, Fail, Hang,
// LoseAnswer and CutWatch.
type Answer struct{ do func(*exchange) }

// An exchange is one request that a storm has struck.
type exchange struct {
	w      http.ResponseWriter
	r      *http.Request
	verb   string
	server http.Handler
	over   <-chan struct{} // the storm is
}

// Throttle answers 429 Too Many Requests, and asks for a pause, which HTTP
// counts in whole seconds: less than one is told as one. The server does not
// see the request.
func Throttle(retryAfter time.Duration) Answer {
	seconds := max(int(retryAfter.Round(time.Second)/time.Second), 1)
	return Answer{func(x *exchange) { refuse(x.w, http.StatusTooManyRequests, seconds) }}
}

// Fail answers with an error of the given HTTP status, such as 500, 503 or 504.
// The server does not see the request.
func Fail(code int) Answer {
	return Answer{func(x *exchange) { refuse(x.w, code, 0) }}
}

// Hang answers nothing until the client gives up or the storm is over; then the
// request breaks. The server does not see it.
func Hang() Answer {
	return Answer{func(x *exchange) {
		select {
		case <-x.r.Context().Done():
		case <-x.over:
		}
		panic(http.ErrAbortHandler)
	}}
}

// LoseAnswer lets the server do what is asked, and breaks the request before the
// client learns of it. Watches pass.
func LoseAnswer() Answer {
	return Answer{func(x *exchange) {
		if x.verb == verbWatch {
			x.server.ServeHTTP(x.w, x.r)
			return
		}
		x.server.ServeHTTP(discarding{}, x.r)
		panic(http.ErrAbortHandler)
	}}
}

// CutWatch breaks watches when they have lasted so long. Other requests pass.
func CutWatch(after time.Duration) Answer {
	return Answer{func(x *exchange) {
		if x.verb != verbWatch {
			x.server.ServeHTTP(x.w, x.r)
			return
		}
		ctx, cancel := context.WithTimeout(x.r.Context(), after)
		defer cancel()
		x.server.ServeHTTP(x.w, x.r.WithContext(ctx))
		panic(http.ErrAbortHandler) // also where the server had not answered yet
	}}
}

// discarding is where an answer goes that is lost.
type discarding struct{}

func (discarding) Header() http.Header         { return http.Header{} }
func (discarding) Write(b []byte) (int, error) { return len(b), nil }
func (discarding) WriteHeader(int)             {}

// A gale is a storm that blows.
type gale struct {
	Storm
	over chan struct{}
	mu   sync.Mutex
	dice *rand.Rand
}

func newGale(s Storm) *gale {
	return &gale{Storm: s, over: make(chan struct{}), dice: rand.New(rand.NewPCG(s.Seed, s.Seed))} //nolint:gosec // it must repeat
}

// strikes says whether a request meets the storm.
func (g *gale) strikes(r request) bool {
	switch {
	case g.Answer.do == nil,
		len(g.Verbs) > 0 && !slices.Contains(g.Verbs, r.verb),
		len(g.Resources) > 0 && !slices.Contains(g.Resources, r.resource),
		!strings.Contains(r.path, g.Path):
		return false
	case g.Share <= 0 || g.Share >= 1:
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.dice.Float64() < g.Share
}

// weather is all that blows at once.
type weather struct {
	mu     sync.Mutex
	gales  []*gale
	struck atomic.Int64
}

func (w *weather) add(storms []Storm) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range storms {
		w.gales = append(w.gales, newGale(s))
	}
}

// calm ends all storms.
func (w *weather) calm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, g := range w.gales {
		close(g.over)
	}
	w.gales = nil
}

// meets returns the first storm that strikes a request: nil for none.
func (w *weather) meets(r request) *gale {
	w.mu.Lock()
	gales := w.gales // only ever appended to, or replaced
	w.mu.Unlock()
	for _, g := range gales {
		if g.strikes(r) {
			w.struck.Add(1)
			return g
		}
	}
	return nil
}

// Storm adds storms to what befalls the requests to the server. Like all
// faults they last until Heal; where several strike a request, the first one
// does.
//
// Requests can be told apart only by who ends the TLS of their connections.
// The first call puts such a relay in the way, for good, and resets the live
// connections once to that end; it may be called without a storm to have that
// done in time. The relay's certificate is of the server's own authority, and
// behind it every client is who it was: by certificate, by token, or by none.
func (p *Proxy) Storm(storms ...Storm) {
	if p.relay == nil {
		return // a proxy of its own, in front of no server of ours
	}
	p.relay.weather.add(storms)
	p.mu.Lock()
	first := !p.relayed
	p.relayed = true
	p.mu.Unlock()
	if first {
		p.Reset()
	}
}

// Struck tells how many requests met a storm so far.
func (p *Proxy) Struck() int {
	if p.relay == nil {
		return 0
	}
	return int(p.relay.weather.struck.Load())
}
