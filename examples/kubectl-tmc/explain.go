package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

func explainCommand(s *session) *cobra.Command {
	var kinds []string
	cmd := &cobra.Command{
		Use: "explain PLACEMENT", Short: "Say why work is here and not there, and what would change it",
		Long: `Explain says of every physical cluster whether a decision names it, why, and what
would change that. What is on record was decided by the controller. Why is reckoned
anew, with the built-in filters and scorers and what the clusters say now; filters and
scorers of the controller's own are not known here.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := s.explain(cmd.Context(), args[0], kinds)
			if err != nil {
				return err
			}
			return s.print(e.result())
		},
	}
	kindsFlag(cmd, &kinds)
	return cmd
}

// explanation is what explain collects.
type explanation struct {
	Workspace string     `json:"workspace"`
	Namespace string     `json:"namespace,omitempty"`
	Name      string     `json:"name"`
	Placed    string     `json:"placed"`
	Message   string     `json:"message,omitempty"`
	Workloads []string   `json:"workloads"`
	Clusters  []standing `json:"clusters"`
}

// standing is that of one cluster.
type standing struct {
	Cluster string `json:"cluster"`
	// Here says that the decision on record names the cluster.
	Here    bool   `json:"here"`
	Leaving bool   `json:"leaving,omitempty"`
	Share   *int64 `json:"share,omitempty"`
	Score   int64  `json:"score"`
	Why     string `json:"why"`
	Change  string `json:"change,omitempty"`
}

func (s *session) explain(ctx context.Context, name string, kinds []string) (*explanation, error) {
	p, err := s.placementNamed(ctx, name)
	if err != nil {
		return nil, err
	}
	list, err := s.physicalClusters(ctx, "")
	if err != nil {
		return nil, err
	}
	work, err := s.covered(ctx, p, kinds)
	if err != nil {
		return nil, err
	}
	engine, err := placement.NewEngine()
	if err != nil {
		return nil, err
	}
	return explain(ctx, engine, requestFor(p, work, time.Now()), p, snapshotOf(list))
}

func requestFor(p *v1alpha1.Placement, work []placement.Workload, now time.Time) *placement.Request {
	return &placement.Request{
		Workspace: workspaceOf(p), Namespace: p.Namespace, Name: p.Name, Labels: p.Labels,
		Spec: &p.Spec, Workloads: work, Current: p.Status.Targets, Now: now,
	}
}

// explain compares what is on record with what the engine makes of it now.
func explain(ctx context.Context, engine *placement.Engine, r *placement.Request, p *v1alpha1.Placement, fleet *tmccluster.Snapshot) (*explanation, error) {
	e := &explanation{Workspace: workspaceOf(p), Namespace: p.Namespace, Name: p.Name, Placed: "Unknown", Workloads: []string{}}
	if c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionPlaced); c != nil {
		e.Placed, e.Message = string(c.Status), c.Message
		if c.Status == metav1.ConditionTrue {
			e.Message = ""
		}
	}
	for i := range r.Workloads {
		e.Workloads = append(e.Workloads, workloadText(&r.Workloads[i]))
	}
	d, err := engine.Place(ctx, r, fleet)
	if err != nil {
		return nil, err
	}
	verdicts := d.Verdicts()
	worst, chosen := int64(101), 0
	for i := range verdicts {
		if verdicts[i].Chosen {
			worst, chosen = min(worst, verdicts[i].Score), chosen+1
		}
	}
	known := map[string]bool{}
	for i := range verdicts {
		known[verdicts[i].Cluster] = true
		e.Clusters = append(e.Clusters, standingOf(&verdicts[i], p, worst, chosen))
	}
	for _, t := range p.Status.Targets {
		if !known[t.Cluster] {
			e.Clusters = append(e.Clusters, standing{Cluster: t.Cluster, Here: true, Leaving: t.Leaving, Share: t.Share, Why: "the decision names it, and it is not in the fleet any more"})
		}
	}
	slices.SortStableFunc(e.Clusters, func(a, b standing) int {
		here := func(s standing) int {
			if s.Here {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(here(a), here(b)), cmp.Compare(b.Score, a.Score))
	})
	return e, nil
}

func standingOf(v *placement.Verdict, p *v1alpha1.Placement, worst int64, chosen int) standing {
	s := standing{Cluster: v.Cluster, Score: v.Score}
	for _, t := range p.Status.Targets {
		if t.Cluster == v.Cluster {
			s.Here, s.Leaving, s.Share = true, t.Leaving, t.Share
		}
	}
	switch {
	case s.Leaving:
		s.Why = "work is leaving it: its copies stay until those elsewhere are healthy"
		if v.Reason != nil {
			s.Change = v.Reason.Message
		}
	case v.Reason != nil:
		s.Why = "refused by " + v.Filter + " (" + v.Reason.Code + ")"
		s.Change = v.Reason.Message
		for _, other := range v.Others {
			s.Change += "; and " + other.Reason.Message
		}
		if s.Here {
			s.Why += "; what is there stays until it must leave"
		}
	case s.Here && v.Chosen:
		s.Why = "chosen: it fits, " + scoresText(v)
	case s.Here:
		s.Why = "it was chosen when it was decided; a decision changes only when it must"
	case v.Chosen:
		s.Why, s.Change = "it would be chosen now", "the controller has not decided anew yet"
	default:
		s.Why = "it fits, and others are better: " + scoresText(v)
		s.Change = fmt.Sprintf("raise spec.count.max above %d, or prefer it in spec.preferred until it scores above %d", chosen, worst)
	}
	return s
}

func scoresText(v *placement.Verdict) string {
	var parts []string
	for _, score := range v.Scores {
		parts = append(parts, fmt.Sprintf("%s %d×%d", score.Scorer, score.Score, score.Weight))
	}
	return fmt.Sprintf("score %d (%s)", v.Score, strings.Join(parts, ", "))
}

func (e *explanation) result() *result {
	r := &result{object: e, names: []string{"placement." + v1alpha1.Group + "/" + e.Name}, columns: []string{"CLUSTER", "HERE", "SHARE", "WHY", "WHAT WOULD CHANGE IT"}}
	for _, c := range e.Clusters {
		here, share := "no", ""
		switch {
		case c.Leaving:
			here = "leaving"
		case c.Here:
			here = "yes"
		}
		if c.Share != nil {
			share = strconv.FormatInt(*c.Share, 10)
		}
		r.rows = append(r.rows, []string{c.Cluster, here, share, c.Why, c.Change})
	}
	covers := "It covers nothing of the kinds that were looked at."
	if len(e.Workloads) > 0 {
		covers = "It covers " + strings.Join(e.Workloads, ", ") + "."
	}
	r.notes = append(r.notes, "", fmt.Sprintf("Placement %s: Placed is %s. %s", strings.TrimPrefix(e.Namespace+"/"+e.Name, "/"), e.Placed, covers))
	if e.Message != "" {
		r.notes = append(r.notes, e.Message)
	}
	return r
}
