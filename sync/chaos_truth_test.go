package syncer_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	syncer "github.com/tmc-sdk/tmc/sync"
)

// A truth is the history of the workspaces, watched past all faults but those
// that kcp itself is in, during which nothing changes. It is late by as much as
// a watch is.
type truth struct {
	mu         sync.Mutex
	placements map[place][]decided
	originals  map[types.UID]*original
	intents    map[types.UID]time.Time // when a tenant first asked for a deletion
}

// A place is a namespace of a workspace; in TestChaos one Placement covers it.
type place struct{ workspace, namespace string }

// decided is what a Placement said from a time on: clusters, and whether each
// is leaving.
type decided struct {
	from    time.Time
	targets map[string]bool
}

type original struct {
	place
	kind       string
	mentions   string
	born, gone time.Time // gone: zero while it is neither deleting nor gone
}

func newTruth() *truth {
	return &truth{placements: map[place][]decided{}, originals: map[types.UID]*original{}, intents: map[types.UID]time.Time{}}
}

func (t *truth) intend(uid types.UID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.intents[uid] = time.Now()
}

// watch follows a workspace until the test ends.
func (t *truth) watch(tb testing.TB, config *rest.Config, workspace string) {
	tb.Helper()
	cl, err := client.NewWithWatch(config, client.Options{})
	require.NoError(tb, err)
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for _, kind := range []schema.GroupVersionKind{placementKind, deploymentKind} {
		all.Go(func() {
			for pause(ctx, 50*time.Millisecond) {
				t.follow(ctx, cl, kind, workspace)
			}
		})
	}
	tb.Cleanup(func() { cancel(); all.Wait() })
}

// follow lists and watches, until the watch ends.
func (t *truth) follow(ctx context.Context, cl client.WithWatch, kind schema.GroupVersionKind, workspace string) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind)
	short, cancel := context.WithTimeout(ctx, chaosPatience)
	err := cl.List(short, list)
	cancel()
	if err != nil {
		return
	}
	there := map[types.UID]bool{}
	for i := range list.Items {
		there[list.Items[i].GetUID()] = true
		t.see(&list.Items[i], workspace, false)
	}
	t.miss(kind.Kind, workspace, there)
	empty := &unstructured.UnstructuredList{}
	empty.SetGroupVersionKind(kind)
	events, err := cl.Watch(ctx, empty, &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.GetResourceVersion()}})
	if err != nil {
		return
	}
	defer events.Stop()
	for e := range events.ResultChan() {
		u, ok := e.Object.(*unstructured.Unstructured)
		if !ok || e.Type == watch.Error {
			return
		}
		t.see(u, workspace, e.Type == watch.Deleted)
	}
}

func (t *truth) see(u *unstructured.Unstructured, workspace string, deleted bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, where := time.Now(), place{workspace, u.GetNamespace()}
	if u.GetKind() == placementKind.Kind {
		if deleted {
			return // nobody does that here
		}
		targets := map[string]bool{}
		list, _, _ := unstructured.NestedSlice(u.Object, "status", "targets")
		for _, item := range list {
			target, _ := item.(map[string]any)
			name, _ := target["cluster"].(string)
			targets[name], _ = target["leaving"].(bool)
		}
		t.placements[where] = append(t.placements[where], decided{now, targets})
		return
	}
	o := t.originals[u.GetUID()]
	if o == nil {
		o = &original{place: where, kind: u.GetKind(), mentions: mentionedBy(u), born: now}
		t.originals[u.GetUID()] = o
	}
	if o.gone.IsZero() && (deleted || u.GetDeletionTimestamp() != nil) {
		o.gone = now
	}
}

// miss takes what is no longer there for gone.
func (t *truth) miss(kind, workspace string, there map[types.UID]bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for uid, o := range t.originals {
		if o.kind == kind && o.workspace == workspace && !there[uid] && o.gone.IsZero() {
			o.gone = time.Now()
		}
	}
}

// mentionedBy returns the ConfigMap that a Deployment mentions.
func mentionedBy(u *unstructured.Unstructured) string {
	volumes, _, _ := unstructured.NestedSlice(u.Object, "spec", "template", "spec", "volumes")
	for _, v := range volumes {
		name, _, _ := unstructured.NestedString(v.(map[string]any), "configMap", "name")
		return name
	}
	return ""
}

// What the loop read live, it read at most so long before it acted, and it is
// known to be so at most so long after.
const (
	proofAge = 10 * time.Second
	truthLag = 5 * time.Second
)

// proves says whether a deletion of a copy had its proof.
func (t *truth) proves(a admitted) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	where := place{string(a.key.Workspace), a.key.Namespace}
	switch a.cause {
	case syncer.CauseOriginalDeleted, syncer.CauseOriginalReplaced:
		if intent, ok := t.intents[a.uid]; !ok || intent.After(a.at) {
			return false
		}
		o := t.originals[a.uid]
		return o == nil || !o.gone.IsZero() && o.gone.Before(a.at.Add(truthLag))
	case syncer.CauseMoved:
		return t.ever(where, a, func(time.Time) bool { return false })
	case syncer.CauseUnmentioned:
		return t.ever(where, a, func(at time.Time) bool {
			for _, o := range t.originals {
				if o.place == where && o.mentions == a.key.Name && !o.born.After(at) && (o.gone.IsZero() || o.gone.After(at)) {
					return false
				}
			}
			return true
		})
	default:
		return false // nothing else may cause one here
	}
}

// ever says whether at any time when the loop can have looked the decision did
// not name the cluster to stay on, or something else held. t.mu is held.
func (t *truth) ever(where place, a admitted, or func(at time.Time) bool) bool {
	from, to := a.at.Add(-proofAge), a.at.Add(truthLag)
	moments := []time.Time{from, to}
	for _, v := range t.placements[where] {
		moments = append(moments, v.from)
	}
	for _, o := range t.originals {
		moments = append(moments, o.gone)
	}
	return slices.ContainsFunc(moments, func(at time.Time) bool {
		if at.Before(from) || at.After(to) {
			return false
		}
		leaving, named := t.targetsAt(where, at)[a.cluster]
		return leaving || !named || or(at)
	})
}

func (t *truth) targetsAt(where place, at time.Time) map[string]bool {
	var targets map[string]bool
	for _, v := range t.placements[where] {
		if v.from.After(at) {
			break
		}
		targets = v.targets
	}
	return targets
}

// mustHaveProvenEveryDeletion is law 1, for all that happened.
func (c *chaos) mustHaveProvenEveryDeletion() {
	c.t.Helper()
	ctl := c.controller
	ctl.mu.Lock()
	defer ctl.mu.Unlock()
	causes := map[syncer.Cause]int{}
	passed := map[deleted]bool{}
	for _, a := range ctl.admits {
		causes[a.cause]++
		passed[deleted{cluster: a.cluster, path: a.path}] = true
		if !c.truth.proves(a) {
			c.t.Errorf("law 1: %.1fs: the copy of %s %s on %s goes because %s, and that is not true", a.at.Sub(c.from).Seconds(), a.key, a.uid, a.cluster, a.cause)
		}
	}
	n := 0
	for _, d := range ctl.deletes {
		if !isCopyPath(d.path) {
			continue
		}
		n++
		if !passed[deleted{cluster: d.cluster, path: d.path}] {
			c.t.Errorf("law 1: %.1fs: DELETE %s on %s, and nobody was asked", d.at.Sub(c.from).Seconds(), d.path, d.cluster)
		}
	}
	c.t.Logf("%d deletions of copies, all proven: %v", n, causes)
}
