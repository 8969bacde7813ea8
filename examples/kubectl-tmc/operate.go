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

// tenantFlag has an operation concern the work of one tenant alone.
func tenantFlag(cmd *cobra.Command, tenant *string, what string) {
	cmd.Flags().StringVar(tenant, "tenant", "", what+" the work of this workspace alone, by path or logical cluster")
}

// tenant returns the logical cluster of the workspace that a flag names; empty for
// none. A workspace that is not there is an error: nothing would come of it.
func (s *session) tenant(ctx context.Context, workspace string) (string, error) {
	if workspace == "" {
		return "", nil
	}
	lc, err := s.logicalCluster(ctx, workspace)
	if err != nil {
		return "", fmt.Errorf("--tenant: %w", err)
	}
	return workspaceOf(lc), nil
}

// gentle is an operation that ends nothing.
func gentle(s *session, verb, done, short string, op operate) *cobra.Command {
	dryRun, of := false, ""
	cmd := &cobra.Command{
		Use: verb + " CLUSTER...", Short: short, Args: cobra.MinimumNArgs(1), ValidArgsFunction: s.completeClusters,
		RunE: func(cmd *cobra.Command, args []string) error {
			tenant, err := s.tenant(cmd.Context(), of)
			if err != nil {
				return err
			}
			return s.operate(cmd.Context(), args, operation{done, tenant, dryRun, op})
		},
	}
	if verb == "uncordon" {
		tenantFlag(cmd, &of, "let clusters take again")
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

// operation is what is done to clusters.
type operation struct {
	done   string // as it is told when it is done
	tenant string // logical cluster of the tenant whose work alone it is about; empty for all
	dryRun bool
	do     operate
}

func (o *operation) options() []operations.CallOption {
	var opts []operations.CallOption
	if o.dryRun {
		opts = append(opts, operations.DryRun())
	}
	if o.tenant != "" {
		opts = append(opts, operations.OfTenant(o.tenant))
	}
	return opts
}

// operate does the same to each cluster, and tells of each.
func (s *session) operate(ctx context.Context, clusters []string, o operation) error {
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
	var errs []error
	for _, name := range clusters {
		plan, err := o.do(operator, ctx, name, o.options()...)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for line := range strings.Lines(plan.String()) {
			s.progress("%s", strings.TrimSuffix(line, "\n"))
		}
		did := o.done
		if o.tenant != "" {
			did += " for " + o.tenant
		}
		switch {
		case len(plan.Changes) == 0:
			did = "already " + did
		case o.dryRun:
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
	var of string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: verb + " CLUSTER...", Short: short, Args: cobra.MinimumNArgs(1), ValidArgsFunction: s.completeClusters,
		RunE: func(cmd *cobra.Command, args []string) error {
			tenant, err := s.tenant(cmd.Context(), of)
			if err != nil {
				return err
			}
			list, err := s.placements(cmd.Context(), scope{allWorkspaces: true})
			if err != nil {
				return err
			}
			whose, n := "", len(onClusters(list, args, tenant))
			if tenant != "" {
				whose = " of workspace " + of
			}
			s.progress("%d placements%s have work on %s.", n, whose, strings.Join(args, ", "))
			if !c.dryRun {
				if err := c.ask(s, fmt.Sprintf("Move the work of %d placements%s off %s?", n, whose, strings.Join(args, ", "))); err != nil {
					return err
				}
			}
			err = s.operate(cmd.Context(), args, operation{done, tenant, c.dryRun, op})
			if err != nil || c.dryRun || !wait {
				return err
			}
			return s.awaitDrained(cmd.Context(), args, tenant, timeout)
		},
	}
	if verb == "evict" {
		tenantFlag(cmd, &of, "move off, and keep away,")
	}
	c.flags(cmd)
	cmd.Flags().BoolVar(&wait, "wait", verb == "drain", "wait until no decision names the clusters")
	cmd.Flags().DurationVar(&timeout, "timeout", 30*time.Minute, "how long to wait")
	return cmd
}

// onClusters returns the decisions that name one of the clusters; with a tenant,
// those of its workspace.
func onClusters(list []v1alpha1.Placement, clusters []string, tenant string) []v1alpha1.Placement {
	return slices.DeleteFunc(slices.Clone(list), func(p v1alpha1.Placement) bool {
		return tenant != "" && workspaceOf(&p) != tenant || !slices.ContainsFunc(clusters, func(c string) bool { return names(&p, c) })
	})
}

// awaitDrained waits until no decision names the clusters, and tells of every
// change.
func (s *session) awaitDrained(ctx context.Context, clusters []string, tenant string, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for last := -1; ; {
		list, err := s.placements(ctx, scope{allWorkspaces: true})
		if err == nil {
			left := onClusters(list, clusters, tenant)
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
