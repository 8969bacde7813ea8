package placement

import (
	"fmt"
	"strings"

	"github.com/tmc-sdk/tmc/cluster"
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
	for state := range d.fleet.All() {
		list = append(list, d.verdict(state))
	}
	return list
}

func (d *Decision) verdict(state *cluster.State) Verdict {
	v := Verdict{Cluster: state.Name, Stayed: d.request.On(state.Name)}
	if v.Filter, v.Reason = d.engine.refuse(d.request, state); v.Reason != nil {
		return v
	}
	v.Score = d.engine.score(d.request, state)
	for _, s := range d.engine.scorers {
		v.Scores = append(v.Scores, Score{s.Name(), s.weight, min(100, max(0, s.Score(d.request, state)))})
	}
	for _, t := range d.Targets {
		if t.Cluster == state.Name {
			v.Chosen, v.Share = true, t.Share
		}
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
