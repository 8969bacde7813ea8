package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

func whatIfCommand(s *session) *cobra.Command {
	var kinds, lose, add []string
	var exitCode bool
	cmd := &cobra.Command{
		Use: "what-if", Short: "Say what would move if clusters were lost or added",
		Example: "  kubectl tmc what-if --lose eu-1,eu-2\n  kubectl tmc what-if --add name=us-9,region=us,cpu=64,memory=256Gi,pods=500",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			change := placement.Change{Lost: lose}
			for _, text := range add {
				state, err := imagined(text)
				if err != nil {
					return err
				}
				change.Clusters = append(change.Clusters, state)
			}
			if len(lose)+len(add) == 0 {
				return errors.New("say what happens with --lose or --add")
			}
			return s.whatIf(cmd.Context(), kinds, change, exitCode)
		},
	}
	kindsFlag(cmd, &kinds)
	cmd.Flags().StringSliceVar(&lose, "lose", nil, "clusters that leave the fleet")
	cmd.Flags().StringArrayVar(&add, "add", nil, "a cluster that joins it, as name=N,region=R,zone=Z,provider=P,cpu=C,memory=M,pods=N,label.KEY=VALUE; may be repeated")
	cmd.Flags().BoolVar(&exitCode, "exit-code", false, "exit with 2 if a decision would change")
	_ = cmd.RegisterFlagCompletionFunc("lose", s.completeClusters)
	return cmd
}

func (s *session) whatIf(ctx context.Context, kinds []string, change placement.Change, exitCode bool) error {
	list, err := s.physicalClusters(ctx, "")
	if err != nil {
		return err
	}
	fleet := snapshotOf(list)
	for _, name := range change.Lost {
		if _, ok := fleet.Lookup(name); !ok {
			return fmt.Errorf("there is no physical cluster %s", name)
		}
	}
	requests, err := s.requests(ctx, kinds)
	if err != nil {
		return err
	}
	engine, err := placement.NewEngine()
	if err != nil {
		return err
	}
	plan, err := engine.WhatIf(ctx, requests, fleet, change)
	if err != nil {
		return err
	}
	if err := s.print(planResult(plan)); err != nil {
		return err
	}
	if exitCode && !plan.Empty() {
		return errFindings
	}
	return nil
}

// requests are those of all Placements in all workspaces.
func (s *session) requests(ctx context.Context, kinds []string) ([]*placement.Request, error) {
	all, err := s.placements(ctx, scope{allWorkspaces: true})
	if err != nil {
		return nil, err
	}
	configs, err := s.everywhere(ctx)
	if err != nil {
		return nil, err
	}
	var objects []unstructured.Unstructured
	for _, cfg := range configs {
		mapper, err := mapperFor(cfg)
		if err != nil {
			return nil, err
		}
		for _, kind := range kinds {
			mapping, err := resolve(mapper, kind)
			if meta.IsNoMatchError(err) {
				continue
			}
			if err != nil {
				return nil, err
			}
			found, err := listAll(ctx, cfg, mapping.Resource, "", "")
			if err != nil {
				return nil, err
			}
			objects = append(objects, found...)
		}
	}
	return requestsOf(all, objects, time.Now()), nil
}

// home is a namespace of a workspace.
type home struct{ workspace, namespace string }

func requestsOf(all []v1alpha1.Placement, objects []unstructured.Unstructured, now time.Time) []*placement.Request {
	siblings, inside := map[home][]*v1alpha1.Placement{}, map[home][]unstructured.Unstructured{}
	for i := range all {
		at := home{workspaceOf(&all[i]), all[i].Namespace}
		siblings[at] = append(siblings[at], &all[i])
	}
	for i := range objects {
		at := home{workspaceOf(&objects[i]), objects[i].GetNamespace()}
		inside[at] = append(inside[at], objects[i])
	}
	requests := make([]*placement.Request, 0, len(all))
	for i := range all {
		p := &all[i]
		at := home{workspaceOf(p), p.Namespace}
		requests = append(requests, requestFor(p, workloadsOf(inside[at], p.Name, siblings[at]), now))
	}
	return requests
}

// imagined makes a cluster of "name=us-9,region=us,cpu=64".
func imagined(text string) (*tmccluster.State, error) {
	st := &tmccluster.State{Labels: map[string]string{}, Ready: true, Reachable: true}
	for part := range strings.SplitSeq(text, ",") {
		key, value, ok := strings.Cut(part, "=")
		if !ok || value == "" {
			return nil, fmt.Errorf("--add: %q is not of the form KEY=VALUE", part)
		}
		label, isLabel := strings.CutPrefix(key, "label.")
		switch {
		case isLabel:
			st.Labels[label] = value
		case key == "name":
			st.Name = value
		case key == "region":
			st.Region = value
		case key == "zone":
			st.Zone = value
		case key == "provider":
			st.Provider = value
		default:
			if err := imagineRoom(st, key, value); err != nil {
				return nil, err
			}
		}
	}
	if st.Name == "" {
		return nil, errors.New("--add: the cluster needs a name")
	}
	return st, nil
}

func imagineRoom(st *tmccluster.State, key, value string) error {
	q, err := resource.ParseQuantity(value)
	if err != nil {
		return fmt.Errorf("--add: %s=%s: %w", key, value, err)
	}
	st.CapacityKnown = true
	switch key {
	case "cpu":
		st.Allocatable.MilliCPU = q.MilliValue()
	case "memory":
		st.Allocatable.Memory = q.Value()
	case "pods":
		st.Allocatable.Pods = q.Value()
	default:
		return fmt.Errorf("--add: %q is unknown: name, region, zone, provider, cpu, memory, pods or label.KEY", key)
	}
	return nil
}

func planResult(plan *placement.Plan) *result {
	r := &result{object: plan, columns: []string{"WORKSPACE", "NAMESPACE", "PLACEMENT", "BEFORE", "AFTER", "REASON", "+MESSAGE"}}
	for _, c := range plan.Changed {
		r.rows = append(r.rows, []string{c.Workspace, c.Namespace, c.Name, targetsText(c.Before), targetsText(c.After), c.Reason, c.Message})
		r.names = append(r.names, "placement."+v1alpha1.Group+"/"+c.Name)
	}
	for _, c := range slices.Clone(plan.Clusters) {
		r.notes = append(r.notes, fmt.Sprintf("%s: %d replicas, now %d", c.Cluster, c.After, c.Before))
	}
	r.notes = append(r.notes, fmt.Sprintf("%d decisions would change, %d would stay; %d replicas would start elsewhere.", len(plan.Changed), plan.Unchanged, plan.Replicas))
	return r
}
