package controller

import (
	"context"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// WorkspaceDefaultsLabel with the value "true" on a ClusterPlacement makes its
// spec the default of all Placements of the workspace: what they leave out, it
// says, before the layers above have their say. What it covers itself is as with
// any ClusterPlacement. Of several the first by name counts.
const WorkspaceDefaultsLabel = "placement.tmc-sdk.dev/workspace-defaults"

// workspaceLayer is the name of the layer of a workspace's own defaults.
const workspaceLayer = "workspace"

// workspaceDefaults returns the policy of the workspace itself for one of its
// Placements; nil if it has none.
func (c *Controller) workspaceDefaults(ctx context.Context, k Key) *Policy {
	known, err := c.decoded(ctx, k.Workspace, clusterPlacementKind, "")
	if err != nil {
		return nil // the gate waited for it long enough
	}
	var first *v1alpha1.Placement
	for _, p := range known {
		own := k.Namespace == "" && k.Name == p.Name
		if !own && p.DeletionTimestamp == nil && p.Labels[WorkspaceDefaultsLabel] == "true" && (first == nil || strings.Compare(p.Name, first.Name) < 0) {
			first = p
		}
	}
	if first == nil {
		return nil
	}
	return &Policy{Defaults: &first.Spec}
}

// defaultsChanged says whether an event on a ClusterPlacement changes the
// defaults of its workspace.
func defaultsChanged(old, now *unstructured.Unstructured) bool {
	gives := func(u *unstructured.Unstructured) bool {
		return u != nil && u.GetLabels()[WorkspaceDefaultsLabel] == "true"
	}
	if !gives(old) && !gives(now) {
		return false
	}
	return gives(old) != gives(now) || !equality.Semantic.DeepEqual(old.Object["spec"], now.Object["spec"])
}
