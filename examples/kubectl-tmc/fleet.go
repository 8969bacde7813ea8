package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

// physicalClusters reads those that a selector selects.
func (s *session) physicalClusters(ctx context.Context, selector string) (*clusterv1alpha1.PhysicalClusterList, error) {
	parsed, err := metav1.ParseToLabelSelector(selector)
	if err != nil {
		return nil, fmt.Errorf("--selector: %w", err)
	}
	match, err := metav1.LabelSelectorAsSelector(parsed)
	if err != nil {
		return nil, fmt.Errorf("--selector: %w", err)
	}
	c, err := s.client(s.platform)
	if err != nil {
		return nil, err
	}
	list := &clusterv1alpha1.PhysicalClusterList{}
	if err := c.List(ctx, list, client.MatchingLabelsSelector{Selector: match}); err != nil {
		return nil, fmt.Errorf("list PhysicalClusters: %w; is this the platform's workspace? Name it with --platform", err)
	}
	list.SetGroupVersionKind(clusterv1alpha1.GroupVersion.WithKind("PhysicalClusterList"))
	for i := range list.Items {
		list.Items[i].SetGroupVersionKind(clusterv1alpha1.GroupVersion.WithKind("PhysicalCluster"))
		list.Items[i].ManagedFields = nil
	}
	return list, nil
}

// snapshotOf makes of objects what the engine looks at: what their status says,
// which the controller keeps up to date.
func snapshotOf(list *clusterv1alpha1.PhysicalClusterList) *tmccluster.Snapshot {
	states := make([]*tmccluster.State, 0, len(list.Items))
	for i := range list.Items {
		states = append(states, stateOf(&list.Items[i]))
	}
	return tmccluster.NewSnapshot(states...)
}

func stateOf(pc *clusterv1alpha1.PhysicalCluster) *tmccluster.State {
	st := &tmccluster.State{
		Name: pc.Name, UID: pc.Status.ClusterUID, Labels: pc.Labels,
		Region: pc.Spec.Region, Zone: pc.Spec.Zone, Provider: pc.Spec.Provider,
		Unschedulable: pc.Spec.Unschedulable || pc.Spec.Drain || pc.DeletionTimestamp != nil, Draining: pc.Spec.Drain,
		Version: pc.Status.Version, Properties: map[string]tmccluster.Property{},
	}
	for name, text := range pc.Spec.Properties {
		st.Properties[name] = tmccluster.ParseProperty(text, time.Time{})
	}
	st.Taints = append(st.Taints, pc.Spec.Taints...)
	add := func(key string, effect corev1.TaintEffect) {
		st.Taints = append(st.Taints, clusterv1alpha1.Taint{Key: key, Effect: effect})
	}
	if st.Unschedulable {
		add(clusterv1alpha1.TaintUnschedulable, corev1.TaintEffectNoSchedule)
	}
	if st.Draining {
		add(clusterv1alpha1.TaintDraining, corev1.TaintEffectNoSchedule)
		add(clusterv1alpha1.TaintDraining, corev1.TaintEffectNoExecute)
	}
	if c := meta.FindStatusCondition(pc.Status.Conditions, clusterv1alpha1.ConditionReachable); c != nil {
		st.Reachable = c.Status == metav1.ConditionTrue
		if c.Status == metav1.ConditionFalse {
			st.UnreachableSince = c.LastTransitionTime.Time
			add(clusterv1alpha1.TaintUnreachable, corev1.TaintEffectNoSchedule)
		}
	}
	if c := meta.FindStatusCondition(pc.Status.Conditions, clusterv1alpha1.ConditionReady); c != nil {
		st.Ready, st.Reason, st.Message = c.Status == metav1.ConditionTrue, c.Reason, c.Message
	}
	if c := pc.Status.Capacity; c != nil {
		st.CapacityKnown, st.Nodes = true, c.Nodes
		st.Allocatable, st.Allocated = tmccluster.ResourcesOf(c.Allocatable), tmccluster.ResourcesOf(c.Allocated)
		if c.UsedAt != nil {
			st.Used, st.UsedAt = tmccluster.ResourcesOf(c.Used), c.UsedAt.Time
		}
	}
	return st
}

// apisOf are the resources that the status says the cluster serves.
func apisOf(pc *clusterv1alpha1.PhysicalCluster) []schema.GroupVersionResource {
	var list []schema.GroupVersionResource
	for _, text := range pc.Status.APIs {
		if resource, rest, ok := strings.Cut(text, "."); ok {
			version, group, _ := strings.Cut(rest, ".")
			list = append(list, schema.GroupVersionResource{Group: group, Version: version, Resource: resource})
		}
	}
	return list
}

// connect returns the config that leads to a physical cluster, from the Secret
// of its registration.
func connect(ctx context.Context, platform client.Reader, pc *clusterv1alpha1.PhysicalCluster) (*rest.Config, error) {
	ref := pc.Spec.Connection.SecretRef
	secret := &corev1.Secret{}
	if err := platform.Get(ctx, client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}, secret); err != nil {
		return nil, fmt.Errorf("read Secret %s/%s: %w", ref.Namespace, ref.Name, err)
	}
	key := ref.Key
	if key == "" {
		key = "kubeconfig"
	}
	data, ok := secret.Data[key]
	if !ok {
		return nil, fmt.Errorf("Secret %s/%s has no key %q", ref.Namespace, ref.Name, key) //nolint:staticcheck // Secret is a kind
	}
	cfg, err := tmccluster.LoadKubeconfig(data, tmccluster.Trust{})
	if err != nil {
		return nil, err
	}
	cfg.Timeout = 10 * time.Second
	cfg.WarningHandler = rest.NoWarnings{}
	return cfg, nil
}

// clusterNames completes names of clusters.
func (s *session) clusterNames(ctx context.Context) []string {
	list, err := s.physicalClusters(ctx, "")
	if err != nil {
		return nil
	}
	var names []string
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	return names
}
