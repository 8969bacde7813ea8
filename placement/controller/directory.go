package controller

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	crcluster "sigs.k8s.io/controller-runtime/pkg/cluster"
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

// DirectoryNotifier is implemented by a Directory that follows workspaces.
type DirectoryNotifier interface {
	// Engage begins to follow a workspace, until ctx ends. It is called once or
	// more for each engagement.
	multicluster.Aware
	// NotifyChanged has fn called when what is known of a workspace changed. fn
	// is quick and safe for concurrent use.
	NotifyChanged(fn func(workspace multicluster.ClusterName))
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

var (
	_ LayerNotifier      = (*selectedLayer)(nil)
	_ multicluster.Aware = (*selectedLayer)(nil)
)

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
	if n, ok := s.directory.(DirectoryNotifier); ok {
		n.NotifyChanged(fn)
	}
}

// Engage implements multicluster.Aware: the controller has the directory follow
// the workspaces that it decides for.
func (s *selectedLayer) Engage(ctx context.Context, name multicluster.ClusterName, cl crcluster.Cluster) error {
	if n, ok := s.directory.(DirectoryNotifier); ok {
		return n.Engage(ctx, name, cl)
	}
	return nil
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
