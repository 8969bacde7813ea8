package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// kindsFlag says which resources are workloads.
func kindsFlag(cmd *cobra.Command, kinds *[]string) {
	cmd.Flags().StringSliceVar(kinds, "kinds", []string{"deployments.apps", "statefulsets.apps", "jobs.batch"},
		"resources that the controller places; those that a workspace does not serve are left out")
}

// covered returns the workloads that a Placement covers.
func (s *session) covered(ctx context.Context, p *v1alpha1.Placement, kinds []string) ([]placement.Workload, error) {
	cfg, err := s.at(s.workspace)
	if err != nil {
		return nil, err
	}
	mapper, err := mapperFor(cfg)
	if err != nil {
		return nil, err
	}
	siblings, err := s.placements(ctx, scope{})
	if err != nil {
		return nil, err
	}
	var known []*v1alpha1.Placement
	for i := range siblings {
		if siblings[i].Namespace == p.Namespace {
			known = append(known, &siblings[i])
		}
	}
	var work []placement.Workload
	for _, kind := range kinds {
		mapping, err := resolve(mapper, kind)
		if meta.IsNoMatchError(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if (mapping.Scope.Name() == meta.RESTScopeNameNamespace) != (p.Namespace != "") {
			continue
		}
		objects, err := listAll(ctx, cfg, mapping.Resource, p.Namespace, "")
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		work = append(work, workloadsOf(objects, p.Name, known)...)
	}
	return work, nil
}

// workloadsOf returns those of the objects that belong to a Placement.
func workloadsOf(objects []unstructured.Unstructured, name string, known []*v1alpha1.Placement) []placement.Workload {
	var work []placement.Workload
	for i := range objects {
		obj := &objects[i]
		if by := placement.Covering(placement.ObjectOf(obj), known); by == nil || by.Name != name {
			continue
		}
		w := placement.Workload{Kind: obj.GroupVersionKind(), Name: obj.GetName()}
		if n, ok, _ := unstructured.NestedInt64(obj.Object, "spec", "replicas"); ok {
			w.Replicas = new(int32(n))
		}
		if fields, ok, _ := unstructured.NestedMap(obj.Object, "spec", "template", "spec"); ok {
			pod := &corev1.PodSpec{}
			if runtime.DefaultUnstructuredConverter.FromUnstructured(fields, pod) == nil {
				w.Requests = tmccluster.RequestsOfSpec(pod)
			}
		}
		work = append(work, w)
	}
	return work
}

func workloadText(w *placement.Workload) string {
	text := strings.ToLower(w.Kind.Kind) + "/" + w.Name
	if w.Replicas != nil {
		text += fmt.Sprintf(" (%d replicas)", *w.Replicas)
	}
	return text
}

// mapperFor knows the kinds that a workspace serves, and their short names.
func mapperFor(cfg *rest.Config) (meta.RESTMapper, error) {
	d, err := discovery.NewDiscoveryClientForConfig(cfg)
	if err != nil {
		return nil, err
	}
	groups, err := restmapper.GetAPIGroupResources(d)
	if err != nil {
		return nil, fmt.Errorf("discover what %s serves: %w", cfg.Host, err)
	}
	mapper := restmapper.NewDiscoveryRESTMapper(groups)
	var lists []*schemaList
	for _, g := range groups {
		lists = append(lists, shortNames(g)...)
	}
	return &shortMapper{RESTMapper: mapper, short: lists}, nil
}

// schemaList is a short name and what it is short for.
type schemaList struct {
	short    string
	resource schema.GroupResource
}

func shortNames(g *restmapper.APIGroupResources) []*schemaList {
	var lists []*schemaList
	for version, resources := range g.VersionedResources {
		if version != g.Group.PreferredVersion.Version {
			continue
		}
		for i := range resources {
			for _, short := range append(resources[i].ShortNames, strings.ToLower(resources[i].Kind)) {
				lists = append(lists, &schemaList{short, schema.GroupResource{Group: g.Group.Name, Resource: resources[i].Name}})
			}
		}
	}
	return lists
}

// shortMapper knows short names, too.
type shortMapper struct {
	meta.RESTMapper

	short []*schemaList
}

// resolve finds what a person calls "deploy", "deployment" or "deployments.apps".
func resolve(mapper meta.RESTMapper, name string) (*meta.RESTMapping, error) {
	want := schema.ParseGroupResource(strings.ToLower(name))
	if m, ok := mapper.(*shortMapper); ok {
		for _, s := range m.short {
			if s.short == want.Resource && (want.Group == "" || want.Group == s.resource.Group) {
				want = s.resource
				break
			}
		}
	}
	kind, err := mapper.KindFor(want.WithVersion(""))
	if err != nil {
		return nil, err
	}
	return mapper.RESTMapping(kind.GroupKind(), kind.Version)
}
