package placement

import (
	"fmt"
	"slices"

	"github.com/tmc-sdk/tmc/cluster/facts"
)

// Nodes refuses clusters whose nodes have no room, node by node, for the pods that
// the cluster would get at least: it may have room enough in sum, and none for a big
// pod, or for so many of them. It is for new work, and for clusters that say what is
// free on their nodes; each kind of pod is looked at by itself. Requests for several
// pods, by their number in it, count as that many equal ones. Reason: NoNodeFits.
type Nodes struct{}

var _ RequestFilter = Nodes{}

// Name implements Filter.
func (Nodes) Name() string { return "Nodes" }

// Filter implements Filter.
func (n Nodes) Filter(r *Request, c *facts.State) *Reason {
	if f := n.ForRequest(r, nil); f != nil {
		return f.Filter(r, c)
	}
	return nil
}

// ForRequest implements RequestFilter.
func (Nodes) ForRequest(r *Request, _ *facts.Snapshot) Filter {
	var f *onNodes
	all := total(r)
	least := leastOf(r, all)
	add := func(w *Workload, template string, requests *facts.Resources, count int64) {
		if isNothing(requests) {
			return
		}
		if f == nil {
			f = &onNodes{pods: make([]onePod, 0, len(r.Workloads))}
		}
		if w.Replicas != nil { // its part of the least, rounded up
			count = product(count, (product(int64(*w.Replicas), least)+all-1)/all)
		}
		f.pods = append(f.pods, onePod{w.Name, template, onePodOf(*requests), product(count, max(1, requests.Pods))})
	}
	for i := range r.Workloads {
		w := &r.Workloads[i]
		if w.Replicas != nil && *w.Replicas <= 0 {
			continue
		}
		add(w, "", &w.Requests, 1)
		for j := range w.Templates {
			if t := &w.Templates[j]; t.Count > 0 {
				add(w, t.Name, &t.Requests, t.Count)
			}
		}
	}
	if f == nil {
		return nil
	}
	for i := range f.pods {
		p := &f.pods[i].requests
		f.most.MilliCPU, f.most.Memory = max(f.most.MilliCPU, p.MilliCPU), max(f.most.Memory, p.Memory)
		f.most.EphemeralStorage = max(f.most.EphemeralStorage, p.EphemeralStorage)
		f.extended = f.extended || len(p.Extended) > 0
		f.need = max(f.need, f.pods[i].need)
	}
	f.most = times(f.most, f.need)
	return f
}

// onePodOf returns what one of the pods of some requests asks for.
func onePodOf(requests facts.Resources) facts.Resources {
	n := requests.Pods
	requests.Pods = min(1, n)
	if n <= 1 {
		return requests
	}
	requests.MilliCPU, requests.Memory, requests.EphemeralStorage = requests.MilliCPU/n, requests.Memory/n, requests.EphemeralStorage/n
	return extended(requests, func(v int64) int64 { return v / n })
}

// onNodes is Nodes for one request.
type onNodes struct {
	Nodes
	pods []onePod
	// most that any of the pods requests, need times: a node with so much free holds
	// any of them. need is the greatest number of pods of a kind.
	most facts.Resources
	need int64
	// extended says that some of the pods request what columns do not have.
	extended bool
}

type onePod struct {
	workload, template string
	requests           facts.Resources
	need               int64 // of such pods, on a cluster that is chosen
}

var _ BatchFilter = (*onNodes)(nil)

// Filter implements Filter.
func (f *onNodes) Filter(r *Request, c *facts.State) *Reason {
	if r.On(c.Name) || c.MoreSlots || len(c.FreeSlots) == 0 {
		return nil
	}
	for i := range f.pods {
		p := &f.pods[i]
		what := "a pod of " + p.workload
		if p.template != "" {
			what = "a pod " + p.template + " of " + p.workload
		}
		if c.Fits(p.requests) {
			if room, ok := c.Room(&p.requests, p.need); ok && room < p.need {
				return &Reason{"NoNodeFits", fmt.Sprintf("the nodes of the cluster have room for %d of the %d pods that it would get at least, each %s, which requests %s; lower its requests, or free or add nodes", room, p.need, what, words(withoutPods(p.requests)))}
			}
			continue
		}
		largest := slices.MinFunc(c.FreeSlots, func(a, b facts.Resources) int {
			return slices.Compare(lacks(&p.requests, &a), lacks(&p.requests, &b))
		})
		return &Reason{"NoNodeFits", fmt.Sprintf("no single node of the cluster has room for %s, which requests %s: the nearest has %s free; lower its requests, or free or add a node", what, words(withoutPods(p.requests)), words(&largest))}
	}
	return nil
}

// withoutPods leaves out that a pod is one, which goes without saying.
func withoutPods(r facts.Resources) *facts.Resources {
	r.Pods = 0
	return &r
}

// lacks says how far a slot is from holding a pod: of how much too little there
// is, and then by what parts.
func lacks(pod, slot *facts.Resources) []float64 {
	kinds, parts := 0.0, 0.0
	lack := func(want, have int64) {
		if want > have {
			kinds++
			parts += float64(want-max(0, have)) / float64(want)
		}
	}
	lack(pod.MilliCPU, slot.MilliCPU)
	lack(pod.Memory, slot.Memory)
	lack(pod.EphemeralStorage, slot.EphemeralStorage)
	for _, name := range sortedKeys(pod.Extended) {
		lack(pod.Extended[name], slot.Extended[name])
	}
	return []float64{kinds, parts}
}

// FilterChunk implements BatchFilter.
func (f *onNodes) FilterChunk(r *Request, c *facts.Chunk, clusters facts.Mask, refuse func(string, facts.Mask)) {
	slots := c.Slots()
	if !f.extended && slots.Least.Pods >= f.need && holds(&slots.Least, &f.most) {
		return // all have room, or nothing is known of any
	}
	refused := clusters.And(slots.Known)
	for i, ok := refused.Next(0); ok; i, ok = refused.Next(i + 1) {
		if !f.extended && slots.MilliCPU[i] >= f.most.MilliCPU && slots.Memory[i] >= f.most.Memory &&
			slots.EphemeralStorage[i] >= f.most.EphemeralStorage && slots.Pods[i] >= f.need || f.Filter(r, c.At(i)) == nil {
			refused.Clear(i)
		}
	}
	refuse("NoNodeFits", refused)
}
