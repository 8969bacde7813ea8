package placement

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/cluster/facts"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Selector refuses clusters that the request's cluster selector does not
// select. Reasons: NotSelected, InvalidSelector.
type Selector struct{ expressions *expressions }

var _ RequestFilter = Selector{}

// Name implements Filter.
func (Selector) Name() string { return "Selector" }

// Filter implements Filter.
func (s Selector) Filter(r *Request, c *facts.State) *Reason {
	return s.ForRequest(r, nil).Filter(r, c)
}

// ForRequest implements RequestFilter.
func (s Selector) ForRequest(r *Request, _ *facts.Snapshot) Filter {
	var selector *v1alpha1.ClusterSelector
	if r.Spec != nil {
		selector = r.Spec.Clusters
	}
	m, err := newMatcher(selector, r, s.expressions)
	return &selecting{matcher: m, err: err}
}

// selecting is a Selector for one request.
type selecting struct {
	Selector
	matcher *Matcher
	err     error
}

var _ BatchFilter = (*selecting)(nil)

// Filter implements Filter.
func (s *selecting) Filter(r *Request, c *facts.State) *Reason {
	if s.err != nil {
		return &Reason{"InvalidSelector", r.field("clusters") + ": " + s.err.Error()}
	}
	switch ok, err := s.matcher.Matches(c); {
	case err != nil:
		return &Reason{"InvalidSelector", r.field("clusters") + ": " + err.Error()}
	case !ok:
		return &Reason{"NotSelected", r.field("clusters") + " does not select the cluster: " + s.matcher.mismatch(c)}
	}
	return nil
}

// FilterChunk implements BatchFilter.
func (s *selecting) FilterChunk(_ *Request, c *facts.Chunk, clusters facts.Mask, refuse func(string, facts.Mask)) {
	if s.err != nil {
		refuse("InvalidSelector", clusters)
		return
	}
	left := s.matcher.columns(c, clusters)
	var failed facts.Mask
	if s.matcher.program != nil {
		for i, ok := left.Next(0); ok; i, ok = left.Next(i + 1) {
			selected, err := evaluate(s.matcher.program, s.matcher.request, c.At(i))
			if err != nil {
				failed.Set(i)
			}
			if !selected {
				left.Clear(i)
			}
		}
	}
	refuse("InvalidSelector", failed)
	refuse("NotSelected", clusters.AndNot(left).AndNot(failed))
}

// Schedulable refuses clusters that take no new work: those that are not ready
// and those that are cordoned. Work that is there stays. Reasons: NotReady,
// Cordoned.
type Schedulable struct{}

var _ BatchFilter = Schedulable{}

// Name implements Filter.
func (Schedulable) Name() string { return "Schedulable" }

// Filter implements Filter.
func (Schedulable) Filter(r *Request, c *facts.State) *Reason {
	switch {
	case r.On(c.Name):
		return nil
	case c.Unschedulable:
		return &Reason{"Cordoned", "the cluster is cordoned and takes no new work; uncordon it"}
	case !c.Ready:
		return &Reason{"NotReady", "the cluster is not ready: " + c.Message}
	}
	return nil
}

// FilterChunk implements BatchFilter.
func (Schedulable) FilterChunk(_ *Request, c *facts.Chunk, clusters facts.Mask, refuse func(string, facts.Mask)) {
	facts := c.Facts()
	cordoned := clusters.And(facts.Unschedulable)
	refuse("Cordoned", cordoned)
	refuse("NotReady", clusters.AndNot(cordoned).AndNot(facts.Ready))
}

// ServedAPIs refuses clusters that do not serve a kind of the request. Reason:
// KindNotServed.
type ServedAPIs struct{}

var _ BatchFilter = ServedAPIs{}

// Name implements Filter.
func (ServedAPIs) Name() string { return "ServedAPIs" }

// Filter implements Filter.
func (ServedAPIs) Filter(r *Request, c *facts.State) *Reason {
	if i := notServed(r, c.APIs); i >= 0 {
		kind := r.Workloads[i].kindsOn()[0]
		return &Reason{"KindNotServed", fmt.Sprintf("the cluster does not serve %s %s", kind.GroupVersion(), kind.Kind)}
	}
	return nil
}

// notServed returns the first workload of a kind that is not served, or -1.
func notServed(r *Request, apis *facts.APISet) int {
	if apis == nil {
		return -1 // not known
	}
	for i := range r.Workloads {
		w := &r.Workloads[i]
		if len(w.ServedAs) == 0 && !apis.Serves(w.Kind) || len(w.ServedAs) > 0 && !slices.ContainsFunc(w.ServedAs, apis.Serves) {
			return i
		}
	}
	return -1
}

// kindsOn returns what copies of the object may be on a cluster.
func (w *Workload) kindsOn() []schema.GroupVersionKind {
	if len(w.ServedAs) > 0 {
		return w.ServedAs
	}
	return []schema.GroupVersionKind{w.Kind}
}

// FilterChunk implements BatchFilter.
func (ServedAPIs) FilterChunk(r *Request, c *facts.Chunk, clusters facts.Mask, refuse func(string, facts.Mask)) {
	facts := c.Facts()
	for set, apis := range facts.APIs {
		if notServed(r, apis) < 0 {
			continue
		}
		refused := clusters
		for i, ok := refused.Next(0); ok; i, ok = refused.Next(i + 1) {
			if int(facts.APISet[i]) != set {
				refused.Clear(i)
			}
		}
		refuse("KindNotServed", refused)
	}
}
