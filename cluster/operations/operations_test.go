package operations

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

// fleet is one that does not change.
type fleet struct{ *cluster.Snapshot }

func (f fleet) Connection(name string) (*cluster.Connection, error) {
	if _, ok := f.Lookup(name); !ok {
		return nil, cluster.ErrNotFound
	}
	return &cluster.Connection{Name: name}, nil
}
func (fleet) Subscribe(func(cluster.Change)) func() { return func() {} }

type snapshots struct{ fleet }

func (s snapshots) Snapshot() *cluster.Snapshot { return s.fleet.Snapshot }

// scene has one cluster, with work that a test sets.
type scene struct {
	client.Client

	controller *Controller
	operator   *Operator
	work       v1alpha1.Work
	workErr    error
	writes     int
	now        time.Time
}

func newScene(t *testing.T, states ...*cluster.State) *scene {
	t.Helper()
	scheme := runtime.NewScheme()
	require.NoError(t, v1alpha1.AddToScheme(scheme))
	s := &scene{now: time.Now()}
	s.Client = fake.NewClientBuilder().WithScheme(scheme).
		WithObjects(&v1alpha1.PhysicalCluster{ObjectMeta: metav1.ObjectMeta{Name: "a", UID: "1"}}).
		WithStatusSubresource(&v1alpha1.PhysicalCluster{}).
		WithInterceptorFuncs(interceptor.Funcs{
			Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
				s.writes++
				return c.Patch(ctx, obj, patch, opts...)
			},
			SubResourcePatch: func(ctx context.Context, c client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
				s.writes++
				return c.SubResource(sub).Patch(ctx, obj, patch, opts...)
			},
		}).Build()
	if len(states) == 0 {
		states = []*cluster.State{{Name: "a", UID: "uid", Reachable: true, Ready: true, CapacityKnown: true, Allocated: cluster.Resources{MilliCPU: 3000}}}
	}
	f := snapshots{fleet{cluster.NewSnapshot(states...)}}
	count := CounterFunc(func(context.Context, *cluster.Connection) (v1alpha1.Work, error) { return s.work, s.workErr })
	s.controller = newController(f, s.Client, count)
	s.controller.now = func() time.Time { return s.now }
	s.operator = newOperator(s.Client, WithFleet(f))
	s.operator.every = time.Millisecond
	return s
}

func (s *scene) reconcile(t *testing.T) {
	t.Helper()
	_, err := s.controller.reconcile(t.Context(), "a")
	require.NoError(t, err)
}

func (s *scene) object(t *testing.T) *v1alpha1.PhysicalCluster {
	t.Helper()
	pc := &v1alpha1.PhysicalCluster{}
	require.NoError(t, s.Get(t.Context(), types.NamespacedName{Name: "a"}, pc))
	return pc
}

func (s *scene) drained(t *testing.T) string {
	t.Helper()
	if c := meta.FindStatusCondition(s.object(t).Status.Conditions, v1alpha1.ConditionDrained); c != nil {
		return string(c.Status) + " " + c.Reason
	}
	return ""
}

func TestADrainTellsWhatIsLeft(t *testing.T) {
	s := newScene(t)
	s.work = v1alpha1.Work{Copies: 2, Tenants: 1}
	s.reconcile(t)
	require.Equal(t, []string{v1alpha1.Finalizer}, s.object(t).Finalizers, "every cluster is kept from vanishing")
	require.Empty(t, s.drained(t), "a cluster in service has no such condition")

	_, err := s.operator.Drain(t.Context(), "a")
	require.NoError(t, err)
	s.reconcile(t)
	require.Equal(t, "False WorkLeft", s.drained(t))
	require.Equal(t, &s.work, s.object(t).Status.Work)

	writes := s.writes
	s.reconcile(t)
	require.Equal(t, writes, s.writes, "what is there already is not written again")

	s.work = v1alpha1.Work{}
	s.reconcile(t)
	require.Equal(t, "True Empty", s.drained(t))

	_, err = s.operator.Uncordon(t.Context(), "a")
	require.NoError(t, err)
	s.reconcile(t)
	require.Empty(t, s.drained(t))
	require.Nil(t, s.object(t).Status.Work)
}

func TestWorkHoldsADeletedCluster(t *testing.T) {
	s := newScene(t)
	s.work = v1alpha1.Work{Copies: 1, Tenants: 1}
	s.reconcile(t)
	_, err := s.operator.Remove(t.Context(), "a")
	require.NoError(t, err)
	s.now = s.object(t).DeletionTimestamp.Add(time.Hour)
	s.reconcile(t)
	require.Equal(t, "False WorkLeft", s.drained(t))
	s.workErr = errors.New("connection refused")
	s.reconcile(t)
	require.Equal(t, "Unknown NotCounted", s.drained(t), "an error proves nothing")
	s.work, s.workErr = v1alpha1.Work{}, nil
	s.reconcile(t)
	err = s.Get(t.Context(), types.NamespacedName{Name: "a"}, &v1alpha1.PhysicalCluster{})
	require.True(t, apierrors.IsNotFound(err), "got %v", err)
	s.reconcile(t)
}

