package controller

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	inventoryv1alpha1 "sigs.k8s.io/cluster-inventory-api/apis/v1alpha1"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// SchedulerName is what our PlacementDecisions bear as schedulerName.
const SchedulerName = "tmc-placement"

// PlacementKindLabel tells PlacementDecisions for a ClusterPlacement, which it
// bears with the value "ClusterPlacement", from those for a Placement of the
// same name in the namespace that they are in.
const PlacementKindLabel = v1alpha1.Group + "/placement-kind"

// maxDecisions are in one slice of a decision, by the API.
const maxDecisions = 100

// DecisionOptions say how decisions are exchanged with other tools.
type DecisionOptions struct {
	// ProfileNamespace is where the ClusterProfiles of the clusters are.
	// Empty: in the namespace of the Placement.
	ProfileNamespace string
	// ClusterNamespace is where, in each workspace, the decisions for its
	// ClusterPlacements are: a PlacementDecision needs a namespace, and they have
	// none. Ours bear PlacementKindLabel, and those of others must. Tenants who
	// may write there decide for cluster-scoped objects that name their
	// scheduler. Empty: those of ClusterPlacements are not exchanged.
	ClusterNamespace string
	// FollowOnly publishes none of ours, and follows those of others.
	FollowOnly bool
}

// publish has the PlacementDecisions of a Placement say what its status says. A
// Placement that another scheduler decides has none of ours.
func (c *Controller) publish(ctx context.Context, k Key, p *v1alpha1.Placement, status *v1alpha1.PlacementStatus) error {
	if c.opts.decisions == nil || c.opts.decisions.FollowOnly || c.opts.decisions.namespaceFor(k) == "" {
		return nil
	}
	known, err := c.decisionsOf(ctx, k)
	if err != nil {
		return err
	}
	var wanted []*inventoryv1alpha1.PlacementDecision
	if p.Spec.Scheduler == "" || p.Spec.Scheduler == SchedulerName {
		wanted = c.opts.decisions.slicesOf(k, p, status)
	}
	have := map[string]*inventoryv1alpha1.PlacementDecision{}
	for _, d := range known {
		if d.SchedulerName == SchedulerName && d.Labels[ManagedByLabel] == ManagedBy {
			have[d.Name] = d
		}
	}
	for _, want := range wanted {
		is := have[want.Name]
		delete(have, want.Name)
		if is != nil && equality.Semantic.DeepEqual(is.Decisions, want.Decisions) && equality.Semantic.DeepEqual(is.Labels, want.Labels) {
			continue
		}
		if err := c.putDecision(ctx, k, want, is); err != nil {
			return err
		}
	}
	for name, is := range have {
		if err := c.dropDecision(ctx, k, name, is); err != nil {
			return err
		}
	}
	return nil
}

// namespaceFor returns the namespace of the decisions for a Placement; empty if
// they are not exchanged.
func (o *DecisionOptions) namespaceFor(k Key) string {
	if k.Namespace == "" {
		return o.ClusterNamespace
	}
	return k.Namespace
}

// slicesOf returns what is to be published, at least one slice: that there is
// no cluster is a decision, too.
func (o *DecisionOptions) slicesOf(k Key, p *v1alpha1.Placement, status *v1alpha1.PlacementStatus) (list []*inventoryv1alpha1.PlacementDecision) {
	names, base, owner := chosenOf(status.Targets), k.Name, k.kind()
	if k.Namespace == "" {
		base = "cluster." + k.Name
	}
	for at := 0; at == 0 || at < len(names); at += maxDecisions {
		d := &inventoryv1alpha1.PlacementDecision{SchedulerName: SchedulerName, Decisions: []inventoryv1alpha1.ClusterDecision{}}
		d.SetGroupVersionKind(decisionKind)
		d.Namespace, d.Name = o.namespaceFor(k), base
		index := at / maxDecisions
		if index > 0 {
			d.Name = fmt.Sprintf("%s-%d", base, index)
		}
		d.Labels = map[string]string{
			inventoryv1alpha1.PlacementKeyLabel: k.Name, inventoryv1alpha1.DecisionKeyLabel: k.Name,
			inventoryv1alpha1.DecisionIndexLabel: fmt.Sprint(index), ManagedByLabel: ManagedBy,
		}
		if k.Namespace == "" {
			d.Labels[PlacementKindLabel] = owner.Kind
		}
		d.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(p, owner)}
		for _, name := range names[at:min(len(names), at+maxDecisions)] {
			d.Decisions = append(d.Decisions, inventoryv1alpha1.ClusterDecision{
				ClusterProfileRef: inventoryv1alpha1.ClusterProfileReference{Name: name, Namespace: o.ProfileNamespace}, Reason: v1alpha1.ReasonPlaced,
			})
		}
		list = append(list, d)
	}
	return list
}

func (c *Controller) putDecision(ctx context.Context, k Key, want, is *inventoryv1alpha1.PlacementDecision) error {
	client, err := c.decisionClient(ctx, k)
	if err != nil {
		return err
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(want)
	if err != nil {
		return fmt.Errorf("encode PlacementDecision: %w", err)
	}
	u := &unstructured.Unstructured{Object: fields}
	c.metrics.writes.WithLabelValues("decision").Inc()
	if is == nil {
		_, err = client.Create(ctx, u, metav1.CreateOptions{FieldManager: fieldManager})
		if apierrors.IsAlreadyExists(err) {
			return nil // the cache is behind, or another's stands there: never ours to change
		}
	} else {
		u.SetUID(is.UID)
		u.SetResourceVersion(is.ResourceVersion)
		_, err = client.Update(ctx, u, metav1.UpdateOptions{FieldManager: fieldManager})
		if apierrors.IsConflict(err) {
			return nil // the watch tells of what it is now
		}
	}
	if err != nil {
		return fmt.Errorf("publish decision: %w", err)
	}
	return nil
}

func (c *Controller) dropDecision(ctx context.Context, k Key, name string, is *inventoryv1alpha1.PlacementDecision) error {
	client, err := c.decisionClient(ctx, k)
	if err != nil {
		return err
	}
	c.metrics.writes.WithLabelValues("decision").Inc()
	err = client.Delete(ctx, name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &is.UID}})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("withdraw decision: %w", err)
	}
	return nil
}

func (c *Controller) decisionClient(ctx context.Context, k Key) (dynamic.ResourceInterface, error) {
	cl, err := c.provider.Get(ctx, k.Workspace)
	if err != nil {
		return nil, err
	}
	client, err := dynamic.NewForConfigAndClient(cl.GetConfig(), cl.GetHTTPClient())
	if err != nil {
		return nil, fmt.Errorf("build client: %w", err)
	}
	return client.Resource(decisionResource).Namespace(c.opts.decisions.namespaceFor(k)), nil
}
