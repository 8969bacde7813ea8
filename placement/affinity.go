package placement

import (
	"cmp"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/tmc-sdk/tmc/cluster/facts"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Affinity refuses clusters that are not near the work that the request's
// required terms of affinity select; that are near work that its required terms
// of anti-affinity select; or near work whose terms of anti-affinity select the
// request. It is for new work: what is there stays. Reasons: NotNear, TooNear.
//
// A term of affinity that selects the request itself, and nobody who is placed,
// refuses nothing: someone must be the first.
type Affinity struct{}

var _ RequestFilter = Affinity{}

// Name implements Filter.
func (Affinity) Name() string { return "Affinity" }

// Filter implements Filter for no request in particular: without the fleet
// nothing is near anything. The engine asks ForRequest.
func (Affinity) Filter(*Request, *facts.State) *Reason { return nil }

// ForRequest implements RequestFilter.
func (Affinity) ForRequest(r *Request, fleet *facts.Snapshot) Filter {
	f := &keepingDistance{}
	if a := r.Spec.Affinity; a != nil {
		for i := range a.Required {
			t := newTerm(&a.Required[i])
			if near := t.domains(r, fleet); len(near.values) > 0 || !t.selectsFirst(r) {
				near.field = fmt.Sprintf("spec.affinity.required[%d]", i)
				f.near = append(f.near, near)
			}
		}
	}
	if a := r.Spec.AntiAffinity; a != nil {
		for i := range a.Required {
			t := newTerm(&a.Required[i])
			if far := t.domains(r, fleet); len(far.values) > 0 {
				far.field = fmt.Sprintf("spec.antiAffinity.required[%d]", i)
				f.far = append(f.far, far)
			}
		}
	}
	f.kept(r, fleet)
	if len(f.near) == 0 && len(f.far) == 0 {
		return nil
	}
	return f
}

// kept adds what others keep the request away from.
func (f *keepingDistance) kept(r *Request, fleet *facts.Snapshot) {
	for i := range r.Neighbours {
		n := &r.Neighbours[i]
		if n.is(r) {
			continue
		}
		for j := range n.AntiAffinity {
			t := newTerm(&n.AntiAffinity[j])
			if !t.reaches(n.Namespace, r.Namespace) || !t.selector.Matches(labels.Set(r.Labels)) {
				continue
			}
			far := domains{key: t.key, values: map[string]string{}, field: "the anti-affinity of Placement " + n.name()}
			far.add(n, fleet)
			if len(far.values) > 0 {
				f.far = append(f.far, far)
			}
		}
	}
}

// keepingDistance is Affinity for one request.
type keepingDistance struct {
	Affinity
	near, far []domains
}

var _ BatchFilter = (*keepingDistance)(nil)

// Filter implements Filter.
func (f *keepingDistance) Filter(r *Request, c *facts.State) *Reason {
	if r.On(c.Name) {
		return nil
	}
	for i := range f.near {
		if d := &f.near[i]; !d.has(c) {
			return &Reason{"NotNear", fmt.Sprintf("%s: no work that it selects is in the %s of the cluster; place that first, or relax the term", d.field, d.key)}
		}
	}
	for i := range f.far {
		if d := &f.far[i]; d.has(c) {
			value, _ := c.Topology(d.key)
			return &Reason{"TooNear", fmt.Sprintf("%s: the work of Placement %s is in the same %s", d.field, d.values[value], d.key)}
		}
	}
	return nil
}

// FilterChunk implements BatchFilter.
func (f *keepingDistance) FilterChunk(_ *Request, c *facts.Chunk, clusters facts.Mask, refuse func(string, facts.Mask)) {
	left := clusters
	for i := range f.near {
		left = left.And(f.near[i].in(c))
	}
	refuse("NotNear", clusters.AndNot(left))
	for i := range f.far {
		refuse("TooNear", left.And(f.far[i].in(c)))
	}
}

// PreferredAffinity scores by the preferred terms of affinity and
// anti-affinity: 50, and in proportion to their weights up to 100 where those
// of affinity are satisfied and down to 0 where those of anti-affinity are not.
// Without such terms it does not count.
type PreferredAffinity struct{}

var _ RequestScorer = PreferredAffinity{}

// Name implements Scorer.
func (PreferredAffinity) Name() string { return "PreferredAffinity" }

// Score implements Scorer for no request in particular; see Affinity.Filter.
func (PreferredAffinity) Score(*Request, *facts.State) int64 { return 50 }

// ForRequest implements RequestScorer.
func (PreferredAffinity) ForRequest(r *Request, fleet *facts.Snapshot) Scorer {
	s := &preferringNear{}
	take := func(a *v1alpha1.Affinity, sign int64) {
		if a == nil {
			return
		}
		for i := range a.Preferred {
			p := &a.Preferred[i]
			t := newTerm(&p.AffinityTerm)
			s.terms = append(s.terms, nearTerm{t.domains(r, fleet), sign * int64(p.Weight)})
			s.most += int64(p.Weight)
		}
	}
	take(r.Spec.Affinity, 1)
	take(r.Spec.AntiAffinity, -1)
	if s.most == 0 {
		return nil
	}
	return s
}

type preferringNear struct {
	PreferredAffinity
	terms []nearTerm
	most  int64
}

type nearTerm struct {
	domains
	weight int64
}

// Score implements Scorer.
func (s *preferringNear) Score(_ *Request, c *facts.State) int64 {
	sum := int64(0)
	for i := range s.terms {
		if s.terms[i].has(c) {
			sum += s.terms[i].weight
		}
	}
	return 50 + 50*sum/s.most
}

// term is an affinity term, compiled.
type term struct {
	*v1alpha1.AffinityTerm
	key      string
	selector labels.Selector
}

func newTerm(t *v1alpha1.AffinityTerm) term {
	selector, err := metav1.LabelSelectorAsSelector(&t.PlacementSelector)
	if err != nil {
		selector = labels.Nothing() // of another's Placement; one's own has been validated
	}
	return term{t, cmp.Or(t.TopologyKey, "cluster"), selector}
}

// reaches says whether a term of a Placement in one namespace looks at another.
func (t *term) reaches(from, to string) bool {
	return t.Scope == v1alpha1.AffinityWorkspace || from == to
}

// selectsFirst says whether the term selects the request itself, and nobody
// else who is placed.
func (t *term) selectsFirst(r *Request) bool {
	if !t.selector.Matches(labels.Set(r.Labels)) {
		return false
	}
	for i := range r.Neighbours {
		if n := &r.Neighbours[i]; !n.is(r) && len(n.Clusters) > 0 && t.selects(r, n) {
			return false
		}
	}
	return true
}

func (t *term) selects(r *Request, n *Neighbour) bool {
	return t.reaches(r.Namespace, n.Namespace) && t.selector.Matches(labels.Set(n.Labels))
}

// domains returns where the work is that a term of the request selects.
func (t *term) domains(r *Request, fleet *facts.Snapshot) domains {
	d := domains{key: t.key, values: map[string]string{}}
	for i := range r.Neighbours {
		if n := &r.Neighbours[i]; !n.is(r) && t.selects(r, n) {
			d.add(n, fleet)
		}
	}
	return d
}

func (n *Neighbour) is(r *Request) bool { return n.Namespace == r.Namespace && n.Name == r.Name }

func (n *Neighbour) name() string { return join(n.Namespace, n.Name) }

// domains are values of a topology key, each with the first Placement, by name,
// whose work is there.
type domains struct {
	key    string
	values map[string]string
	field  string // that asks for them
}

func (d *domains) add(n *Neighbour, fleet *facts.Snapshot) {
	if fleet == nil {
		return
	}
	for _, name := range n.Clusters {
		state, ok := fleet.Lookup(name)
		if !ok {
			continue
		}
		if value, ok := state.Topology(d.key); ok {
			if first, ok := d.values[value]; !ok || n.name() < first {
				d.values[value] = n.name()
			}
		}
	}
}

func (d *domains) has(c *facts.State) bool {
	value, ok := c.Topology(d.key)
	if ok {
		_, ok = d.values[value]
	}
	return ok
}

// in returns which clusters of a chunk lie in the domains.
func (d *domains) in(c *facts.Chunk) facts.Mask {
	return c.Topology(d.key).Select(func(value string, exists bool) bool {
		if exists {
			_, exists = d.values[value]
		}
		return exists
	})
}
