package syncer

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func answer(status int, after string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{"Retry-After": {after}}}
}

func TestPressureFollowsWhatAClusterBears(t *testing.T) {
	now := time.Unix(1000, 0)
	var reported float64
	p := newPressure(8, func() time.Time { return now }, func(limit float64) { reported = limit })
	for range 8 {
		require.Zero(t, p.enter())
	}
	require.Equal(t, crowded, p.enter(), "all places are taken")

	p.answered(answer(429, "3"))
	p.answered(answer(429, ""))
	require.InDelta(t, 4, reported, 0, "one congestion is counted once, by however many calls it is met")
	for range 5 {
		p.leave()
	}
	require.Equal(t, 3*time.Second, p.enter(), "the server said when to come back")
	now = now.Add(3 * time.Second)
	require.Zero(t, p.enter())
	require.Equal(t, crowded, p.enter(), "four are under way")

	p.answered(answer(503, "1"))
	require.InDelta(t, 2, reported, 0)
	p.answered(answer(503, ""))
	p.answered(answer(500, ""))
	require.InDelta(t, 2, reported, 0, "a server that fails is the breaker's business")
	for range 100 {
		p.answered(answer(200, ""))
	}
	require.InDelta(t, 8, reported, 0, "it recovers, and no further than it was allowed")
	now = now.Add(time.Minute)
	p.answered(answer(429, "86400"))
	require.Equal(t, requestTimeout, p.enter(), "no server stops a lane for a day")
}

func TestPressureNeverStopsAltogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(1000, 0)
		p := newPressure(rapid.IntRange(1, 20).Draw(t, "most"), func() time.Time { return now }, func(float64) {})
		for range rapid.IntRange(0, 50).Draw(t, "answers") {
			now = now.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "seconds")) * time.Second)
			p.answered(answer(rapid.SampledFrom([]int{200, 404, 409, 429, 500, 503}).Draw(t, "status"), rapid.SampledFrom([]string{"", "1", "-1", "soon"}).Draw(t, "after")))
			if p.limit < 1 || p.limit > float64(p.most) {
				t.Fatalf("limit %v of %d", p.limit, p.most)
			}
		}
		now = now.Add(requestTimeout)
		require.Zero(t, p.enter(), "an idle lane always lets one pass")
	})
}

func TestPressureFeelsAnswersAndNoneBoundsNothing(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer s.Close()
	now := time.Unix(1000, 0)
	p := newPressure(8, func() time.Time { return now }, func(float64) {})
	c := &http.Client{Transport: p.wrap(http.DefaultTransport)}
	r, err := c.Get(s.URL)
	require.NoError(t, err)
	require.NoError(t, r.Body.Close())
	require.Equal(t, 7*time.Second, p.enter())
	s.Close()
	_, err = c.Get(s.URL) //nolint:bodyclose // there is none
	require.Error(t, err)

	var none *pressure
	require.Zero(t, none.enter())
	none.leave()
}
