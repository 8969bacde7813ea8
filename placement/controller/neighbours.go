package controller

import (
	"maps"
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// neighbours knows, of each workspace apart, what affinity looks at: which
// Placements there are, their labels, and where their work is. It answers with
// the few that matter, by an index over labels.
type neighbours struct {
	mu          sync.RWMutex
	byWorkspace map[multicluster.ClusterName]*neighbourhood
}

// neighbourhood is one workspace.
type neighbourhood struct {
	all map[Key]*neighbour
	// byLabel has the Placements by each of their labels.
	byLabel map[label]map[Key]struct{}
	// seekers have the Placements with required terms by a label that one of
	// their terms demands; a term that demands none is under the zero label.
	seekers map[label]map[Key]struct{}
	// keepers have required anti-affinity: others keep away from them.
	keepers map[Key]struct{}
}

type label struct{ key, value string }

// neighbour is one Placement.
type neighbour struct {
	placement.Neighbour
	required []seeking
	// base is the resourceVersion of the Placement that an assumed decision
	// rests on; what is on record there is older than the decision.
	base string
}

// seeking is a required term, of affinity or anti-affinity.
type seeking struct {
	selector labels.Selector
	demands  label // one label that it demands
}

func newNeighbours() *neighbours {
	return &neighbours{byWorkspace: map[multicluster.ClusterName]*neighbourhood{}}
}

// observe takes in a Placement as it is on record. It returns those whom the
// change concerns: they may have waited for it.
func (n *neighbours) observe(k Key, p *v1alpha1.Placement) []Key {
	n.mu.Lock()
	defer n.mu.Unlock()
	if known := n.get(k); known != nil && known.base != "" && known.base == p.ResourceVersion {
		return nil // the record is older than what was decided
	}
	return n.put(k, p, chosenOf(p.Status.Targets), "")
}

// assume takes in a decision that is about to be recorded.
func (n *neighbours) assume(k Key, p *v1alpha1.Placement, targets []v1alpha1.Target) []Key {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.put(k, p, chosenOf(targets), p.ResourceVersion)
}

// drop forgets a Placement; it returns those whom that concerns.
func (n *neighbours) drop(k Key) []Key {
	n.mu.Lock()
	defer n.mu.Unlock()
	hood := n.byWorkspace[k.Workspace]
	if hood == nil || hood.all[k] == nil {
		return nil
	}
	concerned := hood.concerned(k, hood.all[k])
	hood.remove(k)
	if len(hood.all) == 0 {
		delete(n.byWorkspace, k.Workspace)
	}
	return slices.SortedFunc(maps.Keys(concerned), compareKeys)
}

// dropWorkspace forgets a workspace.
func (n *neighbours) dropWorkspace(name multicluster.ClusterName) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.byWorkspace, name)
}

// of returns the neighbours that matter for a Placement with a spec, sorted:
// those that its terms select, and those that keep others away. It looks at no
// other workspace.
func (n *neighbours) of(k Key, spec *v1alpha1.PlacementSpec) []placement.Neighbour {
	n.mu.RLock()
	defer n.mu.RUnlock()
	hood := n.byWorkspace[k.Workspace]
	if hood == nil {
		return nil
	}
	found := maps.Clone(hood.keepers)
	for _, s := range append(requiredOf(spec), preferredOf(spec)...) {
		maps.Copy(found, hood.selected(s))
	}
	delete(found, k)
	list := make([]placement.Neighbour, 0, len(found))
	for _, other := range slices.SortedFunc(maps.Keys(found), compareKeys) {
		if o := hood.all[other]; len(o.Clusters) > 0 {
			list = append(list, o.Neighbour)
		}
	}
	return list
}

func (n *neighbours) get(k Key) *neighbour {
	if hood := n.byWorkspace[k.Workspace]; hood != nil {
		return hood.all[k]
	}
	return nil
}

