package placement

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tmc-sdk/tmc/cluster/facts"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Verdict is what was made of one cluster.
type Verdict struct {
	// Cluster that was looked at.
	Cluster string
	// Filter that refused it, and why; empty if it fits.
	Filter string
	Reason *Reason
	// Others that refuse it as well: for the cluster to fit, all of these
	// would have to change.
	Others []Refusal
	// Score of a cluster that fits, and what each scorer gave.
	Score  int64
	Scores []Score
	// Chosen says that the decision names the cluster, Share what it gets.
	Chosen bool
	Share  *int64
	// Stayed says that work was on the cluster before.
	Stayed bool
}

// Refusal is one filter that refuses a cluster.
type Refusal struct {
	Filter string
	Reason Reason
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
	judge := d.judge()
	for state := range d.fleet.All() {
		list = append(list, judge(state))
	}
	return list
}

// Verdict computes what was made of one cluster; false if it is not there.
func (d *Decision) Verdict(name string) (Verdict, bool) {
	if d.engine == nil {
		return Verdict{}, false
	}
	state, ok := d.fleet.Lookup(name)
	if !ok {
		return Verdict{}, false
	}
	return d.judge()(state), true
}

func (d *Decision) judge() func(*facts.State) Verdict {
	filters, scorers := d.engine.filtersFor(d.request, d.fleet), d.engine.scorersFor(d.request, d.fleet)
	return func(state *facts.State) Verdict { return d.verdict(filters, scorers, state) }
}

func (d *Decision) verdict(filters []Filter, scorers []weighted, state *facts.State) Verdict {
	v := Verdict{Cluster: state.Name, Stayed: d.request.On(state.Name)}
	for _, f := range filters {
		switch reason := f.Filter(d.request, state); {
		case reason == nil:
		case v.Reason == nil:
			v.Filter, v.Reason = f.Name(), reason
		default:
			v.Others = append(v.Others, Refusal{f.Name(), *reason})
		}
	}
	if v.Reason != nil {
		return v
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
	d.explainChoice(&b)
	for _, v := range d.Verdicts() {
		v.write(&b)
	}
	return b.String()
}

// String says what was made of the cluster, in one line.
func (v *Verdict) String() string {
	var b strings.Builder
	v.write(&b)
	return strings.TrimSuffix(b.String(), "\n")
}

func (v *Verdict) write(b *strings.Builder) {
	switch {
	case v.Reason != nil:
		fmt.Fprintf(b, "%s: refused by %s (%s): %s", v.Cluster, v.Filter, v.Reason.Code, v.Reason.Message)
		for i := range v.Others {
			fmt.Fprintf(b, "; and by %s (%s): %s", v.Others[i].Filter, v.Others[i].Reason.Code, v.Others[i].Reason.Message)
		}
		b.WriteByte('\n')
		return
	case v.Chosen && v.Share != nil:
		fmt.Fprintf(b, "%s: chosen with a share of %d", v.Cluster, *v.Share)
	case v.Chosen:
		fmt.Fprintf(b, "%s: chosen", v.Cluster)
	default:
		fmt.Fprintf(b, "%s: fits, others are better", v.Cluster)
	}
	if v.Stayed {
		b.WriteString(", work is there")
	}
	fmt.Fprintf(b, "; score %d", v.Score)
	for i, s := range v.Scores {
		sep := ", "
		if i == 0 {
			sep = " ("
		}
		fmt.Fprintf(b, "%s%s %d×%d", sep, s.Scorer, s.Score, s.Weight)
	}
	if len(v.Scores) > 0 {
		b.WriteByte(')')
	}
	b.WriteByte('\n')
}

// explainChoice says what count, spread and division made of the clusters that
// fit, and which layers had a say.
func (d *Decision) explainChoice(b *strings.Builder) {
	if d.engine == nil {
		return
	}
	for _, field := range sortedKeys(d.request.Layers) {
		fmt.Fprintf(b, "spec.%s is of layer %q\n", field, d.request.Layers[field])
	}
	c := &d.choice
	if len(c.levels) == 0 && !c.cut && !c.roomy {
		return
	}
	fmt.Fprintf(b, "%d clusters fit, %d to %d are asked for, %d are chosen\n", c.fitting, c.least, c.most, c.chosen)
	for i := range c.levels {
		d.explainLevel(b, &c.levels[i], c.chosen > 0 && i >= len(c.levels)-c.dropped)
	}
	if c.roomy {
		b.WriteString("the best by score had no room for all replicas, or fewer clusters hold them\n")
	}
	if c.cut {
		fmt.Fprintf(b, "spread: levels that cross were searched for %d steps; a better choice may exist\n", mostSteps)
	}
}

func (d *Decision) explainLevel(b *strings.Builder, l *level, dropped bool) {
	groups := map[string]int{}
	for i := range d.Targets {
		if state, ok := d.fleet.Lookup(d.Targets[i].Cluster); ok {
			if value, ok := state.Topology(l.key); ok {
				groups[value]++
			}
		}
	}
	fmt.Fprintf(b, "spread over %s:", l.key)
	for _, value := range sortedKeys(groups) {
		fmt.Fprintf(b, " %s=%d", value, groups[value])
	}
	fmt.Fprintf(b, " (groups: %s; skew: %s)", within(l.low, l.high), within(0, l.skew))
	if dropped {
		b.WriteString(", not satisfiable and not required")
	}
	b.WriteByte('\n')
}

func within(low, high int) string {
	switch {
	case high >= unlimited && low <= 0:
		return "any"
	case high >= unlimited:
		return fmt.Sprintf("at least %d", low)
	case low <= 0:
		return fmt.Sprintf("at most %d", high)
	case low == high:
		return fmt.Sprint(low)
	}
	return fmt.Sprintf("%d to %d", low, high)
}

// mostEvent bounds the length of an event's message, as API servers do.
const mostEvent = 1024

// Event is the decision in one sentence of bounded length: where the work goes
// or why it does not, and what refused the rest of the fleet.
func (d *Decision) Event() string {
	var b strings.Builder
	if d.Reason != "" {
		b.WriteString(d.Message)
	} else {
		fmt.Fprintf(&b, "placed on %s", brief(d.Targets))
	}
	for i := range d.Rejected {
		sep := "; refused: "
		if i > 0 {
			sep = ", "
		}
		fmt.Fprintf(&b, "%s%d %s (%s)", sep, d.Rejected[i].Count, d.Rejected[i].Reason, d.Rejected[i].Filter)
	}
	return shorten(b.String(), mostEvent)
}
