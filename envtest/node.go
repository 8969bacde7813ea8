package envtest

import (
	"context"
	"fmt"
	"maps"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// A Node is a simulated one. What is left empty has a default: 16 CPUs, 64Gi,
// 110 pods, no zone, no region.
type Node struct {
	CPU    string // a quantity, "8" or "7500m"
	Memory string // a quantity, "32Gi"
	Pods   int
	Zone   string // value of topology.kubernetes.io/zone
	Region string // value of topology.kubernetes.io/region
	Labels map[string]string
	Taints []corev1.Taint
	// Extended are further resources, as {"nvidia.com/gpu": "4"}.
	Extended map[corev1.ResourceName]string
}

type nodeGroup struct {
	count int
	node  Node
}

const (
	defaultCPU    = "16"
	defaultMemory = "64Gi"
	defaultPods   = 110
)

func (n Node) resources() (corev1.ResourceList, error) {
	list := corev1.ResourceList{}
	pods := n.Pods
	if pods == 0 {
		pods = defaultPods
	}
	list[corev1.ResourcePods] = *resource.NewQuantity(int64(pods), resource.DecimalSI)
	wanted := map[corev1.ResourceName]string{corev1.ResourceCPU: n.CPU, corev1.ResourceMemory: n.Memory}
	maps.Copy(wanted, n.Extended)
	defaults := map[corev1.ResourceName]string{corev1.ResourceCPU: defaultCPU, corev1.ResourceMemory: defaultMemory}
	for name, text := range wanted {
		if text == "" {
			text = defaults[name]
		}
		q, err := resource.ParseQuantity(text)
		if err != nil {
			return nil, fmt.Errorf("%s of a node is %q, not a quantity such as 8 or 32Gi: %w", name, text, err)
		}
		list[name] = q
	}
	return list, nil
}

// object is the node as a kubelet would register it. Without workloads nobody
// would ever report it ready: it is born so.
func (n Node) object(name string, ready bool) (*corev1.Node, error) {
	resources, err := n.resources()
	if err != nil {
		return nil, err
	}
	labels := map[string]string{
		corev1.LabelHostname: name, corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64", "type": "kwok",
	}
	for label, value := range map[string]string{corev1.LabelTopologyZone: n.Zone, corev1.LabelTopologyRegion: n.Region} {
		if value != "" {
			labels[label] = value
		}
	}
	maps.Copy(labels, n.Labels)
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec:       corev1.NodeSpec{Taints: n.Taints},
		Status:     corev1.NodeStatus{Capacity: resources, Allocatable: resources},
	}
	if ready {
		node.Status.Conditions = []corev1.NodeCondition{{
			Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "Simulated", LastTransitionTime: metav1.Now(),
		}}
	}
	return node, nil
}

// nodeObjects are the nodes of all groups, named after the cluster.
func nodeObjects(cluster string, groups []nodeGroup, ready bool) ([]*corev1.Node, error) {
	var nodes []*corev1.Node
	for _, g := range groups {
		for range g.count {
			node, err := g.node.object(fmt.Sprintf("%s-node-%d", cluster, len(nodes)), ready)
			if err != nil {
				return nil, err
			}
			nodes = append(nodes, node)
		}
	}
	return nodes, nil
}

// registerNodes creates the nodes that are not there, as kubelets do whenever
// their cluster comes up.
func registerNodes(ctx context.Context, c client.Client, nodes []*corev1.Node) error {
	for _, n := range nodes {
		if err := c.Create(ctx, n.DeepCopy()); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("create node %s: %w", n.Name, err)
		}
	}
	return nil
}

// nodesReady fails while a node is not ready or still bears the taint of one
// that is not.
func nodesReady(ctx context.Context, c client.Client, nodes []*corev1.Node) error {
	var list corev1.NodeList
	if err := c.List(ctx, &list); err != nil {
		return fmt.Errorf("list nodes: %w", err)
	}
	ready := map[string]bool{}
	for i := range list.Items {
		ready[list.Items[i].Name] = nodeReady(&list.Items[i])
	}
	for _, n := range nodes {
		if !ready[n.Name] {
			return fmt.Errorf("node %s is not ready", n.Name)
		}
	}
	return nil
}

func nodeReady(n *corev1.Node) bool {
	for _, t := range n.Spec.Taints {
		if t.Key == corev1.TaintNodeNotReady {
			return false
		}
	}
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// freeNodes takes away the leases of nodes. kwok holds them under a name that
// is new with each start, so one that was killed would keep the next from
// tending to the nodes until the leases expire: pods would neither start nor go.
func (c *Cluster) freeNodes(ctx context.Context) error {
	cl, err := client.New(c.Direct(), client.Options{})
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	err = cl.DeleteAllOf(ctx, &coordinationv1.Lease{}, client.InNamespace(corev1.NamespaceNodeLease))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("free the nodes: %w", err)
	}
	return nil
}
