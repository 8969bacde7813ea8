package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// fieldManager is the field manager of what the tool changes.
const fieldManager = "kubectl-tmc"

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
