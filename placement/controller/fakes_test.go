package controller_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
	placementcontroller "github.com/tmc-sdk/tmc/placement/controller"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// fleet is a Fleet fed by hand.
type fleet struct {
	mu       sync.Mutex
	snapshot *tmccluster.Snapshot
	subs     map[int]func(tmccluster.Change)
}

var _ placementcontroller.Fleet = (*fleet)(nil)

func newFleet(states ...*tmccluster.State) *fleet {
	return &fleet{snapshot: tmccluster.NewSnapshot(states...), subs: map[int]func(tmccluster.Change){}}
}

func (f *fleet) WaitForSync(context.Context) bool { return true }

func (f *fleet) Snapshot() *tmccluster.Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.snapshot
}

func (f *fleet) Subscribe(fn func(tmccluster.Change)) func() {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := len(f.subs)
	for f.subs[id] != nil {
		id++
	}
	f.subs[id] = fn
	for s := range f.snapshot.All() {
		fn(tmccluster.Change{New: s})
	}
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.subs, id)
	}
}

// set adds a cluster or changes it.
func (f *fleet) set(s *tmccluster.State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old, _ := f.snapshot.Lookup(s.Name)
	f.snapshot = f.snapshot.With(s)
	f.tell(tmccluster.Change{Old: old, New: s})
}

// change changes a copy of a cluster's state.
func (f *fleet) change(name string, edit func(*tmccluster.State)) {
	old, _ := f.Snapshot().Lookup(name)
	s := *old
	s.Taints = slices.Clone(s.Taints)
	s.Labels = maps.Clone(s.Labels)
	edit(&s)
	f.set(&s)
}

func (f *fleet) remove(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old, _ := f.snapshot.Lookup(name)
	f.snapshot = f.snapshot.Without(name)
	f.tell(tmccluster.Change{Old: old})
}

func (f *fleet) tell(c tmccluster.Change) {
	for _, fn := range f.subs {
		fn(c)
	}
}

// state returns a cluster that is fit for work; pairs are its labels.
func state(name string, pairs ...string) *tmccluster.State {
	s := &tmccluster.State{
		Name: name, UID: types.UID("uid-" + name), Labels: map[string]string{}, Region: "region-" + name,
		Ready: true, Reachable: true, Version: "v1.36.3", Nodes: 3, CapacityKnown: true,
		Allocatable: tmccluster.Resources{MilliCPU: 16000, Memory: 64 << 30, Pods: 330},
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		s.Labels[pairs[i]] = pairs[i+1]
	}
	return s
}

func cordon(s *tmccluster.State) {
	s.Unschedulable = true
	s.Taints = append(s.Taints, clusterv1alpha1.Taint{Key: clusterv1alpha1.TaintUnschedulable, Effect: corev1.TaintEffectNoSchedule})
}

func drain(s *tmccluster.State) {
	s.Unschedulable, s.Draining = true, true
	for _, effect := range []corev1.TaintEffect{corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute} {
		s.Taints = append(s.Taints, clusterv1alpha1.Taint{Key: clusterv1alpha1.TaintDraining, Effect: effect, TimeAdded: &metav1.Time{Time: time.Now()}})
	}
}

// unreachable is a cluster that does not answer, within the grace period.
func unreachable(s *tmccluster.State) {
	s.Ready, s.Reachable, s.UnreachableSince = false, false, time.Now()
	s.Reason, s.Message = tmccluster.ReasonUnreachable, "the cluster does not answer"
	s.Taints = append(s.Taints, clusterv1alpha1.Taint{Key: clusterv1alpha1.TaintUnreachable, Effect: corev1.TaintEffectNoSchedule, TimeAdded: &metav1.Time{Time: s.UnreachableSince}})
}

// lost is what becomes of it when the grace period is over.
func lost(s *tmccluster.State) {
	s.Taints = append(s.Taints, clusterv1alpha1.Taint{Key: clusterv1alpha1.TaintUnreachable, Effect: corev1.TaintEffectNoExecute, TimeAdded: &metav1.Time{Time: time.Now()}})
}

func healthy(s *tmccluster.State) {
	s.Ready, s.Reachable, s.Unschedulable, s.Draining = true, true, false, false
	s.UnreachableSince, s.Reason, s.Message, s.Taints = time.Time{}, "", "", nil
}

// copies is a Copies fed by hand; it says that copies remain until told
// otherwise.
type copies struct {
	mu     sync.Mutex
	gone   map[string]bool
	notify func(multicluster.ClusterName, types.NamespacedName, string)
}

