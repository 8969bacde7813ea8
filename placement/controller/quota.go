package controller

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// ReasonQuotaExceeded is a reason of the condition Placed: with this Placement the
// workspace would use more than it may. What it uses already stays.
const ReasonQuotaExceeded = "QuotaExceeded"

// Quota bounds what the Placements of a workspace use together, over all
// clusters: work that is duplicated counts once per cluster. It refuses what is
// new, and growth: an object that asks for more replicas than are left stays at
// those that status.granted of its Placement says, and goes on undisturbed.
// Lowering a quota takes nothing back.
type Quota struct {
	// Replicas at most; zero for no bound.
	Replicas int64
	// Resources that may be requested at most; those not named have no bound.
	Resources corev1.ResourceList
}

// amount is what a Placement, or all of a workspace, use.
type amount struct {
	replicas  int64
	resources cluster.Resources
}

func amountOf(workloads []placement.Workload, targets []v1alpha1.Target) (a amount) {
	for _, used := range use(workloads, targets) {
		a.resources = a.resources.Add(used)
	}
	a.replicas = replicasOn(workloads, targets)
	return a
}

func (a amount) add(b amount) amount {
	return amount{a.replicas + b.replicas, a.resources.Add(b.resources)}
}

func (a amount) sub(b amount) amount {
	return amount{max(0, a.replicas-b.replicas), a.resources.Sub(b.resources)}
}

// exceeds says of what there is more than in another amount.
func (a amount) exceeds(b amount) bool {
	return a.replicas > b.replicas || !nothing(a.resources.Sub(b.resources))
}

// usage knows what each workspace uses, by Placement.
type usage struct {
	mu          sync.Mutex
	byPlacement map[Key]amount
	byWorkspace map[multicluster.ClusterName]amount
	placements  map[multicluster.ClusterName]map[Key]struct{}
}

func newUsages() *usage {
	return &usage{
		byPlacement: map[Key]amount{}, byWorkspace: map[multicluster.ClusterName]amount{},
		placements: map[multicluster.ClusterName]map[Key]struct{}{},
	}
}

// set records what a Placement uses; it says whether that is less than before.
func (u *usage) set(k Key, now amount) (less bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	was := u.byPlacement[k]
	u.byPlacement[k] = now
	if u.placements[k.Workspace] == nil {
		u.placements[k.Workspace] = map[Key]struct{}{}
	}
	u.placements[k.Workspace][k] = struct{}{}
	u.byWorkspace[k.Workspace] = u.byWorkspace[k.Workspace].sub(was).add(now)
	return was.exceeds(now)
}

// drop forgets a Placement; it says whether it used anything.
func (u *usage) drop(k Key) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	was, ok := u.byPlacement[k]
	if !ok {
		return false
	}
	delete(u.byPlacement, k)
	delete(u.placements[k.Workspace], k)
	u.byWorkspace[k.Workspace] = u.byWorkspace[k.Workspace].sub(was)
	return was.exceeds(amount{})
}

func (u *usage) dropWorkspace(name multicluster.ClusterName) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for k := range u.placements[name] {
		delete(u.byPlacement, k)
	}
	delete(u.placements, name)
	delete(u.byWorkspace, name)
}

// others returns what a workspace uses without a Placement.
func (u *usage) others(k Key) amount {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.byWorkspace[k.Workspace].sub(u.byPlacement[k])
}

// withinQuota refuses a decision with which the workspace would use more than
// its quota, and more than it does without it: what is there stays, and
// lowering a quota moves nothing.
func (c *Controller) withinQuota(q *question, d *placement.Decision) {
	others := c.usage.others(q.key())
	now, was := amountOf(q.workloads, d.Targets), amountOf(q.workloads, q.placement.Status.Targets)
	n, over := overQuota(quotasOf(q.policies), others.add(now))
	if len(over) == 0 {
		return
	}
	d.Reason = ReasonQuotaExceeded
	d.Message = fmt.Sprintf("With this work the Placements of the workspace would use %s, by layer %q: delete or shrink work, or ask those who run the platform for more.", strings.Join(over, " and "), n.layer)
	if now.exceeds(was) {
		d.Targets = slices.DeleteFunc(slices.Clone(q.placement.Status.Targets), func(t v1alpha1.Target) bool { return t.Leaving })
	}
}

// over says, for people, what is more than the quota.
func (q *Quota) over(used amount) (over []string) {
	if q.Replicas > 0 && used.replicas > q.Replicas {
		over = append(over, fmt.Sprintf("%d of %d replicas", used.replicas, q.Replicas))
	}
	list := used.resources.List()
	for _, name := range sortedNames(q.Resources) {
		most, is := q.Resources[name], list[name]
		if is.Cmp(most) > 0 {
			over = append(over, fmt.Sprintf("%s of %s %s", is.String(), most.String(), name))
		}
	}
	return over
}

func sortedNames(list corev1.ResourceList) []corev1.ResourceName {
	names := make([]corev1.ResourceName, 0, len(list))
	for name := range list {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
