package controller

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// fieldManager of all that the controller writes.
const fieldManager = "tmc-placement"

// client returns a client for the Placements of a namespace. It needs no
// discovery: the resources are ours.
func (c *Controller) client(ctx context.Context, k Key) (dynamic.ResourceInterface, error) {
	cl, err := c.provider.Get(ctx, k.Workspace)
	if err != nil {
		return nil, err
	}
	client, err := dynamic.NewForConfigAndClient(cl.GetConfig(), cl.GetHTTPClient())
	if err != nil {
		return nil, fmt.Errorf("build client: %w", err)
	}
	if k.Namespace == "" {
		return client.Resource(k.resource()), nil
	}
	return client.Resource(k.resource()).Namespace(k.Namespace), nil
}

// writeStatus replaces the status of the very object that the decision was
// made for. A conflict means that it has changed since, and that the decision
// is to be made again.
func (c *Controller) writeStatus(ctx context.Context, k Key, p *v1alpha1.Placement, status *v1alpha1.PlacementStatus) error {
	patch, err := statusPatch(p, status)
	if err != nil {
		return err
	}
	client, err := c.client(ctx, k)
	if err != nil {
		return err
	}
	c.metrics.writes.WithLabelValues("status").Inc()
	written, err := client.Patch(ctx, k.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager}, "status")
	if err != nil {
		return err
	}
	c.recent.update(k, func(m *memory) {
		m.refreshed, m.granted = c.opts.now(), ""
		if written.GetResourceVersion() != p.ResourceVersion {
			m.wrote = p.ResourceVersion
		}
	})
	return nil
}

// create creates a default Placement.
func (c *Controller) create(ctx context.Context, k Key, spec *v1alpha1.PlacementSpec) error {
	if spec == nil {
		spec = &v1alpha1.PlacementSpec{}
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(spec)
	if err != nil {
		return fmt.Errorf("encode spec: %w", err)
	}
	obj := &unstructured.Unstructured{Object: map[string]any{"spec": fields}}
	obj.SetGroupVersionKind(k.kind())
	obj.SetNamespace(k.Namespace)
	obj.SetName(k.Name)
	obj.SetLabels(map[string]string{ManagedByLabel: ManagedBy})
	client, err := c.client(ctx, k)
	if err != nil {
		return err
	}
	c.metrics.writes.WithLabelValues("create").Inc()
	_, err = client.Create(ctx, obj, metav1.CreateOptions{FieldManager: fieldManager})
	return err
}