var (
	_ placementcontroller.Copies         = (*copies)(nil)
	_ placementcontroller.CopiesNotifier = (*copies)(nil)
)

func (c *copies) Remaining(_ context.Context, _ multicluster.ClusterName, _ types.NamespacedName, cluster string) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	gone, known := c.gone[cluster]
	switch {
	case !known:
		return 0, errors.New("the cluster does not answer")
	case gone:
		return 0, nil
	}
	return 1, nil
}

func (c *copies) NotifyRetired(fn func(multicluster.ClusterName, types.NamespacedName, string)) {
	c.notify = fn
}

func (c *copies) set(cluster string, gone bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone == nil {
		c.gone = map[string]bool{}
	}
	c.gone[cluster] = gone
}

// retire says that no copy remains on a cluster, and tells of it.
func (c *copies) retire(workspace multicluster.ClusterName, name types.NamespacedName, cluster string) {
	c.set(cluster, true)
	c.notify(workspace, name, cluster)
}

// counter counts the writes of a client, and disturbs requests on demand.
type counter struct {
	before func(*http.Request)      // called with each
	refuse func(*http.Request) bool // those it returns true for fail
	mu     sync.Mutex
	writes map[string]int
}

func (c *counter) wrap(next http.RoundTripper) http.RoundTripper { return roundTripper{c, next} }

type roundTripper struct {
	*counter
	next http.RoundTripper
}

func (r roundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	if r.before != nil {
		r.before(req)
	}
	if r.refuse != nil && r.refuse(req) {
		return nil, errors.New("refused by the test")
	}
	if req.Method != http.MethodGet {
		r.mu.Lock()
		if r.writes == nil {
			r.writes = map[string]int{}
		}
		r.writes[writeOf(req)]++
		r.mu.Unlock()
	}
	return r.next.RoundTrip(req)
}

// writeOf names a write as "PATCH placements/status".
func writeOf(req *http.Request) string {
	for _, resource := range []string{"clusterplacements", "placements", "events"} {
		parts := strings.Split(strings.Trim(req.URL.Path, "/"), "/")
		if i := slices.Index(parts, resource); i >= 0 {
			name := req.Method + " " + resource
			if parts[len(parts)-1] == "status" {
				name += "/status"
			}
			return name
		}
	}
	return req.Method + " " + req.URL.Path
}

// placements returns the writes so far, but for events.
func (c *counter) placements() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := maps.Clone(c.writes)
	delete(out, "POST events")
	delete(out, "PATCH events")
	if out == nil {
		out = map[string]int{}
	}
	return out
}

// limit is a Limiter that allows nothing until told.
type limit struct {
	mu        sync.Mutex
	open      bool
	questions int
}

func newSwitch() *limit { return &limit{} }

func (l *limit) Name() string { return "switch" }

func (l *limit) Limit(context.Context, *placementcontroller.Moves) placementcontroller.Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.questions++
	if l.open {
		return placementcontroller.Verdict{}
	}
	return placementcontroller.Verdict{Reason: "Closed", RetryAfter: 20 * time.Millisecond}
}

func (l *limit) allow() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = true
}

func (l *limit) asked() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.questions
}

func prodByDefault(context.Context, multicluster.ClusterName, string) (*v1alpha1.PlacementSpec, error) {
	return &v1alpha1.PlacementSpec{Clusters: &v1alpha1.ClusterSelector{MatchLabels: map[string]string{"env": "prod"}}}, nil
}

// rule is a Layer that allows one cluster, and changes its mind.
type rule struct {
	mu     sync.Mutex
	policy *placementcontroller.Policy
	notify func(multicluster.ClusterName)
}

var (
	_ placementcontroller.Layer         = (*rule)(nil)
	_ placementcontroller.LayerNotifier = (*rule)(nil)
)

func newRule(cluster string) *rule {
	return &rule{policy: &placementcontroller.Policy{Clusters: &v1alpha1.ClusterSelector{Names: []string{cluster}}}}
}

func (*rule) Name() string { return "rule" }

func (r *rule) Policy(context.Context, *placementcontroller.Scope) (*placementcontroller.Policy, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.policy, nil
}

func (r *rule) NotifyChanged(fn func(multicluster.ClusterName)) { r.notify = fn }

func (r *rule) allow(cluster string) {
	r.set(newRule(cluster).policy)
}

func (r *rule) set(policy *placementcontroller.Policy) {
	r.mu.Lock()
	r.policy = policy
	r.mu.Unlock()
	r.notify("")
}
