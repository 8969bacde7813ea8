package placement

import (
	"github.com/tmc-sdk/tmc/cluster/facts"
)

// Nodes refuses clusters of which no single node has room for one of the pods
// of the request: a cluster may have room enough in sum and none for a big pod.
// It is for new work, and for clusters that say what is free on their nodes. It
// is not among the built-in filters, because it looks into every cluster: add
// it by WithFilter(Nodes{}). Reason: NoNodeFits.
type Nodes struct{}

var _ Filter = Nodes{}

// Name implements Filter.
func (Nodes) Name() string { return "Nodes" }

// Filter implements Filter.
func (Nodes) Filter(r *Request, c *facts.State) *Reason {
	if r.On(c.Name) {
		return nil
	}
	for i := range r.Workloads {
		w := &r.Workloads[i]
		if w.Replicas != nil && *w.Replicas <= 0 {
			continue
		}
		if !isNothing(&w.Requests) && !c.Fits(w.Requests) {
			return &Reason{"NoNodeFits", "no single node of the cluster has room for a pod of " + w.Name + "; lower its requests or free a node"}
		}
		for j := range w.Templates {
			t := &w.Templates[j]
			if t.Count > 0 && !c.Fits(t.Requests) {
				return &Reason{"NoNodeFits", "no single node of the cluster has room for a pod " + t.Name + " of " + w.Name + "; lower its requests or free a node"}
			}
		}
	}
	return nil
}
