package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// fieldManager is the field manager of what the tool changes.
const fieldManager = "kubectl-tmc"

func cordonCommand(s *session) *cobra.Command {
	return operation(s, "cordon", "Keep new work away from clusters; what is there stays", func(pc *clusterv1alpha1.PhysicalCluster) {
		pc.Spec.Unschedulable = true
	})
}

func uncordonCommand(s *session) *cobra.Command {
	return operation(s, "uncordon", "Let clusters take work again", func(pc *clusterv1alpha1.PhysicalCluster) {
		pc.Spec.Unschedulable, pc.Spec.Drain = false, false
	})
}

// operation changes the spec of clusters, and ends nothing.
func operation(s *session, verb, short string, change func(*clusterv1alpha1.PhysicalCluster)) *cobra.Command {
	dryRun := false
	cmd := &cobra.Command{
		Use: verb + " CLUSTER...", Short: short, Args: cobra.MinimumNArgs(1), ValidArgsFunction: s.completeClusters,
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.changeClusters(cmd.Context(), verb, args, dryRun, change)
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be done, and do nothing")
	return cmd
}

func (s *session) completeClusters(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return s.clusterNames(cmd.Context()), cobra.ShellCompDirectiveNoFileComp
}

// changeClusters changes each cluster, and tells of each.
func (s *session) changeClusters(ctx context.Context, verb string, names []string, dryRun bool, change func(*clusterv1alpha1.PhysicalCluster)) error {
	c, err := s.client(s.platform)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		changed, err := s.changeCluster(ctx, c, name, dryRun, change)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s %s: %w", verb, name, err))
			continue
		}
		done := pastOf(verb)
		switch {
		case !changed:
			done = "already " + done
		case dryRun:
			done += " (dry run)"
		}
		_, _ = fmt.Fprintf(s.out, "physicalcluster.%s/%s %s\n", clusterv1alpha1.Group, name, done)
	}
	return errors.Join(errs...)
}

func pastOf(verb string) string {
	if verb == "drain" {
		return "draining"
	}
	return verb + "ed"
}

func (s *session) changeCluster(ctx context.Context, c client.Client, name string, dryRun bool, change func(*clusterv1alpha1.PhysicalCluster)) (bool, error) {
	pc := &clusterv1alpha1.PhysicalCluster{}
	if err := c.Get(ctx, client.ObjectKey{Name: name}, pc); err != nil {
		return false, err
	}
	before := pc.DeepCopy()
	change(pc)
	if pc.Spec.Drain == before.Spec.Drain && pc.Spec.Unschedulable == before.Spec.Unschedulable {
		return false, nil
	}
	opts := []client.PatchOption{client.FieldOwner(fieldManager)}
	if dryRun {
		opts = append(opts, client.DryRunAll)
	}
	return true, c.Patch(ctx, pc, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), opts...)
}

func drainCommand(s *session) *cobra.Command {
	var c consent
	var wait bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "drain CLUSTER...", Short: "Move all work off clusters, within the budget of disruptions",
		Args: cobra.MinimumNArgs(1), ValidArgsFunction: s.completeClusters,
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
			err = s.changeClusters(cmd.Context(), "drain", args, c.dryRun, func(pc *clusterv1alpha1.PhysicalCluster) { pc.Spec.Drain = true })
			if err != nil || c.dryRun || !wait {
				return err
			}
			return s.awaitDrained(cmd.Context(), args, timeout)
		},
	}
	c.flags(cmd)
	cmd.Flags().BoolVar(&wait, "wait", true, "wait until no decision names the clusters")
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

func moveCommand(s *session) *cobra.Command {
	var c consent
	var from, to string
	cmd := &cobra.Command{
		Use: "move PLACEMENT --from CLUSTER --to CLUSTER", Short: "Move what a placement covers from one cluster to another",
		Long: `Move names, in the placement's spec.clusters.names, the clusters that its decision names
now, with one in place of another. The controller then moves the work by the placement's
own policy: the new copy is healthy before the old one goes, unless it says otherwise.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := s.placementNamed(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			clusters, err := moved(p, from, to)
			if err != nil {
				return err
			}
			_, _ = fmt.Fprintf(s.errOut, "spec.clusters.names: %v, was %v\n", clusters, clusterNamesOf(p))
			if !c.dryRun {
				if err := c.ask(s, fmt.Sprintf("Move the work of %s from %s to %s?", args[0], from, to)); err != nil {
					return err
				}
			}
			return s.move(cmd.Context(), p, clusters, c.dryRun)
		},
	}
	c.flags(cmd)
	for name, value := range map[string]*string{"from": &from, "to": &to} {
		cmd.Flags().StringVar(value, name, "", "the physical cluster")
		_ = cmd.MarkFlagRequired(name)
		_ = cmd.RegisterFlagCompletionFunc(name, s.completeClusters)
	}
	return cmd
}

func clusterNamesOf(p *v1alpha1.Placement) []string {
	if p.Spec.Clusters == nil {
		return nil
	}
	return p.Spec.Clusters.Names
}

// moved returns the clusters that the work is to be on.
func moved(p *v1alpha1.Placement, from, to string) ([]string, error) {
	if !names(p, from) {
		return nil, fmt.Errorf("the decision of %s does not name %s: it names %s", p.Name, from, orDash(targetsText(p.Status.Targets)))
	}
	if from == to {
		return nil, errors.New("--from and --to are the same cluster")
	}
	clusters := []string{to}
	for _, t := range p.Status.Targets {
		if t.Cluster != from && t.Cluster != to && !t.Leaving {
			clusters = append(clusters, t.Cluster)
		}
	}
	slices.Sort(clusters)
	return clusters, nil
}

func (s *session) move(ctx context.Context, p *v1alpha1.Placement, clusters []string, dryRun bool) error {
	cfg, err := s.at(s.workspace)
	if err != nil {
		return err
	}
	d, err := dynamic.NewForConfig(cfg)
	if err != nil {
		return err
	}
	var patcher dynamic.ResourceInterface = d.Resource(clusterPlacementResource)
	if p.Namespace != "" {
		patcher = d.Resource(placementResource).Namespace(p.Namespace)
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": p.UID, "resourceVersion": p.ResourceVersion},
		"spec":     map[string]any{"clusters": map[string]any{"names": clusters}},
	})
	if err != nil {
		return err
	}
	opts := metav1.PatchOptions{FieldManager: fieldManager}
	done := "moving"
	if dryRun {
		opts.DryRun, done = []string{metav1.DryRunAll}, "moving (dry run)"
	}
	if _, err := patcher.Patch(ctx, p.Name, types.MergePatchType, patch, opts); err != nil {
		if apierrors.IsConflict(err) {
			return fmt.Errorf("%s changed meanwhile; try again: %w", p.Name, err)
		}
		return err
	}
	_, _ = fmt.Fprintf(s.out, "%s %s\n", nameOf(p), done)
	return nil
}
