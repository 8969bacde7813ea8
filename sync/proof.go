package syncer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// mayRetire is law 1: it reads live from the workspace whether a copy may go.
// It may if the original with the UID that was copied is deleting or gone, or
// if the Placement no longer names the cluster. It returns the cause, empty if
// the copy may not go. errUnknown means that neither can be told; an error or a workspace that can't be reached is never proof.
func (l *Loop) mayRetire(ctx context.Context, lane *lane, key Key, copiedFrom types.UID) (Cause, error) {
	ws, err := l.workspace(ctx, key.Workspace)
	if errors.Is(err, errUnknown) {
		if lane.grave(key, copiedFrom) != nil {
			return CauseOriginalDeleted, nil // seen live then, and kept since
		}
		return l.workspaceGone(ctx, key.Workspace)
	}
	if err != nil {
		return "", err
	}
	original := &unstructured.Unstructured{}
	original.SetGroupVersionKind(key.Kind)
	err = ws.Get(ctx, key.object(), original)
	switch {
	case err == nil && original.GetUID() != copiedFrom:
		return CauseOriginalReplaced, nil
	case err == nil && original.GetDeletionTimestamp() != nil:
		return CauseOriginalDeleted, nil
	case err == nil && l.isRelated(key.Kind):
		return because(CauseUnmentioned)(l.noUserNamed(ctx, ws, lane, key))
	case err == nil && l.opts.decider != nil:
		return because(CauseMoved)(l.noLongerDecided(original, lane.name))
	case err == nil:
		return because(CauseMoved)(l.noLongerNamed(ctx, ws, lane, key, original))
	case isGone(err):
		return because(CauseOriginalDeleted)(l.served(ctx, ws, key))
	}
	return "", fmt.Errorf("read original live: %w", err)
}

// because turns a proof into the cause that it proves.
func because(c Cause) func(bool, error) (Cause, error) {
	return func(proven bool, err error) (Cause, error) {
		if !proven || err != nil {
			return "", err
		}
		return c, nil
	}
}

// workspace returns a client that reads live. Unstructured objects are never
// read from a cache by it.
func (l *Loop) workspace(ctx context.Context, name multicluster.ClusterName) (client.Client, error) {
	cl, err := l.provider.Get(ctx, name)
	if errors.Is(err, multicluster.ErrClusterNotFound) {
		return nil, errUnknown
	}
	if err != nil {
		return nil, err
	}
	return cl.GetClient(), nil
}

// served makes sure that the answer "not found" came from a workspace that
// serves the kind: one whose binding is gone answers so for everything.
func (l *Loop) served(ctx context.Context, ws client.Client, key Key) (bool, error) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(key.Kind.GroupVersion().WithKind(key.Kind.Kind + "List"))
	if err := ws.List(ctx, list, client.InNamespace(key.Namespace), client.Limit(1)); err != nil {
		return false, fmt.Errorf("confirm that the workspace serves %s: %w", key.Kind.Kind, err)
	}
	return true, nil
}

// noLongerNamed reads live that no decision for the original names the cluster.
func (l *Loop) noLongerNamed(ctx context.Context, ws client.Client, lane *lane, key Key, original *unstructured.Unstructured) (bool, error) {
	known, err := livePlacements(ctx, ws, key.Namespace)
	if err != nil {
		return false, err
	}
	p := placement.Covering(placement.ObjectOf(original), known)
	if p == nil {
		return false, errUnknown // the default is about to be made
	}
	where, err := assign(p, original)
	if err != nil {
		return false, err
	}
	switch {
	case where.names(lane.name):
		return false, nil
	case where.leaving(lane.name):
		return l.mayLeave(ctx, key, original.GetUID(), where), nil
	}
	return len(where.targets) > 0 || where.refusal != nil, nil
}

// noUserNamed reads live that nothing which needs a related object has a decision
// that names the cluster.
func (l *Loop) noUserNamed(ctx context.Context, ws client.Client, lane *lane, key Key) (bool, error) {
	known, err := livePlacements(ctx, ws, key.Namespace)
	if err != nil {
		return false, err
	}
	users, err := l.liveUsers(ctx, ws, key)
	if err != nil {
		return false, err
	}
	for i := range users {
		p := placement.Covering(placement.ObjectOf(&users[i]), known)
		if p == nil {
			return false, errUnknown
		}
		if slices.ContainsFunc(p.Status.Targets, func(t v1alpha1.Target) bool { return t.Cluster == lane.name }) {
			return false, nil
		}
	}
	return lane.unmentioned(ctx, key)
}

func livePlacements(ctx context.Context, ws client.Client, namespace string) ([]*v1alpha1.Placement, error) {
	kind := placementKind
	if namespace == "" {
		kind = clusterPlacementKind
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err := ws.List(ctx, list, client.InNamespace(namespace)); err != nil {
		return nil, fmt.Errorf("read %s live: %w", kind.Kind, err)
	}
	known := make([]*v1alpha1.Placement, 0, len(list.Items))
	for i := range list.Items {
		p, err := decode(&list.Items[i])
		if err != nil {
			return nil, err
		}
		known = append(known, p)
	}
	return known, nil
}
