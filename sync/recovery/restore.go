package recovery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	placementv1alpha1 "github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Manager is the field manager of what is restored.
const Manager = "tmc-recovery"

// Target is what a backup is restored into. The workspaces are there and bound.
type Target struct {
	// Platform leads to the workspace of the PhysicalClusters. Nil: they are
	// not restored.
	Platform *rest.Config
	// Workspace leads to the workspace of a path, and says which logical
	// cluster it is now.
	Workspace func(ctx context.Context, path string) (cfg *rest.Config, cluster string, err error)
	// Mapper finds the resource of a kind at a config.
	Mapper func(cfg *rest.Config) (meta.RESTMapper, error)
	// DryRun says what would be done, and does nothing.
	DryRun bool
}

// Action is what was done, or with DryRun would be, to one object.
type Action struct {
	// Where: a path of a workspace, "platform", or a physical cluster.
	Where string `json:"where"`
	// Object as "Kind namespace/name".
	Object string `json:"object"`
	// Did is created, configured or unchanged.
	Did string `json:"did"`
}

// Things that can be done to an object.
const (
	// Created: it was not there.
	Created = "created"
	// Configured: something was missing from it.
	Configured = "configured"
	// Unchanged: it was there.
	Unchanged = "unchanged"
	// Left: a copy whose original is not in the backup. It runs on, and nobody tends
	// it.
	Left = "left"
)

// Renamed says what became of names that copies are tied to.
type Renamed struct {
	// Clusters are the logical clusters that are now, by those that were.
	Clusters map[string]string `json:"clusters"`
	// UIDs of originals that are now, by those that were. After a dry run those that
	// would be made stand for themselves: it is for a dry run of Readopt alone.
	UIDs map[types.UID]types.UID `json:"uids"`
}

// Result is what Restore did.
type Result struct {
	// Actions in the order in which they were done.
	Actions []Action `json:"actions"`
	// Renamed is for Readopt and KeepNames. After a dry run it lacks what is not
	// there yet.
	Renamed Renamed `json:"renamed"`
}

// Restore puts into the workspaces what is missing. What is there is left as it
// is, so that it can be repeated and harms no one who went ahead. It goes on
// past an object that is refused, and returns all errors.
func Restore(ctx context.Context, b *Backup, to Target) (*Result, error) {
	r := &restorer{to: to, result: &Result{Renamed: Renamed{Clusters: map[string]string{}, UIDs: map[types.UID]types.UID{}}}}
	if to.Platform != nil {
		at, err := r.enter("platform", to.Platform)
		if err != nil {
			return r.result, err
		}
		for i := range b.Platform {
			r.put(ctx, at, &b.Platform[i])
		}
	}
	for i := range b.Workspaces {
		if err := r.workspace(ctx, &b.Workspaces[i]); err != nil {
			r.errs = append(r.errs, fmt.Errorf("workspace %s: %w", b.Workspaces[i].Path, err))
		}
	}
	return r.result, errors.Join(r.errs...)
}

type restorer struct {
	to     Target
	result *Result
	errs   []error
}

// site is where objects are put.
type site struct {
	name   string
	client dynamic.Interface
	mapper meta.RESTMapper
}

func (r *restorer) enter(name string, cfg *rest.Config) (*site, error) {
	client, err := dynamic.NewForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("build client: %w", err)
	}
	mapper, err := r.to.Mapper(cfg)
	if err != nil {
		return nil, fmt.Errorf("discover what %s serves: %w", name, err)
	}
	return &site{name, client, mapper}, nil
}

func (r *restorer) workspace(ctx context.Context, ws *Workspace) error {
	cfg, cluster, err := r.to.Workspace(ctx, ws.Path)
	if err != nil {
		return err
	}
	at, err := r.enter(ws.Path, cfg)
	if err != nil {
		return err
	}
	r.result.Renamed.Clusters[ws.Cluster] = cluster
	// Decisions come first, so that no default is made for an original.
	for i := range ws.Placements {
		r.put(ctx, at, &ws.Placements[i])
	}
	for i := range ws.Originals {
		r.put(ctx, at, &ws.Originals[i])
	}
	return nil
}

