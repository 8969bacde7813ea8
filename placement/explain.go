package placement

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Verdict is what was made of one cluster.
type Verdict struct {
	// Cluster that was looked at.
	Cluster string
	// Filter that refused it, and why; empty if it fits.
	Filter string
	Reason *Reason
	// Score of a cluster that fits, and what each scorer gave.
	Score  int64
	Scores []Score
	// Chosen says that the decision names the cluster, Share what it gets.
	Chosen bool
	Share  *int64
	// Stayed says that work was on the cluster before.
	Stayed bool
}

// Score is what one scorer gave.
type Score struct {
	Scorer string
	Weight int64
	Score  int64
}

// Verdicts computes, anew, what was made of every cluster, by name.
func (d *Decision) Verdicts() []Verdict {
	if d.engine == nil {
		return nil
	}
	list := make([]Verdict, 0, d.fleet.Len())
	filters, scorers := d.engine.filtersFor(d.request, d.fleet), d.engine.scorersFor(d.request, d.fleet)
	for state := range d.fleet.All() {
		list = append(list, d.verdict(filters, scorers, state))
	}
	return list
}

func (d *Decision) verdict(filters []Filter, scorers []weighted, state *cluster.State) Verdict {
	v := Verdict{Cluster: state.Name, Stayed: d.request.On(state.Name)}
	for _, f := range filters {
		if v.Reason = f.Filter(d.request, state); v.Reason != nil {
			v.Filter = f.Name()
			return v
		}
	}
	var weights int64
	for _, s := range scorers {
		score := min(100, max(0, s.Score(d.request, state)))
		v.Scores = append(v.Scores, Score{s.Name(), s.weight, score})
		v.Score, weights = v.Score+s.weight*score, weights+s.weight
	}
	v.Score /= max(1, weights)
	at, ok := slices.BinarySearchFunc(d.Targets, state.Name, func(t v1alpha1.Target, name string) int { return strings.Compare(t.Cluster, name) })
	if ok {
		v.Chosen, v.Share = true, d.Targets[at].Share
	}
	return v
}

// Explain says, for people, why each cluster was chosen or not.
func (d *Decision) Explain() string {
	var b strings.Builder
	if d.Reason != "" {
		fmt.Fprintf(&b, "%s: %s\n", d.Reason, d.Message)
	}
	for _, v := range d.Verdicts() {
		switch {
		case v.Reason != nil:
			fmt.Fprintf(&b, "%s: refused by %s (%s): %s\n", v.Cluster, v.Filter, v.Reason.Code, v.Reason.Message)
			continue
		case v.Chosen && v.Share != nil:
			fmt.Fprintf(&b, "%s: chosen with a share of %d", v.Cluster, *v.Share)
		case v.Chosen:
			fmt.Fprintf(&b, "%s: chosen", v.Cluster)
		default:
			fmt.Fprintf(&b, "%s: fits, others are better", v.Cluster)
		}
		if v.Stayed {
			b.WriteString(", work is there")
		}
		fmt.Fprintf(&b, "; score %d", v.Score)
		for i, s := range v.Scores {
			sep := ", "
			if i == 0 {
				sep = " ("
			}
			fmt.Fprintf(&b, "%s%s %d×%d", sep, s.Scorer, s.Score, s.Weight)
		}
		b.WriteString(")\n")
	}
	return b.String()
}
