package workspaces

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	crcluster "sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	apisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
	conditionsv1alpha1 "github.com/kcp-dev/sdk/apis/third_party/conditions/apis/conditions/v1alpha1"
)

// engaging remembers what is engaged, and until when.
type engaging struct {
	until map[multicluster.ClusterName]context.Context
	err   error
}

func (e *engaging) Engage(ctx context.Context, name multicluster.ClusterName, _ crcluster.Cluster) error {
	e.until[name] = ctx
	return e.err
}

func endpointOf(t *testing.T) *served {
	t.Helper()
	s, err := newServed(t.Context(), &rest.Config{Host: "https://nowhere.invalid/services/apiexport/x"}, clientgoscheme.Scheme, logr.Discard())
	require.NoError(t, err)
	return s
}

func TestAWorkspaceIsEngagedOnceAndUntilItLeaves(t *testing.T) {
	s, aware := endpointOf(t), &engaging{until: map[multicluster.ClusterName]context.Context{}}
	require.NoError(t, s.engage(t.Context(), "a", aware))
	first, ok := s.get("a")
	require.True(t, ok)
	shared, ok := s.sharedBy("a")
	require.True(t, ok)
	require.Same(t, s.objects, shared)
	until := aware.until["a"]
	require.NoError(t, s.engage(t.Context(), "a", aware))
	again, _ := s.get("a")
	require.Same(t, first, again)
	require.Equal(t, until, aware.until["a"])
	require.NoError(t, s.engage(t.Context(), "b", aware))

	s.leave("a")
	s.leave("a")
	require.ErrorIs(t, until.Err(), context.Canceled)
	_, ok = s.get("a")
	require.False(t, ok)
	_, ok = s.sharedBy("a")
	require.False(t, ok)
	require.NoError(t, aware.until["b"].Err())
	require.NoError(t, s.engage(t.Context(), "a", aware), "it may come back")
	s.leaveAll()
	require.ErrorIs(t, aware.until["a"].Err(), context.Canceled)
	require.ErrorIs(t, aware.until["b"].Err(), context.Canceled)

	aware.err = errors.New("no")
	require.ErrorIs(t, s.engage(t.Context(), "c", aware), aware.err)
	_, ok = s.get("c")
	require.False(t, ok, "what nobody took is not engaged, and is tried again")
	require.ErrorIs(t, aware.until["c"].Err(), context.Canceled)
}

// Four hundred workspaces take no more goroutines than one.
func TestWorkspacesTakeNoGoroutine(t *testing.T) {
	s, aware := endpointOf(t), &engaging{until: map[multicluster.ClusterName]context.Context{}}
	require.NoError(t, s.engage(t.Context(), "first", aware))
	before := runtime.NumGoroutine()
	for i := range 400 {
		require.NoError(t, s.engage(t.Context(), multicluster.ClusterName(fmt.Sprint("ws-", i)), aware))
	}
	require.LessOrEqual(t, runtime.NumGoroutine(), before+2, "others in this process may come and go")
	s.leaveAll()
}

func TestABindingIsReadyByItsCondition(t *testing.T) {
	condition := func(kind conditionsv1alpha1.ConditionType, status corev1.ConditionStatus) *apisv1alpha1.APIBinding {
		b := &apisv1alpha1.APIBinding{}
		b.Status.Conditions = conditionsv1alpha1.Conditions{{Type: kind, Status: status}}
		return b
	}
	require.False(t, isReady(&apisv1alpha1.APIBinding{}))
	require.False(t, isReady(condition("Ready", corev1.ConditionFalse)))
	require.False(t, isReady(condition("InitialBindingCompleted", corev1.ConditionTrue)))
	require.True(t, isReady(condition("Ready", corev1.ConditionTrue)))
}
