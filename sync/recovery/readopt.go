package recovery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/tmc-sdk/tmc/transform"
)

// Copies says whose copies are meant, and of which kinds.
type Copies struct {
	// Cluster is the name of the physical cluster, for messages.
	Cluster string
	// Installation whose copies they are; no others are touched.
	Installation string
	// Resources of which there are copies. Namespaces need not be listed.
	Resources []schema.GroupVersionResource
	// DryRun says what would be done, and does nothing.
	DryRun bool
}

var namespaces = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}

// Readopt writes on the copies of a physical cluster the marks of the originals
// that were restored. A copy whose original was not restored keeps its marks,
// and so stays as it is, unknown and untouched: it is told of as Left, unless it is of
// a workspace that kept or got its name by the restore, where the loop sees to it. It goes on past a copy that is
// refused, and returns all errors.
func Readopt(ctx context.Context, cfg *rest.Config, copies Copies, now Renamed) ([]Action, error) {
	if copies.Installation == "" {
		return nil, errors.New("readopt: whose copies? An installation is needed")
	}
	client, err := dynamic.NewForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("build client of cluster %s: %w", copies.Cluster, err)
	}
	var actions []Action
	var errs []error
	for _, resource := range append([]schema.GroupVersionResource{namespaces}, copies.Resources...) {
		page := metav1.ListOptions{LabelSelector: transform.SelectorFor(copies.Installation).String(), Limit: 500}
		for {
			found, err := client.Resource(resource).List(ctx, page)
			if apierrors.IsNotFound(err) {
				break // the cluster does not serve it, so there are no copies
			}
			if err != nil {
				return actions, errors.Join(append(errs, fmt.Errorf("list %s on %s: %w", resource.Resource, copies.Cluster, err))...)
			}
			for i := range found.Items {
				action, err := readopt(ctx, client.Resource(resource), copies, &found.Items[i], now)
				if action != nil {
					actions = append(actions, *action)
				}
				if err != nil {
					errs = append(errs, fmt.Errorf("%s: %s: %w", copies.Cluster, describe(&found.Items[i]), err))
				}
			}
			if page.Continue = found.GetContinue(); page.Continue == "" {
				break
			}
		}
	}
	return actions, errors.Join(errs...)
}

// readopt writes the marks of one copy; nil if they need no change.
func readopt(ctx context.Context, client dynamic.NamespaceableResourceInterface, copies Copies, obj *unstructured.Unstructured, now Renamed) (*Action, error) {
	marks, ok := transform.ReadMarks(obj)
	if !ok || marks.Installation != copies.Installation {
		return nil, nil //nolint:nilnil // it is not ours
	}
	metadata, changed := marksOf(marks, now)
	if !changed && isLeft(marks, now) {
		return &Action{copies.Cluster, describe(obj), Left}, nil
	}
	if !changed {
		return nil, nil //nolint:nilnil // it is as it should be
	}
	action := &Action{copies.Cluster, describe(obj), Configured}
	if copies.DryRun {
		return action, nil
	}
	metadata["uid"], metadata["resourceVersion"] = obj.GetUID(), obj.GetResourceVersion()
	patch, err := json.Marshal(map[string]any{"metadata": metadata})
	if err != nil {
		return nil, err
	}
	var to dynamic.ResourceInterface = client
	if obj.GetNamespace() != "" {
		to = client.Namespace(obj.GetNamespace())
	}
	if _, err := to.Patch(ctx, obj.GetName(), types.MergePatchType, patch, metav1.PatchOptions{FieldManager: Manager}); err != nil {
		return nil, err
	}
	return action, nil
}

// isLeft says whether a copy has no original that was restored, and none that a loop
// could find: its workspace is known by no name that there is now. Namespaces go when
// they are empty.
func isLeft(marks transform.Marks, now Renamed) bool {
	if marks.UID == "" {
		return false
	}
	for _, is := range now.Clusters {
		if is == marks.LogicalCluster {
			return false
		}
	}
	return true
}

// marksOf returns the metadata of the new marks. Both the workspace and the
// original must be known: a copy is never given to a guess.
func marksOf(marks transform.Marks, now Renamed) (metadata map[string]any, changed bool) {
	cluster, known := now.Clusters[marks.LogicalCluster]
	if !known {
		return nil, false
	}
	metadata = map[string]any{"labels": map[string]string{
		transform.LabelLogicalCluster: cluster, transform.LabelBucket: strconv.Itoa(transform.BucketOf(cluster)),
	}}
	if marks.UID == "" { // the namespace of copies
		return metadata, cluster != marks.LogicalCluster
	}
	uid, known := now.UIDs[marks.UID]
	if !known {
		return nil, false
	}
	metadata["annotations"] = map[string]string{transform.AnnotationUID: string(uid)}
	return metadata, cluster != marks.LogicalCluster || uid != marks.UID
}
