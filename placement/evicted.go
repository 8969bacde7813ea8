package placement

import (
	"fmt"
	"time"

	"github.com/tmc-sdk/tmc/cluster/facts"
)

// Evicted refuses clusters that the work was made to leave, while the request
// says so. Reason: UnderEviction.
type Evicted struct{}

var _ RequestFilter = Evicted{}

// Name implements Filter.
func (Evicted) Name() string { return "Evicted" }

// Filter implements Filter.
func (Evicted) Filter(r *Request, c *facts.State) *Reason {
	for i := range r.Evicted {
		e := &r.Evicted[i]
		if e.Cluster != c.Name || !e.holds(r.Now) {
			continue
		}
		if e.Until.IsZero() {
			return &Reason{"UnderEviction", "the work was evicted from the cluster and does not return to it while that lasts"}
		}
		return &Reason{"UnderEviction", fmt.Sprintf("the work was evicted from the cluster and may return to it at %s", e.Until.UTC().Format(time.RFC3339))}
	}
	return nil
}

// ForRequest implements RequestFilter.
func (Evicted) ForRequest(r *Request, _ *facts.Snapshot) Filter {
	for i := range r.Evicted {
		if r.Evicted[i].holds(r.Now) {
			return Evicted{}
		}
	}
	return nil
}

func (e *Eviction) holds(now time.Time) bool { return e.Until.IsZero() || now.Before(e.Until) }
