package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/operations"
	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// operate is one call of an Operator for one cluster.
type operate func(o *operations.Operator, ctx context.Context, name string, opts ...operations.CallOption) (*operations.Plan, error)

func cordonCommand(s *session) *cobra.Command {
	return gentle(s, "cordon", "cordoned", "Keep new work away from clusters; what is there stays", (*operations.Operator).Cordon)
}

func uncordonCommand(s *session) *cobra.Command {
	return gentle(s, "uncordon", "uncordoned", "Let clusters take work again", (*operations.Operator).Uncordon)
}

// gentle is an operation that ends nothing.
func gentle(s *session, verb, done, short string, op operate) *cobra.Command {
	dryRun := false
	cmd := &cobra.Command{
		Use: verb + " CLUSTER...", Short: short, Args: cobra.MinimumNArgs(1), ValidArgsFunction: s.completeClusters,
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.operate(cmd.Context(), args, done, dryRun, op)
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be done, and do nothing")
	return cmd
}

func (s *session) completeClusters(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return s.clusterNames(cmd.Context()), cobra.ShellCompDirectiveNoFileComp
}

// here is the fleet as it was read.
type here struct{ fleet *tmccluster.Snapshot }

func (h here) Snapshot() *tmccluster.Snapshot { return h.fleet }

// operate does the same to each cluster, and tells of each.
func (s *session) operate(ctx context.Context, clusters []string, done string, dryRun bool, op operate) error {
	cfg, err := s.at(s.platform)
	if err != nil {
		return err
	}
	list, err := s.physicalClusters(ctx, "")
	if err != nil {
		return err
	}
	operator, err := operations.NewOperator(cfg, operations.WithFleet(here{snapshotOf(list)}))
	if err != nil {
		return err
	}
	var opts []operations.CallOption
	if dryRun {
		opts = append(opts, operations.DryRun())
	}
	var errs []error
	for _, name := range clusters {
		plan, err := op(operator, ctx, name, opts...)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for line := range strings.Lines(plan.String()) {
			s.progress("%s", strings.TrimSuffix(line, "\n"))
		}
		did := done
		switch {
		case len(plan.Changes) == 0:
			did = "already " + done
		case dryRun:
			did += " (dry run)"
		}
		_, _ = fmt.Fprintf(s.out, "physicalcluster.%s/%s %s\n", clusterv1alpha1.Group, name, did)
	}
	return errors.Join(errs...)
}

func drainCommand(s *session) *cobra.Command {
	return leaving(s, "drain", "draining", "Move all work off clusters, within the budget of disruptions", (*operations.Operator).Drain)
}

func evictCommand(s *session) *cobra.Command {
	return leaving(s, "evict", "evicting", "Move off clusters all work that does not tolerate it", (*operations.Operator).Evict)
}

// leaving is an operation that moves work.
func leaving(s *session, verb, done, short string, op operate) *cobra.Command {
	var c consent
	var wait bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: verb + " CLUSTER...", Short: short, Args: cobra.MinimumNArgs(1), ValidArgsFunction: s.completeClusters,
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := s.placements(cmd.Context(), scope{allWorkspaces: true})
			if err != nil {
				return err
			}
			n := len(onClusters(list, args))
			s.progress("%d placements have work on %s.", n, strings.Join(args, ", "))
			if !c.dryRun {
				if err := c.ask(s, fmt.Sprintf("Move the work of %d placements off %s?", n, strings.Join(args, ", "))); err != nil {
					return err
				}
			}
			err = s.operate(cmd.Context(), args, done, c.dryRun, op)
			if err != nil || c.dryRun || !wait {
				return err
			}
			return s.awaitDrained(cmd.Context(), args, timeout)
		},
	}
	c.flags(cmd)
	cmd.Flags().BoolVar(&wait, "wait", verb == "drain", "wait until no decision names the clusters")
	cmd.Flags().DurationVar(&timeout, "timeout", 30*time.Minute, "how long to wait")
	return cmd
}

// onClusters returns the decisions that name one of the clusters.
func onClusters(list []v1alpha1.Placement, clusters []string) []v1alpha1.Placement {
	return slices.DeleteFunc(slices.Clone(list), func(p v1alpha1.Placement) bool {
		return !slices.ContainsFunc(clusters, func(c string) bool { return names(&p, c) })
	})
}

// awaitDrained waits until no decision names the clusters, and tells of every
// change.
func (s *session) awaitDrained(ctx context.Context, clusters []string, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for last := -1; ; {
		list, err := s.placements(ctx, scope{allWorkspaces: true})
		if err == nil {
			left := onClusters(list, clusters)
			if len(left) != last {
				s.progress("%d placements have work there", len(left))
				last = len(left)
			}
			if last == 0 {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("gave up waiting: %d placements still have work there; the drain goes on, and kubectl tmc placements --all-workspaces --on NAME shows them", max(last, 0))
		}
	}
}
