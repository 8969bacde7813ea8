package operations

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tmc-sdk/tmc/cluster/planning"
	"github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

// Operator asks for operations, and waits for them. What it asks for is in the
// PhysicalCluster: the fleet, the placement controller and the Controller carry
// it out.
type Operator struct {
	client client.Client
	fleet  planning.Snapshotter
	every  time.Duration
}

// OperatorOption changes how an Operator works.
type OperatorOption func(*Operator)

// WithFleet has plans say whether other clusters have room for the work.
func WithFleet(fleet planning.Snapshotter) OperatorOption {
	return func(o *Operator) { o.fleet = fleet }
}

// NewOperator returns an operator of the PhysicalClusters in the workspace that
// the config leads to. It needs get and patch on physicalclusters, and delete
// to remove any.
func NewOperator(cfg *rest.Config, opts ...OperatorOption) (*Operator, error) {
	cl, err := newClient(cfg)
	if err != nil {
		return nil, err
	}
	return newOperator(cl, opts...), nil
}

func newOperator(cl client.Client, opts ...OperatorOption) *Operator {
	o := &Operator{client: cl, every: time.Second}
	for _, opt := range opts {
		opt(o)
	}
	return o
}

// CallOption changes one call.
type CallOption func(*call)

type call struct {
	dryRun, abandon bool
	wait            bool
	tenant          string
	progress        func(Progress)
}

// DryRun changes nothing, and returns what would be changed.
func DryRun() CallOption { return func(c *call) { c.dryRun = true } }

// Abandon has Remove leave behind what the cluster runs.
func Abandon() CallOption { return func(c *call) { c.abandon = true } }

// OfTenant has Evict evict the work of one workspace alone, and Uncordon take that
// back and nothing else; it is the name of a logical cluster, not a path.
func OfTenant(workspace string) CallOption { return func(c *call) { c.tenant = workspace } }

// Wait has a call return only when it is done: no work is left, or the object
// is gone. The function, if it is not nil, is told of each change.
func Wait(progress func(Progress)) CallOption {
	return func(c *call) { c.wait, c.progress = true, progress }
}

// Cordon keeps new work away. What is there stays.
func (o *Operator) Cordon(ctx context.Context, name string, opts ...CallOption) (*Plan, error) {
	return o.edit(ctx, name, opts, false, func(pc *v1alpha1.PhysicalCluster) { pc.Spec.Unschedulable = true })
}

// Uncordon takes cordon, drain and evictions back, those of tenants included.
func (o *Operator) Uncordon(ctx context.Context, name string, opts ...CallOption) (*Plan, error) {
	tenant := collect(opts).tenant
	return o.edit(ctx, name, opts, false, func(pc *v1alpha1.PhysicalCluster) {
		if tenant == "" {
			pc.Spec.Unschedulable, pc.Spec.Drain = false, false
		}
		pc.Spec.Taints = slices.DeleteFunc(pc.Spec.Taints, func(t v1alpha1.Taint) bool {
			return t.Key == v1alpha1.TaintEvicted && (tenant == "" || t.Workspace == tenant)
		})
	})
}

// Drain moves all work away, within the budget of disruptions.
func (o *Operator) Drain(ctx context.Context, name string, opts ...CallOption) (*Plan, error) {
	return o.edit(ctx, name, opts, true, func(pc *v1alpha1.PhysicalCluster) { pc.Spec.Drain = true })
}

// Evict moves away work that does not tolerate the taint v1alpha1.TaintEvicted,
// and keeps such work away: that of all tenants, or of one with OfTenant.
func (o *Operator) Evict(ctx context.Context, name string, opts ...CallOption) (*Plan, error) {
	tenant := collect(opts).tenant
	return o.edit(ctx, name, opts, true, func(pc *v1alpha1.PhysicalCluster) {
		for _, t := range pc.Spec.Taints {
			if evicts(&t) && t.Workspace == tenant {
				return
			}
		}
		pc.Spec.Taints = append(pc.Spec.Taints, v1alpha1.Taint{
			Key: v1alpha1.TaintEvicted, Effect: corev1.TaintEffectNoExecute, Workspace: tenant, TimeAdded: new(metav1.Now()),
		})
	})
}

