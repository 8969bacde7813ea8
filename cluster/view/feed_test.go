package view_test

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"
	crcluster "sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
)

// noWorkspaces is a provider that has none.
type noWorkspaces struct{}

func (noWorkspaces) Get(context.Context, multicluster.ClusterName) (crcluster.Cluster, error) {
	return nil, multicluster.ErrClusterNotFound
}

func (noWorkspaces) IndexField(context.Context, client.Object, string, client.IndexerFunc) error {
	return nil
}