func TestOperations(t *testing.T) {
	type op = func(context.Context, string, ...CallOption) (*Plan, error)
	cases := map[string]struct {
		reason string
		do     func(*Operator) op
		opts   []CallOption
		want   []string
		check  func(*v1alpha1.PhysicalCluster) bool
	}{
		"cordon": {
			reason: "new work stays away", do: func(o *Operator) op { return o.Cordon },
			want: []string{"spec.unschedulable: false -> true"}, check: func(pc *v1alpha1.PhysicalCluster) bool { return pc.Spec.Unschedulable },
		},
		"drain": {
			reason: "work leaves", do: func(o *Operator) op { return o.Drain },
			want: []string{"spec.drain: false -> true"}, check: func(pc *v1alpha1.PhysicalCluster) bool { return pc.Spec.Drain && leaving(pc) },
		},
		"evict": {
			reason: "what does not tolerate it leaves", do: func(o *Operator) op { return o.Evict },
			want: []string{"spec.taints cluster.tmc-sdk.dev/evicted: none -> NoExecute"}, check: func(pc *v1alpha1.PhysicalCluster) bool {
				return len(pc.Spec.Taints) == 1 && pc.Spec.Taints[0].TimeAdded != nil && leaving(pc)
			},
		},
		"uncordon": {
			reason: "there is nothing to take back", do: func(o *Operator) op { return o.Uncordon },
			check: func(pc *v1alpha1.PhysicalCluster) bool { return !leaving(pc) },
		},
		"dry run": {
			reason: "nothing changes", do: func(o *Operator) op { return o.Drain }, opts: []CallOption{DryRun()},
			want: []string{"spec.drain: false -> true"}, check: func(pc *v1alpha1.PhysicalCluster) bool { return !pc.Spec.Drain },
		},
		"dry run of a removal": {
			reason: "nothing is deleted", do: func(o *Operator) op { return o.Remove }, opts: []CallOption{DryRun(), Abandon()},
			want: []string{"spec.removal: Drain -> Abandon", "the object is deleted"}, check: func(pc *v1alpha1.PhysicalCluster) bool { return pc.Spec.Removal == "" && pc.DeletionTimestamp == nil },
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			plan, err := tc.do(s.operator)(t.Context(), "a", tc.opts...)
			require.NoError(t, err)
			require.Equal(t, tc.want, plan.Changes, tc.reason)
			require.True(t, tc.check(s.object(t)), tc.reason)
			writes := s.writes
			_, err = tc.do(s.operator)(t.Context(), "a", append(slices.Clone(tc.opts), DryRun())...)
			require.NoError(t, err)
			require.Equal(t, writes, s.writes, "a dry run writes nothing")
		})
	}
	s := newScene(t)
	_, err := s.operator.Cordon(t.Context(), "nobody")
	require.True(t, apierrors.IsNotFound(err), "got %v", err)
}

func TestUncordonTakesAllBack(t *testing.T) {
	s := newScene(t)
	for _, do := range []func(context.Context, string, ...CallOption) (*Plan, error){s.operator.Cordon, s.operator.Drain, s.operator.Evict, s.operator.Evict} {
		_, err := do(t.Context(), "a")
		require.NoError(t, err)
	}
	require.Len(t, s.object(t).Spec.Taints, 1, "evicting twice is evicting once")
	plan, err := s.operator.Uncordon(t.Context(), "a")
	require.NoError(t, err)
	require.Len(t, plan.Changes, 3)
	require.False(t, leaving(s.object(t)))
	require.False(t, s.object(t).Spec.Unschedulable)
}

func TestAPlanSaysWhetherWorkHasRoomElsewhere(t *testing.T) {
	other := func(cores int64) *cluster.State {
		return &cluster.State{Name: "b", Ready: true, CapacityKnown: true, Allocatable: cluster.Resources{MilliCPU: 1000 * cores}}
	}
	a := &cluster.State{Name: "a", UID: "uid", Ready: true, Reachable: true, CapacityKnown: true, Allocated: cluster.Resources{MilliCPU: 3000}}
	plan, err := newScene(t, a, other(10)).operator.Drain(t.Context(), "a", DryRun())
	require.NoError(t, err)
	require.Equal(t, "a: spec.drain: false -> true\na: its work has room elsewhere (afterwards 30% of cpu are used there)\n", plan.String())
	plan, err = newScene(t, a, other(1)).operator.Remove(t.Context(), "a", DryRun())
	require.NoError(t, err)
	require.Equal(t, "a: the object is deleted\na: its work has no room elsewhere: 2 cpu are missing\n", plan.String())
}

