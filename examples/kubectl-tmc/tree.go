package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	"github.com/tmc-sdk/tmc/transform"
)

func treeCommand(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "tree TYPE/NAME", Short: "Show an original, its decision, its copies and how they are",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := s.tree(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return s.print(t.result())
		},
	}
}

// tree is an original and what became of it.
type tree struct {
	Workspace  string   `json:"workspace"`
	Kind       string   `json:"kind"`
	Namespace  string   `json:"namespace,omitempty"`
	Name       string   `json:"name"`
	Placement  string   `json:"placement,omitempty"`
	Conditions []string `json:"conditions,omitempty"`
	Targets    []branch `json:"targets"`
}

// branch is one target, or a cluster with a copy that no decision names.
type branch struct {
	Cluster string `json:"cluster"`
	Share   *int64 `json:"share,omitempty"`
	Leaving bool   `json:"leaving,omitempty"`
	Named   bool   `json:"named"`
	// Copy as namespace/name; empty for none.
	Copy    string `json:"copy,omitempty"`
	Health  string `json:"health"`
	Message string `json:"message,omitempty"`
}

func (s *session) tree(ctx context.Context, argument string) (*tree, error) {
	typeName, name, ok := strings.Cut(argument, "/")
	if !ok {
		return nil, errors.New("want TYPE/NAME, as deployment/web")
	}
	cfg, err := s.at(s.workspace)
	if err != nil {
		return nil, err
	}
	mapper, err := mapperFor(cfg)
	if err != nil {
		return nil, err
	}
	mapping, err := resolve(mapper, typeName)
	if err != nil {
		return nil, err
	}
	namespace, err := s.namespace()
	if err != nil {
		return nil, err
	}
	d, err := dynamic.NewForConfig(cfg)
	if err != nil {
		return nil, err
	}
	var getter dynamic.ResourceInterface = d.Resource(mapping.Resource)
	if mapping.Scope.Name() == "namespace" {
		getter = d.Resource(mapping.Resource).Namespace(namespace)
	}
	original, err := getter.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	all, err := s.placements(ctx, scope{})
	if err != nil {
		return nil, err
	}
	copies, err := s.copies(ctx, original, mapping.Resource)
	if err != nil {
		return nil, err
	}
	return treeOf(original, all, copies), nil
}

// sighting is what one cluster said of a copy.
type sighting struct {
	copied *unstructured.Unstructured // nil for none
	err    error
}

// copies asks every cluster, at once, for the copy of an original.
func (s *session) copies(ctx context.Context, original *unstructured.Unstructured, resource schema.GroupVersionResource) (map[string]sighting, error) {
	list, err := s.physicalClusters(ctx, "")
	if err != nil {
		return nil, err
	}
	platform, err := s.client(s.platform)
	if err != nil {
		return nil, err
	}
	found := make([]sighting, len(list.Items))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for i := range list.Items {
		group.Go(func() error {
			found[i] = lookFor(ctx, platform, &list.Items[i], original, resource)
			return nil
		})
	}
	_ = group.Wait() // none fails
	copies := map[string]sighting{}
	for i := range list.Items {
		copies[list.Items[i].Name] = found[i]
	}
	return copies, nil
}

func lookFor(ctx context.Context, platform client.Reader, pc *clusterv1alpha1.PhysicalCluster, original *unstructured.Unstructured, resource schema.GroupVersionResource) sighting {
	cfg, err := connect(ctx, platform, pc)
	if err != nil {
		return sighting{err: err}
	}
	selector := transform.LabelLogicalCluster + "=" + workspaceOf(original)
	objects, err := listAll(ctx, cfg, resource, "", selector)
	if err != nil {
		return sighting{err: err}
	}
	for i := range objects {
		marks, ok := transform.ReadMarks(&objects[i])
		if ok && marks.Namespace == original.GetNamespace() && marks.Name == original.GetName() {
			return sighting{copied: &objects[i]}
		}
	}
	return sighting{}
}

// treeOf puts together what was read.
func treeOf(original *unstructured.Unstructured, all []v1alpha1.Placement, copies map[string]sighting) *tree {
	t := &tree{Workspace: workspaceOf(original), Kind: original.GetKind(), Namespace: original.GetNamespace(), Name: original.GetName(), Targets: []branch{}}
	conditions, _, _ := unstructured.NestedSlice(original.Object, "status", "conditions")
	for _, c := range conditions {
		if fields, ok := c.(map[string]any); ok && (fields["type"] == "Synced" || fields["type"] == "Healthy") {
			text := fmt.Sprintf("%v=%v", fields["type"], fields["status"])
			if fields["status"] != "True" {
				text += fmt.Sprintf(" (%v: %v)", fields["reason"], fields["message"])
			}
			t.Conditions = append(t.Conditions, text)
		}
	}
	var known []*v1alpha1.Placement
	for i := range all {
		if all[i].Namespace == original.GetNamespace() {
			known = append(known, &all[i])
		}
	}
	named := map[string]bool{}
	if p := placement.Covering(placement.ObjectOf(original), known); p != nil {
		t.Placement = p.Name
		for _, target := range p.Status.Targets {
			named[target.Cluster] = true
			seen, ok := copies[target.Cluster]
			if !ok {
				seen.err = errors.New("it is not in the fleet")
			}
			b := branchOf(target.Cluster, seen)
			b.Named, b.Share, b.Leaving = true, target.Share, target.Leaving
			t.Targets = append(t.Targets, b)
		}
	}
	for name, seen := range copies {
		if !named[name] && seen.copied != nil {
			t.Targets = append(t.Targets, branchOf(name, seen))
		}
	}
	slices.SortStableFunc(t.Targets, func(a, b branch) int { return strings.Compare(a.Cluster, b.Cluster) })
	return t
}

func branchOf(cluster string, seen sighting) branch {
	b := branch{Cluster: cluster}
	switch {
	case seen.err != nil:
		b.Health, b.Message = "Unreachable", seen.err.Error()
	case seen.copied == nil:
		b.Health, b.Message = "Missing", "there is no copy on the cluster"
	default:
		health, message := transform.Health(seen.copied)
		b.Copy = strings.TrimPrefix(seen.copied.GetNamespace()+"/"+seen.copied.GetName(), "/")
		b.Health, b.Message = string(health), message
	}
	return b
}

func (t *tree) result() *result {
	place := strings.TrimPrefix(t.Namespace+"/"+t.Name, "/")
	r := &result{
		object: t, names: []string{strings.ToLower(t.Kind) + "/" + t.Name},
		columns: []string{"TREE", "SHARE", "HEALTH", "MESSAGE"},
	}
	decided := t.Placement
	if decided == "" {
		decided = "none covers it"
	}
	r.rows = append(r.rows,
		[]string{fmt.Sprintf("%s %s in %s", t.Kind, place, t.Workspace), "", "", strings.Join(t.Conditions, ", ")},
		[]string{"└─ Placement " + decided, "", "", ""})
	for i, b := range t.Targets {
		corner := "├─ "
		if i == len(t.Targets)-1 {
			corner = "└─ "
		}
		where := b.Cluster
		if b.Copy != "" {
			where += ": " + b.Copy
		}
		switch {
		case b.Leaving:
			where += " (leaving)"
		case !b.Named:
			where += " (not named by the decision)"
		}
		share := ""
		if b.Share != nil {
			share = fmt.Sprint(*b.Share)
		}
		r.rows = append(r.rows, []string{"   " + corner + where, share, b.Health, b.Message})
	}
	return r
}
