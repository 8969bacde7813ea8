package placement

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/tmc-sdk/tmc/cluster/facts"
)

// Capacity refuses clusters without room for the least that they could get: all
// replicas where they are duplicated, else one or minPerCluster, and with them
// whatever of the request is not divided. What the request's own work uses
// there counts as free. Reason: InsufficientCapacity.
type Capacity struct {
	// Reserve is the part of what is allocatable, in percent, that stays free
	// on every cluster; spec.reservePercent may ask for more.
	Reserve int
}

var _ RequestFilter = Capacity{}

// Name implements Filter.
func (Capacity) Name() string { return "Capacity" }

// Filter implements Filter.
func (f Capacity) Filter(r *Request, c *facts.State) *Reason {
	if p, ok := f.ForRequest(r, nil).(*fitting); ok {
		return p.Filter(r, c)
	}
	return nil
}

// ForRequest implements RequestFilter.
func (f Capacity) ForRequest(r *Request, _ *facts.Snapshot) Filter {
	d := demandOf(r, f.Reserve)
	one := d.need(d.least)
	if isNothing(&one) {
		return nil
	}
	return &fitting{Capacity: f, d: d, one: one}
}

// fitting is Capacity for one request.
type fitting struct {
	Capacity
	d   demand
	one facts.Resources // what a cluster needs to have free at least
}

var _ BatchFilter = (*fitting)(nil)

// Filter implements Filter.
func (f *fitting) Filter(r *Request, c *facts.State) *Reason {
	if f.d.fits(r, c) {
		return nil
	}
	free := f.d.free(r, c)
	lack := shortage(&f.one, &free)
	if f.d.reserve > 0 {
		lack += fmt.Sprintf(" (%d%% of the cluster stay free)", f.d.reserve)
	}
	if f.d.total == 0 {
		return &Reason{"InsufficientCapacity", "the cluster has no room for the work; it lacks " + lack}
	}
	return &Reason{"InsufficientCapacity", fmt.Sprintf("the cluster has room for %d of the %d replicas that it would get at least; it lacks %s", f.d.slots(r, c), f.d.least, lack)}
}

// FilterChunk implements BatchFilter.
func (f *fitting) FilterChunk(r *Request, c *facts.Chunk, clusters facts.Mask, refuse func(string, facts.Mask)) {
	facts := c.Facts()
	refused := clusters.And(facts.CapacityKnown)
	exact := len(f.one.Extended) == 0 && f.d.reserve == 0 // the columns say all
	if exact && holds(&facts.Least, &f.one) {
		return // all have room
	}
	for i, ok := refused.Next(0); ok; i, ok = refused.Next(i + 1) {
		if facts.MilliCPU[i] >= f.one.MilliCPU && facts.Memory[i] >= f.one.Memory &&
			facts.EphemeralStorage[i] >= f.one.EphemeralStorage && facts.Pods[i] >= f.one.Pods &&
			(exact || f.d.fits(r, c.At(i))) {
			refused.Clear(i)
		}
	}
	refuse("InsufficientCapacity", refused)
}

// shortage says what is missing, for people: "2 cpu and 3Gi memory".
func shortage(need, have *facts.Resources) string {
	lack := need.Sub(*have)
	return words(&lack)
}

// words say an amount, for people.
func words(r *facts.Resources) string {
	var list []string
	say := func(what string, q *resource.Quantity) {
		if q.Sign() > 0 {
			list = append(list, q.String()+" "+what)
		}
	}
	say("cpu", resource.NewMilliQuantity(r.MilliCPU, resource.DecimalSI))
	say("memory", resource.NewQuantity(r.Memory, resource.BinarySI))
	say("ephemeral storage", resource.NewQuantity(r.EphemeralStorage, resource.BinarySI))
	say("pods", resource.NewQuantity(r.Pods, resource.DecimalSI))
	for _, name := range sortedKeys(r.Extended) {
		say(string(name), resource.NewQuantity(r.Extended[name], resource.DecimalSI))
	}
	if len(list) > 1 {
		last := len(list) - 1
		return strings.Join(list[:last], ", ") + " and " + list[last]
	}
	return strings.Join(list, "")
}