// Remove deletes the PhysicalCluster. It is gone when its work has left.
func (o *Operator) Remove(ctx context.Context, name string, opts ...CallOption) (*Plan, error) {
	c := collect(opts)
	want := v1alpha1.RemovalDrain
	if c.abandon {
		want = v1alpha1.RemovalAbandon
	}
	plan, err := o.change(ctx, name, c, !c.abandon, func(pc *v1alpha1.PhysicalCluster) { pc.Spec.Removal = want })
	if err != nil {
		return nil, err
	}
	plan.Changes = append(plan.Changes, "the object is deleted")
	if c.dryRun {
		return plan, nil
	}
	// Somebody may have registered another cluster under the name meanwhile.
	uid := plan.object.UID
	err = o.client.Delete(ctx, plan.object, client.Preconditions{UID: &uid})
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("delete PhysicalCluster %s: %w", name, err)
	}
	if c.wait {
		return plan, o.await(ctx, plan.object, c.progress)
	}
	return plan, nil
}

func collect(opts []CallOption) *call {
	c := &call{}
	for _, opt := range opts {
		opt(c)
	}
	return c
}

// edit changes an object, and waits if it is asked to.
func (o *Operator) edit(ctx context.Context, name string, opts []CallOption, moves bool, edit func(*v1alpha1.PhysicalCluster)) (*Plan, error) {
	c := collect(opts)
	plan, err := o.change(ctx, name, c, moves, edit)
	if err != nil {
		return nil, err
	}
	if c.wait && !c.dryRun && moves {
		return plan, o.await(ctx, plan.object, c.progress)
	}
	return plan, nil
}

// change plans the edit, and makes it unless it is a dry run.
func (o *Operator) change(ctx context.Context, name string, c *call, moves bool, edit func(*v1alpha1.PhysicalCluster)) (*Plan, error) {
	plan := &Plan{Cluster: name}
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		pc := &v1alpha1.PhysicalCluster{}
		if err := o.client.Get(ctx, types.NamespacedName{Name: name}, pc); err != nil {
			return err
		}
		old := pc.DeepCopy()
		edit(pc)
		plan.object, plan.Changes = pc, differences(&old.Spec, &pc.Spec)
		if c.dryRun || len(plan.Changes) == 0 {
			return nil
		}
		return o.client.Patch(ctx, pc, client.MergeFromWithOptions(old, client.MergeFromWithOptimisticLock{}))
	})
	if err != nil {
		return nil, fmt.Errorf("change PhysicalCluster %s: %w", name, err)
	}
	if moves && o.fleet != nil && c.tenant == "" {
		plan.Elsewhere = new(planning.LossOf(o.fleet.Snapshot(), name))
	}
	return plan, nil
}

// differences in the fields that operations change, for people.
func differences(old, now *v1alpha1.PhysicalClusterSpec) []string {
	var all []string
	note := func(field, from, to string) {
		if from != to {
			all = append(all, fmt.Sprintf("%s: %s -> %s", field, from, to))
		}
	}
	note("spec.unschedulable", strconv.FormatBool(old.Unschedulable), strconv.FormatBool(now.Unschedulable))
	note("spec.drain", strconv.FormatBool(old.Drain), strconv.FormatBool(now.Drain))
	note("spec.removal", string(orDrain(old.Removal)), string(orDrain(now.Removal)))
	note("spec.taints "+v1alpha1.TaintEvicted, evicted(old), evicted(now))
	return all
}

func orDrain(p v1alpha1.RemovalPolicy) v1alpha1.RemovalPolicy {
	if p == "" {
		return v1alpha1.RemovalDrain
	}
	return p
}

// evicted says whom the taints of a spec evict, for people.
func evicted(spec *v1alpha1.PhysicalClusterSpec) string {
	var whom []string
	for i := range spec.Taints {
		t := &spec.Taints[i]
		switch {
		case t.Key != v1alpha1.TaintEvicted:
		case t.Workspace == "":
			whom = append(whom, string(t.Effect))
		default:
			whom = append(whom, string(t.Effect)+" of "+t.Workspace)
		}
	}
	if len(whom) == 0 {
		return "none"
	}
	return strings.Join(whom, ", ")
}

// await follows an object until its work has left, or it is gone.
func (o *Operator) await(ctx context.Context, pc *v1alpha1.PhysicalCluster, tell func(Progress)) error {
	ticker := time.NewTicker(o.every)
	defer ticker.Stop()
	var last *Progress
	for {
		now := &v1alpha1.PhysicalCluster{}
		err := o.client.Get(ctx, types.NamespacedName{Name: pc.Name}, now)
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("follow PhysicalCluster %s: %w", pc.Name, err)
		}
		p := progressOf(pc, now, err != nil)
		if tell != nil && (last == nil || *last != p) {
			tell(p)
		}
		if p.Done {
			return nil
		}
		last = &p
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for work to leave cluster %s: %w (%s)", pc.Name, context.Cause(ctx), p)
		case <-ticker.C:
		}
	}
}
