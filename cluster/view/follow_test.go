package view

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/cluster/workspaces"
)

// changing is a set of kinds that a test changes.
type changing struct {
	mu    sync.Mutex
	kinds []schema.GroupVersionKind
	tell  func()
}

func (c *changing) Kinds() []schema.GroupVersionKind {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kinds
}

func (c *changing) Subscribe(fn func()) (cancel func()) {
	c.tell = fn
	return func() { c.tell = func() {} }
}

func (c *changing) become(kinds ...schema.GroupVersionKind) {
	c.mu.Lock()
	c.kinds = kinds
	c.mu.Unlock()
	c.tell()
}

// What an export has beside the kinds of a list counts while it has it.
func TestFollowedKindsCountWhileTheyAreThere(t *testing.T) {
	deployment := schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	widget := schema.GroupVersionKind{Group: "example.org", Version: "v1", Kind: "Widget"}
	v := New()
	f := &Feed{view: v, listed: []schema.GroupVersionKind{deployment}, kinds: []schema.GroupVersionKind{deployment}}
	f.watcher = workspaces.NewWatcher(nil, f.kinds, f.note)
	came := func(kind schema.GroupVersionKind, name string) {
		u := &unstructured.Unstructured{Object: map[string]any{}}
		u.SetGroupVersionKind(kind)
		u.SetName(name)
		f.note(workspaces.Event{Cluster: "ws", New: u})
	}
	count := func() int { return len(v.Objects("ws")) }

	more := &changing{}
	cancel := f.FollowKinds(more)
	came(deployment, "a")
	came(widget, "w")
	require.Equal(t, 1, count(), "a kind that nobody follows is not shown")
	more.become(widget, deployment.GroupKind().WithVersion("v2"))
	require.Equal(t, []schema.GroupVersionKind{deployment, widget}, f.following(), "a kind is shown in one version: that of the list")
	came(widget, "w")
	require.Equal(t, 2, count())
	more.become()
	require.Equal(t, 1, count(), "what left the export is shown no more")
	require.Equal(t, 1, v.Fleet().Objects)
	came(widget, "w")
	require.Equal(t, 1, count(), "nor is an event of it that was under way")
	cancel()
	more.become(widget)
	require.Len(t, f.following(), 1)
}
