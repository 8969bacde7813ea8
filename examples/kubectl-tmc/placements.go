package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kcp-dev/logicalcluster/v3"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

func placementsCommand(s *session) *cobra.Command {
	var where scope
	var on string
	cmd := &cobra.Command{
		Use: "placements", Aliases: []string{"placement", "plc"}, Short: "List decisions: what goes where",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := s.placements(cmd.Context(), where)
			if err != nil {
				return err
			}
			if on != "" {
				list = slices.DeleteFunc(list, func(p v1alpha1.Placement) bool { return !names(&p, on) })
			}
			return s.print(placementsResult(list, time.Now()))
		},
	}
	where.flags(cmd)
	cmd.Flags().StringVar(&on, "on", "", "only those whose decision names this physical cluster")
	_ = cmd.RegisterFlagCompletionFunc("on", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return s.clusterNames(cmd.Context()), cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

// scope is how far a command looks.
type scope struct {
	allNamespaces, allWorkspaces bool
	selector                     string
}

func (w *scope) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&w.allNamespaces, "all-namespaces", "A", false, "look in all namespaces")
	cmd.Flags().BoolVar(&w.allWorkspaces, "all-workspaces", false, "look in all workspaces that bind the export")
	cmd.Flags().StringVarP(&w.selector, "selector", "l", "", "labels of the placements")
}

var (
	placementResource        = v1alpha1.GroupVersion.WithResource("placements")
	clusterPlacementResource = v1alpha1.GroupVersion.WithResource("clusterplacements")
)

// placements reads Placements and ClusterPlacements, sorted.
func (s *session) placements(ctx context.Context, where scope) ([]v1alpha1.Placement, error) {
	configs, namespace, err := s.reach(ctx, where)
	if err != nil {
		return nil, err
	}
	var all []v1alpha1.Placement
	for _, cfg := range configs {
		for _, resource := range []schema.GroupVersionResource{placementResource, clusterPlacementResource} {
			objects, err := listAll(ctx, cfg, resource, namespace, where.selector)
			if err != nil {
				return nil, err
			}
			for i := range objects {
				p := v1alpha1.Placement{}
				if err := runtime.DefaultUnstructuredConverter.FromUnstructured(objects[i].Object, &p); err != nil {
					return nil, fmt.Errorf("read %s: %w", objects[i].GetName(), err)
				}
				p.ManagedFields = nil
				all = append(all, p)
			}
		}
	}
	slices.SortFunc(all, func(a, b v1alpha1.Placement) int {
		return cmp.Or(cmp.Compare(workspaceOf(&a), workspaceOf(&b)), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return all, nil
}

// reach returns where to look.
func (s *session) reach(ctx context.Context, where scope) ([]*rest.Config, string, error) {
	if where.allWorkspaces {
		configs, err := s.everywhere(ctx)
		return configs, "", err
	}
	cfg, err := s.at(s.workspace)
	if err != nil {
		return nil, "", err
	}
	if where.allNamespaces {
		return []*rest.Config{cfg}, "", nil
	}
	namespace, err := s.namespace()
	return []*rest.Config{cfg}, namespace, err
}

// listAll reads all objects of a resource, in pages. Cluster-scoped ones are
// read whatever the namespace.
func listAll(ctx context.Context, cfg *rest.Config, resource schema.GroupVersionResource, namespace, selector string) ([]unstructured.Unstructured, error) {
	d, err := dynamic.NewForConfig(cfg)
	if err != nil {
		return nil, err
	}
	var lister dynamic.ResourceInterface = d.Resource(resource)
	if namespace != "" && resource != clusterPlacementResource {
		lister = d.Resource(resource).Namespace(namespace)
	}
	var all []unstructured.Unstructured
	for token := ""; ; {
		list, err := lister.List(ctx, metav1.ListOptions{LabelSelector: selector, Limit: 500, Continue: token})
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", resource.Resource, err)
		}
		all = append(all, list.Items...)
		if token = list.GetContinue(); token == "" {
			return all, nil
		}
	}
}

func workspaceOf(obj logicalcluster.Object) string { return logicalcluster.From(obj).String() }

// names says whether a decision names a cluster.
func names(p *v1alpha1.Placement, cluster string) bool {
	return slices.ContainsFunc(p.Status.Targets, func(t v1alpha1.Target) bool { return t.Cluster == cluster })
}

func placementsResult(list []v1alpha1.Placement, now time.Time) *result {
	r := &result{
		object:  map[string]any{"apiVersion": "v1", "kind": "List", "items": list},
		columns: []string{"WORKSPACE", "NAMESPACE", "NAME", "PLACED", "CLUSTERS", "AGE", "+REASON", "+MESSAGE"},
	}
	for i := range list {
		p := &list[i]
		placed, reason, message := "Unknown", "", ""
		if c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionPlaced); c != nil {
			placed, reason, message = string(c.Status), c.Reason, c.Message
		}
		r.rows = append(r.rows, []string{
			workspaceOf(p), p.Namespace, p.Name, placed, targetsText(p.Status.Targets),
			duration.HumanDuration(now.Sub(p.CreationTimestamp.Time)), reason, message,
		})
		r.names = append(r.names, nameOf(p))
	}
	if len(list) == 0 {
		r.notes = []string{"No placements found."}
	}
	return r
}

func nameOf(p *v1alpha1.Placement) string {
	if p.Namespace == "" {
		return "clusterplacement." + v1alpha1.Group + "/" + p.Name
	}
	return "placement." + v1alpha1.Group + "/" + p.Name
}

// targetsText writes "eu-1:6 us-1:4"; what work is leaving has a minus.
func targetsText(targets []v1alpha1.Target) string {
	var parts []string
	for _, t := range targets {
		text := t.Cluster
		if t.Share != nil {
			text += ":" + strconv.FormatInt(*t.Share, 10)
		}
		if t.Leaving {
			text = "-" + t.Cluster
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, " ")
}

// placement reads the one Placement that an argument names: "web" or
// "placement/web"; "clusterplacement/web" is one of the workspace.
func (s *session) placementNamed(ctx context.Context, argument string) (*v1alpha1.Placement, error) {
	kind, name, ok := strings.Cut(argument, "/")
	if !ok {
		kind, name = "placement", argument
	}
	kind, _, _ = strings.Cut(strings.ToLower(kind), ".")
	cfg, err := s.at(s.workspace)
	if err != nil {
		return nil, err
	}
	d, err := dynamic.NewForConfig(cfg)
	if err != nil {
		return nil, err
	}
	var getter dynamic.ResourceInterface
	switch kind {
	case "placement", "placements", "plc":
		namespace, err := s.namespace()
		if err != nil {
			return nil, err
		}
		getter = d.Resource(placementResource).Namespace(namespace)
	case "clusterplacement", "clusterplacements", "cplc":
		getter = d.Resource(clusterPlacementResource)
	default:
		return nil, errors.New(argument + " is no placement: want NAME, placement/NAME or clusterplacement/NAME")
	}
	u, err := getter.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", kind, name, err)
	}
	p := &v1alpha1.Placement{}
	return p, runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, p)
}