// put creates an object that is not there, and notes which UID it has.
func (r *restorer) put(ctx context.Context, at *site, saved *unstructured.Unstructured) {
	if err := r.tryPut(ctx, at, saved); err != nil {
		r.errs = append(r.errs, fmt.Errorf("%s: %s: %w", at.name, describe(saved), err))
	}
}

func (r *restorer) tryPut(ctx context.Context, at *site, saved *unstructured.Unstructured) error {
	client, err := at.resource(saved.GroupVersionKind(), saved.GetNamespace())
	if err != nil {
		return err
	}
	there, err := client.Get(ctx, saved.GetName(), metav1.GetOptions{})
	did := Unchanged
	if apierrors.IsNotFound(err) {
		did = Created
		if there, err = r.create(ctx, at, client, saved); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	switch {
	case there != nil:
		r.result.Renamed.UIDs[saved.GetUID()] = there.GetUID()
	case r.to.DryRun:
		r.result.Renamed.UIDs[saved.GetUID()] = saved.GetUID() // which it will have instead is not known
	}
	decided, err := r.decide(ctx, client, saved, there)
	if err != nil {
		return err
	}
	if decided && did == Unchanged {
		did = Configured
	}
	r.result.Actions = append(r.result.Actions, Action{at.name, describe(saved), did})
	return nil
}

// create returns the object that was made; nil with DryRun, if its namespace is
// not there either.
func (r *restorer) create(ctx context.Context, at *site, client dynamic.ResourceInterface, saved *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if r.to.DryRun {
		return nil, nil //nolint:nilnil // nothing was made, and nothing went wrong
	}
	if err := ensureNamespace(ctx, at, saved.GetNamespace()); err != nil {
		return nil, err
	}
	obj := saved.DeepCopy()
	unstructured.RemoveNestedField(obj.Object, "metadata", "uid")
	unstructured.RemoveNestedField(obj.Object, "status")
	return client.Create(ctx, obj, metav1.CreateOptions{FieldManager: Manager})
}

// decide brings back the decision of a Placement that has none.
func (r *restorer) decide(ctx context.Context, client dynamic.ResourceInterface, saved, there *unstructured.Unstructured) (bool, error) {
	status, ok, _ := unstructured.NestedMap(saved.Object, "status")
	if !ok || saved.GroupVersionKind().Group != placementv1alpha1.Group {
		return false, nil
	}
	if there != nil {
		if targets, _, _ := unstructured.NestedSlice(there.Object, "status", "targets"); len(targets) > 0 {
			return false, nil
		}
	}
	if targets, _, _ := unstructured.NestedSlice(status, "targets"); len(targets) == 0 {
		return false, nil
	}
	if r.to.DryRun {
		return true, nil
	}
	// The generation that was decided on is not that of the new object, whose
	// spec is the same.
	status["observedGeneration"] = there.GetGeneration()
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": there.GetUID()}, "status": status})
	if err != nil {
		return false, err
	}
	_, err = client.Patch(ctx, saved.GetName(), types.MergePatchType, patch, metav1.PatchOptions{FieldManager: Manager}, "status")
	return true, err
}

func (s *site) resource(kind schema.GroupVersionKind, namespace string) (dynamic.ResourceInterface, error) {
	mapping, err := s.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return nil, fmt.Errorf("%s is not served there; bind the export first: %w", kind.Kind, err)
	}
	if namespace == "" {
		return s.client.Resource(mapping.Resource), nil
	}
	return s.client.Resource(mapping.Resource).Namespace(namespace), nil
}

func ensureNamespace(ctx context.Context, at *site, name string) error {
	if name == "" {
		return nil
	}
	ns := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name}}}
	_, err := at.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}).Create(ctx, ns, metav1.CreateOptions{FieldManager: Manager})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create namespace %s: %w", name, err)
	}
	return nil
}

func describe(obj *unstructured.Unstructured) string {
	return obj.GetKind() + " " + strings.TrimPrefix(obj.GetNamespace()+"/"+obj.GetName(), "/")
}

// isKCP says whether kcp writes a label or annotation.
func isKCP(key string) bool {
	prefix, _, ok := strings.Cut(key, "/")
	return ok && (prefix == "kcp.io" || strings.HasSuffix(prefix, ".kcp.io"))
}
