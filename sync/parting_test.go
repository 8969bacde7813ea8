package syncer

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/cluster/workspaces"
)

func TestDependentsKnowWhoNamesWhom(t *testing.T) {
	named := func(owners ...any) *unstructured.Unstructured {
		list := make([]any, 0, len(owners))
		for _, uid := range owners {
			list = append(list, map[string]any{"apiVersion": "v1", "kind": "X", "name": "x", "uid": uid})
		}
		return &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"ownerReferences": list}}}
	}
	d := dependents{by: map[multicluster.ClusterName]map[types.UID]map[Key]struct{}{}}
	a, b := Key{Workspace: "ws", Name: "a"}, Key{Workspace: "ws", Name: "b"}
	d.observe(b, workspaces.Event{New: named("1", "2")})
	d.observe(a, workspaces.Event{New: named("2")})
	require.Equal(t, []Key{b}, d.of("ws", "1"))
	require.Equal(t, []Key{a, b}, d.of("ws", "2"), "in an order that is the same every time")
	require.Empty(t, d.of("other", "2"), "another workspace's UID is nothing to it")
	require.Equal(t, []Key{a, b}, d.all())
	d.observe(b, workspaces.Event{Old: named("1", "2"), New: named("1")})
	require.Equal(t, []Key{a}, d.of("ws", "2"))
	d.observe(a, workspaces.Event{Old: named("2")})
	d.observe(b, workspaces.Event{Old: named("1")})
	require.Empty(t, d.by, "nothing is kept of what is gone")
	d.observe(a, workspaces.Event{New: named("2")})
	d.drop("ws")
	require.Empty(t, d.all())
}
