package envtest

import (
	"context"
	"fmt"
	"strings"
	"time"

	kcpcorev1alpha1 "github.com/kcp-dev/sdk/apis/core/v1alpha1"
	kcptenancyv1alpha1 "github.com/kcp-dev/sdk/apis/tenancy/v1alpha1"

	"github.com/kcp-dev/logicalcluster/v3"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// A Workspace is one that is ready. Its name as a logical cluster never
// changes; its path may.
type Workspace struct {
	Path    logicalcluster.Path
	Cluster logicalcluster.Name
}

// CreateWorkspace creates a workspace below parent, unless it is there, and
// waits until it is ready and has its namespace "default".
func (k *KCP) CreateWorkspace(ctx context.Context, parent logicalcluster.Path, name string) (Workspace, error) {
	path := parent.Join(name)
	c, err := k.Client(parent)
	if err != nil {
		return Workspace{}, err
	}
	ws := &kcptenancyv1alpha1.Workspace{}
	err = k.wait(ctx, "workspace "+path.String(), func(ctx context.Context) error {
		err := c.Get(ctx, client.ObjectKey{Name: name}, ws)
		if apierrors.IsNotFound(err) {
			ws = &kcptenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: name}}
			ws.Spec.Type = &kcptenancyv1alpha1.WorkspaceTypeReference{Name: "universal", Path: Root.String()}
			err = c.Create(ctx, ws)
		}
		if err != nil {
			return err
		}
		if ws.Status.Phase != kcpcorev1alpha1.LogicalClusterPhaseReady || ws.Spec.Cluster == "" {
			return fmt.Errorf("its phase is %q", ws.Status.Phase)
		}
		return nil
	})
	if err != nil {
		return Workspace{}, err
	}
	inside, err := k.Client(path)
	if err != nil {
		return Workspace{}, err
	}
	err = k.wait(ctx, "namespace default of workspace "+path.String(), func(ctx context.Context) error {
		return inside.Get(ctx, client.ObjectKey{Name: corev1.NamespaceDefault}, &corev1.Namespace{})
	})
	if err != nil {
		return Workspace{}, err
	}
	return Workspace{Path: path, Cluster: logicalcluster.Name(ws.Spec.Cluster)}, nil
}

// CreateTree creates the workspaces of the given paths below Root, as
// "org:team-a", with all that are above them, and returns those named, in order.
func (k *KCP) CreateTree(ctx context.Context, paths ...string) ([]Workspace, error) {
	made := map[logicalcluster.Path]Workspace{}
	named := make([]Workspace, 0, len(paths))
	for _, text := range paths {
		path := Root
		var last Workspace
		for name := range strings.SplitSeq(text, ":") {
			parent := path
			path = path.Join(name)
			if _, done := made[path]; !done {
				ws, err := k.CreateWorkspace(ctx, parent, name)
				if err != nil {
					return nil, err
				}
				made[path] = ws
			}
			last = made[path]
		}
		named = append(named, last)
	}
	return named, nil
}

// Grant lets a user or a group enter a workspace and do there what rules say:
//
//	k.Grant(ctx, ws.Path, rbacv1.Subject{Kind: rbacv1.GroupKind, Name: "team-a"}, rules...)
func (k *KCP) Grant(ctx context.Context, path logicalcluster.Path, subject rbacv1.Subject, rules ...rbacv1.PolicyRule) error {
	c, err := k.Client(path)
	if err != nil {
		return err
	}
	if subject.APIGroup == "" && subject.Kind != rbacv1.ServiceAccountKind {
		subject.APIGroup = rbacv1.GroupName
	}
	access := rbacv1.PolicyRule{Verbs: []string{"access"}, NonResourceURLs: []string{"/"}}
	role := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "tmc-envtest-"},
		Rules:      append([]rbacv1.PolicyRule{access}, rules...),
	}
	if err := c.Create(ctx, role); err != nil {
		return fmt.Errorf("grant %s %s in %s: %w", subject.Kind, subject.Name, path, err)
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{subject},
	}
	if err := c.Create(ctx, binding); err != nil {
		return fmt.Errorf("grant %s %s in %s: %w", subject.Kind, subject.Name, path, err)
	}
	return nil
}

// patience is what kcp gets for one step, as long as ctx lasts.
const patience = time.Minute

// wait is waitFor with an end.
func (k *KCP) wait(ctx context.Context, what string, ask func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("gave up after %s", patience))
	defer cancel()
	return waitFor(ctx, what, ask)
}
