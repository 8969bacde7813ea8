package controller

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	crcluster "sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/cluster/workspaces"
)

// The logical cluster of a workspace, and where it says its path.
var (
	logicalClusterKind = schema.GroupVersionKind{Group: "core.kcp.io", Version: "v1alpha1", Kind: "LogicalCluster"}
	logicalClusters    = logicalClusterKind.GroupVersion().WithResource("logicalclusters")
)

const (
	logicalClusterName = "cluster"
	pathAnnotation     = "kcp.io/path"
	// directoryAge is how old what is known of a workspace may be that can't be
	// watched.
	directoryAge = 5 * time.Minute
)

// LogicalClusters is a Directory of the LogicalClusters of workspaces, which it
// sees through the export: that must claim logicalclusters of core.kcp.io. It
// watches those of the workspaces that it is engaged with, one watch for each
// endpoint of the export, and keeps one small object for each; of others, and of
// those that let themselves be read and not watched, it remembers for five
// minutes what it read. It is safe for concurrent use.
type LogicalClusters struct {
	provider multicluster.Provider
	watcher  *workspaces.Watcher
	now      func() time.Time

	mu      sync.Mutex
	known   map[multicluster.ClusterName]knownWorkspace
	engaged map[multicluster.ClusterName]context.Context
	changed []func(multicluster.ClusterName)
}

type knownWorkspace struct {
	info *WorkspaceInfo
	at   time.Time
}

var (
	_ Directory         = (*LogicalClusters)(nil)
	_ DirectoryNotifier = (*LogicalClusters)(nil)
)

// NewDirectory returns a directory of the workspaces of a provider. The
// controller engages it with those that it decides for.
func NewDirectory(provider multicluster.Provider) *LogicalClusters {
	d := &LogicalClusters{
		provider: provider, now: time.Now,
		known: map[multicluster.ClusterName]knownWorkspace{}, engaged: map[multicluster.ClusterName]context.Context{},
	}
	d.watcher = workspaces.NewWatcher(provider, []schema.GroupVersionKind{logicalClusterKind}, d.observe)
	return d
}

// Engage implements DirectoryNotifier.
func (d *LogicalClusters) Engage(ctx context.Context, name multicluster.ClusterName, cl crcluster.Cluster) error {
	d.mu.Lock()
	again := d.engaged[name] == ctx
	d.engaged[name] = ctx
	d.mu.Unlock()
	if again {
		return nil
	}
	context.AfterFunc(ctx, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.engaged[name] == ctx {
			delete(d.engaged, name)
			delete(d.known, name)
		}
	})
	return d.watcher.Engage(ctx, name, cl)
}

// NotifyChanged implements DirectoryNotifier.
func (d *LogicalClusters) NotifyChanged(fn func(workspace multicluster.ClusterName)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changed = append(d.changed, fn)
}

// observe notes what a LogicalCluster says, and tells if it is something else
// than before.
func (d *LogicalClusters) observe(e workspaces.Event) {
	if e.New == nil || e.New.GetName() != logicalClusterName {
		return // not to be seen is not to be without labels
	}
	info := infoOf(e.New)
	d.mu.Lock()
	before, ok := d.known[e.Cluster]
	d.known[e.Cluster] = knownWorkspace{info, d.now()}
	tell := d.changed
	d.mu.Unlock()
	if ok && before.info.Path == info.Path && maps.Equal(before.info.Labels, info.Labels) {
		return
	}
	if !ok && e.Initial {
		return // whoever asked before, asked the server
	}
	for _, fn := range tell {
		fn(e.Cluster)
	}
}

// Workspace implements Directory.
func (d *LogicalClusters) Workspace(ctx context.Context, name multicluster.ClusterName) (*WorkspaceInfo, error) {
	d.mu.Lock()
	k, ok := d.known[name]
	d.mu.Unlock()
	if ok && (d.watcher.Synced(name, logicalClusterKind) || d.now().Sub(k.at) < directoryAge) {
		return k.info, nil
	}
	asked := d.now()
	info, err := d.read(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("look up workspace %s (the export must claim logicalclusters of core.kcp.io, and the workspace accept that): %w", name, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if k, ok := d.known[name]; ok && !k.at.Before(asked) {
		return k.info, nil // the watch told of it meanwhile
	}
	d.known[name] = knownWorkspace{info, d.now()}
	return info, nil
}

func (d *LogicalClusters) read(ctx context.Context, name multicluster.ClusterName) (*WorkspaceInfo, error) {
	cl, err := d.provider.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	client, err := dynamic.NewForConfigAndClient(cl.GetConfig(), cl.GetHTTPClient())
	if err != nil {
		return nil, fmt.Errorf("build client: %w", err)
	}
	lc, err := client.Resource(logicalClusters).Get(ctx, logicalClusterName, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	return infoOf(lc), nil
}

func infoOf(lc *unstructured.Unstructured) *WorkspaceInfo {
	return &WorkspaceInfo{Path: lc.GetAnnotations()[pathAnnotation], Labels: lc.GetLabels()}
}
