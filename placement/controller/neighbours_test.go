package controller

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"pgregory.net/rapid"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

func term(pairs ...string) v1alpha1.AffinityTerm {
	t := v1alpha1.AffinityTerm{PlacementSelector: metav1.LabelSelector{MatchLabels: map[string]string{}}}
	for i := 0; i+1 < len(pairs); i += 2 {
		t.PlacementSelector.MatchLabels[pairs[i]] = pairs[i+1]
	}
	return t
}

func app(name, app string, edits ...func(*v1alpha1.Placement)) *v1alpha1.Placement {
	p := &v1alpha1.Placement{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: name, Labels: map[string]string{"app": app}, ResourceVersion: "1"}}
	for _, edit := range edits {
		edit(p)
	}
	return p
}

func placedOn(names ...string) func(*v1alpha1.Placement) {
	return func(p *v1alpha1.Placement) { p.Status.Targets = targets(names...) }
}

func near(terms ...v1alpha1.AffinityTerm) func(*v1alpha1.Placement) {
	return func(p *v1alpha1.Placement) { p.Spec.Affinity = &v1alpha1.Affinity{Required: terms} }
}

func far(terms ...v1alpha1.AffinityTerm) func(*v1alpha1.Placement) {
	return func(p *v1alpha1.Placement) { p.Spec.AntiAffinity = &v1alpha1.Affinity{Required: terms} }
}

func TestNeighboursAreThoseThatMatterInTheWorkspace(t *testing.T) {
	n := newNeighbours()
	key := func(name string) Key { return keyIn("w", "n", name) }
	for _, p := range []*v1alpha1.Placement{
		app("db", "db", placedOn("a", "(b)")), app("cache", "cache", placedOn("c")), app("nowhere", "db"),
		app("hermit", "hermit", placedOn("d"), far(term())),
	} {
		n.observe(key(p.Name), p)
	}
	n.observe(keyIn("other", "n", "db"), app("db", "db", placedOn("z")))
	names := func(p *v1alpha1.Placement) (list []string) {
		for _, neighbour := range n.of(key(p.Name), &p.Spec) {
			list = append(list, fmt.Sprint(neighbour.Name, neighbour.Clusters))
		}
		return list
	}
	require.Equal(t, []string{"hermit[d]"}, names(app("web", "web")), "who keeps others away matters to all")
	require.Equal(t, []string{"db[a]", "hermit[d]"}, names(app("web", "web", near(term("app", "db")))), "another tenant's does not, nor does what is being left")
	require.Equal(t, []string{"cache[c]", "db[a]", "hermit[d]"}, names(app("web", "web", far(term()))), "an empty selector selects all")
	require.Equal(t, []string{"cache[c]", "hermit[d]"}, names(app("web", "web", func(p *v1alpha1.Placement) {
		p.Spec.Affinity = &v1alpha1.Affinity{Preferred: []v1alpha1.PreferredAffinityTerm{{AffinityTerm: term("app", "cache"), Weight: 1}}}
	})))
	n.dropWorkspace("w")
	require.Empty(t, names(app("web", "web", near(term("app", "db")))))
}

func TestNeighboursWakeWhomAChangeConcerns(t *testing.T) {
	n := newNeighbours()
	key := func(name string) Key { return keyIn("w", "n", name) }
	observe := func(p *v1alpha1.Placement) (names []string) {
		for _, k := range n.observe(key(p.Name), p) {
			names = append(names, k.Name)
		}
		return names
	}
	observe(app("web", "web", near(term("app", "db"))))
	observe(app("shy", "shy", far(term("app", "db"))))
	observe(app("loose", "loose", near(term())))
	observe(app("calm", "calm"))
	require.Equal(t, []string{"loose", "shy", "web"}, observe(app("db", "db", placedOn("a"))), "it was placed")
	require.Empty(t, observe(app("db", "db", placedOn("a"))), "nothing changed")
	require.Equal(t, []string{"loose"}, observe(app("calm", "calm", placedOn("a"))))
	require.Equal(t, []string{"calm", "db", "loose", "shy", "web"}, observe(app("hermit", "hermit", placedOn("b"), far(term()))))
	require.Equal(t, []string{"hermit", "loose", "shy", "web"}, observe(app("db", "moved", placedOn("a"))), "another label, and it is gone from the old one's view")

	n.assume(key("calm"), app("calm", "calm"), targets("c"))
	require.Empty(t, n.observe(key("calm"), app("calm", "calm")), "the record is older than the decision")
	require.Equal(t, []string{"c"}, n.get(key("calm")).Clusters)
	require.Len(t, n.drop(key("hermit")), 5, "those that it kept away may come")
	require.Empty(t, n.drop(key("hermit")))
}

// The index finds what a look at every Placement would find.
func TestNeighboursEqualASearch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, all := newNeighbours(), map[string]*v1alpha1.Placement{}
		value := rapid.SampledFrom([]string{"", "x", "y"})
		draw := func(name string) v1alpha1.AffinityTerm {
			t1 := term()
			if v := value.Draw(t, name); v != "" {
				t1 = term("app", v)
			}
			return t1
		}
		for range rapid.IntRange(1, 25).Draw(t, "changes") {
			name := fmt.Sprint("p", rapid.IntRange(0, 5).Draw(t, "name"))
			if rapid.IntRange(0, 5).Draw(t, "drop") == 0 {
				n.drop(keyIn("w", "n", name))
				delete(all, name)
				continue
			}
			p := app(name, value.Draw(t, "label"), placedOn("a"))
			if rapid.Bool().Draw(t, "near") {
				near(draw("nearTo"))(p)
			}
			if rapid.Bool().Draw(t, "far") {
				far(draw("farFrom"))(p)
			}
			n.observe(keyIn("w", "n", name), p)
			all[name] = p
		}
		asker := app("asker", "z", near(draw("asker")))
		var want, got []string
		for name, p := range all {
			selector, err := metav1.LabelSelectorAsSelector(&asker.Spec.Affinity.Required[0].PlacementSelector)
			require.NoError(t, err)
			if selector.Matches(labels.Set(p.Labels)) || p.Spec.AntiAffinity != nil {
				want = append(want, name)
			}
		}
		for _, neighbour := range n.of(keyIn("w", "n", "asker"), &asker.Spec) {
			got = append(got, neighbour.Name)
		}
		slices.Sort(want)
		require.Equal(t, want, got)
	})
}

// Two that keep away from each other are decided at once.
func TestThoseThatKeepAwayFromEachOtherSeeEachOtherBeforeAnythingIsRecorded(t *testing.T) {
	c, questions := burst(t, 4, 4)
	seen := map[string]bool{}
	for _, q := range questions {
		q.placement.Labels = map[string]string{"app": "quorum"}
		far(term("app", "quorum"))(q.placement)
		a, err := c.decide(t.Context(), q)
		require.NoError(t, err)
		seen[a.status.Summary] = true
	}
	require.Len(t, seen, 4, "%v", seen)
}