func (n *neighbours) put(k Key, p *v1alpha1.Placement, clusters []string, base string) []Key {
	hood := n.byWorkspace[k.Workspace]
	if hood == nil {
		hood = &neighbourhood{all: map[Key]*neighbour{}, byLabel: map[label]map[Key]struct{}{}, seekers: map[label]map[Key]struct{}{}, keepers: map[Key]struct{}{}}
		n.byWorkspace[k.Workspace] = hood
	}
	now := &neighbour{
		Neighbour: placement.Neighbour{Namespace: k.Namespace, Name: k.Name, Labels: p.Labels, Clusters: clusters},
		required:  requiredOf(&p.Spec), base: base,
	}
	if a := p.Spec.AntiAffinity; a != nil {
		now.AntiAffinity = a.Required
	}
	old := hood.all[k]
	var concerned map[Key]struct{}
	if old == nil || !slices.Equal(old.Clusters, clusters) || !maps.Equal(old.Labels, now.Labels) || len(old.AntiAffinity)+len(now.AntiAffinity) > 0 {
		concerned = hood.concerned(k, old)
	}
	hood.remove(k)
	hood.add(k, now)
	if concerned != nil {
		maps.Copy(concerned, hood.concerned(k, now))
	}
	return slices.SortedFunc(maps.Keys(concerned), compareKeys)
}

func (h *neighbourhood) add(k Key, n *neighbour) {
	h.all[k] = n
	for key, value := range n.Labels {
		insert(h.byLabel, label{key, value}, k)
	}
	for _, s := range n.required {
		insert(h.seekers, s.demands, k)
	}
	if len(n.AntiAffinity) > 0 {
		h.keepers[k] = struct{}{}
	}
}

func (h *neighbourhood) remove(k Key) {
	n := h.all[k]
	if n == nil {
		return
	}
	for key, value := range n.Labels {
		remove(h.byLabel, label{key, value}, k)
	}
	for _, s := range n.required {
		remove(h.seekers, s.demands, k)
	}
	delete(h.keepers, k)
	delete(h.all, k)
}

// concerned returns those whose terms select a Placement, and those that its
// own terms keep away.
func (h *neighbourhood) concerned(k Key, n *neighbour) map[Key]struct{} {
	found := map[Key]struct{}{}
	if n == nil {
		return found
	}
	seek := func(demanded label) {
		for other := range h.seekers[demanded] {
			if slices.ContainsFunc(h.all[other].required, func(s seeking) bool { return s.selector.Matches(labels.Set(n.Labels)) }) {
				found[other] = struct{}{}
			}
		}
	}
	seek(label{})
	for key, value := range n.Labels {
		seek(label{key, value})
	}
	for i := range n.AntiAffinity {
		maps.Copy(found, h.selected(seekingOf(&n.AntiAffinity[i])))
	}
	delete(found, k)
	return found
}

// selected returns those whom a term selects.
func (h *neighbourhood) selected(s seeking) map[Key]struct{} {
	found := map[Key]struct{}{}
	take := func(k Key) {
		if s.selector.Matches(labels.Set(h.all[k].Labels)) {
			found[k] = struct{}{}
		}
	}
	if s.demands != (label{}) {
		for k := range h.byLabel[s.demands] {
			take(k)
		}
		return found
	}
	for k := range h.all {
		take(k)
	}
	return found
}

func requiredOf(spec *v1alpha1.PlacementSpec) (list []seeking) {
	for _, a := range []*v1alpha1.Affinity{spec.Affinity, spec.AntiAffinity} {
		if a == nil {
			continue
		}
		for i := range a.Required {
			list = append(list, seekingOf(&a.Required[i]))
		}
	}
	return list
}

func preferredOf(spec *v1alpha1.PlacementSpec) (list []seeking) {
	for _, a := range []*v1alpha1.Affinity{spec.Affinity, spec.AntiAffinity} {
		if a == nil {
			continue
		}
		for i := range a.Preferred {
			list = append(list, seekingOf(&a.Preferred[i].AffinityTerm))
		}
	}
	return list
}

func seekingOf(t *v1alpha1.AffinityTerm) seeking {
	selector, err := metav1.LabelSelectorAsSelector(&t.PlacementSelector)
	if err != nil {
		return seeking{selector: labels.Nothing()} // the engine says so
	}
	s := seeking{selector: selector}
	if keys := slices.Sorted(maps.Keys(t.PlacementSelector.MatchLabels)); len(keys) > 0 {
		s.demands = label{keys[0], t.PlacementSelector.MatchLabels[keys[0]]}
	}
	return s
}

func insert(index map[label]map[Key]struct{}, at label, k Key) {
	if index[at] == nil {
		index[at] = map[Key]struct{}{}
	}
	index[at][k] = struct{}{}
}

func remove(index map[label]map[Key]struct{}, at label, k Key) {
	delete(index[at], k)
	if len(index[at]) == 0 {
		delete(index, at)
	}
}