func TestWaitingTellsOfProgress(t *testing.T) {
	s := newScene(t)
	s.work = v1alpha1.Work{Copies: 2, Tenants: 1}
	var told []string
	_, err := s.operator.Drain(t.Context(), "a", Wait(func(p Progress) {
		told = append(told, p.String())
		if p.Work.Copies > 0 {
			s.work = v1alpha1.Work{}
		}
		s.reconcile(t)
	}))
	require.NoError(t, err)
	require.Equal(t, []string{
		"a: waiting for the work to be counted",
		"a: WorkLeft: 2 copies of 1 tenants are left; they leave when other clusters have taken them over, or can't if none fits",
		"a: Empty: no work is left",
	}, told)

	s.work = v1alpha1.Work{Copies: 1, Tenants: 1}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = s.operator.Remove(ctx, "a", Wait(nil))
	require.ErrorIs(t, err, context.DeadlineExceeded, "work is left")
	require.NotNil(t, s.object(t).DeletionTimestamp)
}

// byTenant counts copies by workspace.
type byTenant map[string]int32

func (b byTenant) Count(ctx context.Context, conn *cluster.Connection) (v1alpha1.Work, error) {
	return b.CountOf(ctx, conn, slices.Collect(maps.Keys(b)))
}

func (b byTenant) CountOf(_ context.Context, _ *cluster.Connection, workspaces []string) (work v1alpha1.Work, _ error) {
	for _, name := range workspaces {
		if b[name] > 0 {
			work.Copies, work.Tenants = work.Copies+b[name], work.Tenants+1
		}
	}
	return work, nil
}

func TestOneTenantIsEvicted(t *testing.T) {
	s, copies := newScene(t), byTenant{"one": 3, "two": 5}
	s.controller.counter = copies
	plan, err := s.operator.Evict(t.Context(), "a", OfTenant("one"), DryRun())
	require.NoError(t, err)
	require.Equal(t, []string{"spec.taints cluster.tmc-sdk.dev/evicted: none -> NoExecute of one"}, plan.Changes)
	require.Nil(t, plan.Elsewhere, "what one tenant runs is not what the cluster runs")
	for range 2 {
		_, err = s.operator.Evict(t.Context(), "a", OfTenant("one"))
		require.NoError(t, err)
	}
	s.reconcile(t)
	require.Equal(t, "False WorkLeft", s.drained(t))
	require.Equal(t, &v1alpha1.Work{Copies: 3, Tenants: 1}, s.object(t).Status.Work, "the others are no concern")
	delete(copies, "one")
	s.reconcile(t)
	require.Equal(t, "True Empty", s.drained(t))

	plan, err = s.operator.Evict(t.Context(), "a", OfTenant("two"))
	require.NoError(t, err)
	require.Equal(t, []string{"spec.taints cluster.tmc-sdk.dev/evicted: NoExecute of one -> NoExecute of one, NoExecute of two"}, plan.Changes)
	s.reconcile(t)
	require.Equal(t, "False WorkLeft", s.drained(t))
	_, err = s.operator.Uncordon(t.Context(), "a", OfTenant("two"))
	require.NoError(t, err)
	require.Equal(t, []string{"one"}, tenantsLeaving(s.object(t)))
	_, err = s.operator.Evict(t.Context(), "a")
	require.NoError(t, err)
	require.Empty(t, tenantsLeaving(s.object(t)), "all leave")
	s.reconcile(t)
	require.Equal(t, &v1alpha1.Work{Copies: 5, Tenants: 1}, s.object(t).Status.Work)
	_, err = s.operator.Uncordon(t.Context(), "a")
	require.NoError(t, err)
	require.Empty(t, s.object(t).Spec.Taints)

	_, err = s.operator.Evict(t.Context(), "a", OfTenant("two"))
	require.NoError(t, err)
	s.controller.counter = CounterFunc(func(context.Context, *cluster.Connection) (v1alpha1.Work, error) { return v1alpha1.Work{}, nil })
	s.reconcile(t)
	require.Equal(t, "Unknown NotCounted", s.drained(t), "what is left of a tenant can't be told by the whole")
}

func TestCopiesNeedASelector(t *testing.T) {
	_, err := Copies{}.Count(t.Context(), &cluster.Connection{Name: "a"})
	require.ErrorContains(t, err, "everything would count")
}
