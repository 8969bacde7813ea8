package controller

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
)

// WorkspaceInfo is what is known of a workspace beside its name.
type WorkspaceInfo struct {
	// Path of the workspace, as "root:prod:team-a".
	Path string
	// Labels of its logical cluster.
	Labels map[string]string
}

// Directory knows workspaces by the names of their logical clusters.
type Directory interface {
	// Workspace returns what is known of a workspace. It is shared.
	Workspace(ctx context.Context, name multicluster.ClusterName) (*WorkspaceInfo, error)
}

// WorkspaceSelector selects workspaces. All its parts must match; the zero value
// selects all.
type WorkspaceSelector struct {
	// Names of logical clusters, one of which it must be. Empty: any.
	Names []multicluster.ClusterName
	// Paths are patterns, one of which the path must match: in each part between
	// colons * stands for any text, and ** at the end for any parts, or none:
	// "root:prod:*", "root:orgs:**". Empty: any.
	Paths []string
	// Labels of the logical cluster. Nil: any.
	Labels *metav1.LabelSelector
}

// NewSelectedLayer returns a layer that says what another one says, for the
// workspaces that a selector selects, and nothing for others. Where a workspace
// can't be looked up, no decision is made: a constraint that may hold is not left
// out. The directory may be nil if the selector has names alone.
func NewSelectedLayer(layer Layer, selector WorkspaceSelector, directory Directory) (Layer, error) {
	if layer == nil {
		return nil, errors.New("placement controller: a selected layer needs a layer")
	}
	s := &selectedLayer{Layer: layer, selector: selector, directory: directory, labels: labels.Everything()}
	if selector.Labels != nil {
		var err error
		if s.labels, err = metav1.LabelSelectorAsSelector(selector.Labels); err != nil {
			return nil, fmt.Errorf("placement controller: labels of workspaces: %w", err)
		}
	}
	for _, pattern := range selector.Paths {
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			return nil, fmt.Errorf("placement controller: %q is no pattern of paths", pattern)
		}
	}
	if directory == nil && (len(selector.Paths) > 0 || selector.Labels != nil) {
		return nil, errors.New("placement controller: paths and labels of workspaces need a directory: pass NewDirectory")
	}
	return s, nil
}

type selectedLayer struct {
	Layer
	selector  WorkspaceSelector
	labels    labels.Selector
	directory Directory
}

var _ LayerNotifier = (*selectedLayer)(nil)

// Policy implements Layer.
func (s *selectedLayer) Policy(ctx context.Context, scope *Scope) (*Policy, error) {
	if len(s.selector.Names) > 0 && !slices.Contains(s.selector.Names, scope.Workspace) {
		return nil, nil
	}
	if len(s.selector.Paths) > 0 || s.selector.Labels != nil {
		info, err := s.directory.Workspace(ctx, scope.Workspace)
		if err != nil {
			return nil, err
		}
		if !s.labels.Matches(labels.Set(info.Labels)) || len(s.selector.Paths) > 0 && !slices.ContainsFunc(s.selector.Paths, func(p string) bool { return matchesPath(p, info.Path) }) {
			return nil, nil
		}
	}
	return s.Layer.Policy(ctx, scope)
}

// NotifyChanged implements LayerNotifier.
func (s *selectedLayer) NotifyChanged(fn func(multicluster.ClusterName)) {
	if n, ok := s.Layer.(LayerNotifier); ok {
		n.NotifyChanged(fn)
	}
}

// matchesPath matches part by part: no wildcard reaches beyond its part but **.
func matchesPath(pattern, full string) bool {
	want, have := strings.Split(pattern, ":"), strings.Split(full, ":")
	for i, part := range want {
		if part == "**" && i == len(want)-1 {
			return len(have) >= i
		}
		if i >= len(have) {
			return false
		}
		if ok, err := path.Match(part, have[i]); err != nil || !ok {
			return false
		}
	}
	return len(have) == len(want)
}

// The logical cluster of a workspace, and where it says its path.
var logicalClusters = schema.GroupVersionResource{Group: "core.kcp.io", Version: "v1alpha1", Resource: "logicalclusters"}

const (
	logicalClusterName = "cluster"
	pathAnnotation     = "kcp.io/path"
	// directoryAge is how old what is known of a workspace may be.
	directoryAge = 5 * time.Minute
)

// LogicalClusters is a Directory that reads the LogicalCluster of a workspace
// through the export, which must claim logicalclusters of core.kcp.io; it
// remembers what it read for some minutes.
type LogicalClusters struct {
	provider multicluster.Provider
	now      func() time.Time

	mu    sync.Mutex
	known map[multicluster.ClusterName]knownWorkspace
}

type knownWorkspace struct {
	info *WorkspaceInfo
	at   time.Time
}

var _ Directory = (*LogicalClusters)(nil)

// NewDirectory returns a directory of the workspaces of a provider.
func NewDirectory(provider multicluster.Provider) *LogicalClusters {
	return &LogicalClusters{provider: provider, now: time.Now, known: map[multicluster.ClusterName]knownWorkspace{}}
}

// Workspace implements Directory.
func (d *LogicalClusters) Workspace(ctx context.Context, name multicluster.ClusterName) (*WorkspaceInfo, error) {
	d.mu.Lock()
	k, ok := d.known[name]
	d.mu.Unlock()
	if ok && d.now().Sub(k.at) < directoryAge {
		return k.info, nil
	}
	info, err := d.read(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("look up workspace %s (the export must claim logicalclusters of core.kcp.io, and the workspace accept that): %w", name, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
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
	return &WorkspaceInfo{Path: lc.GetAnnotations()[pathAnnotation], Labels: lc.GetLabels()}, nil
}
