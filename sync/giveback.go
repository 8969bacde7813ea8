package syncer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// giveBack writes into the original what of its spec the clusters have decided,
// where the platform lets that come back (transform.WithReturned). It returns
// whether it wrote: an event follows then.
func (l *Loop) giveBack(ctx context.Context, key Key, original *unstructured.Unstructured, seen sighting) (bool, error) {
	if seen.pending > 0 || len(seen.refusals) > 0 || l.record(key, original.GetUID()).replaced == original.GetResourceVersion() {
		return false, nil
	}
	patch, err := l.pipeline.Returned(original, seen.copies)
	if err != nil || patch == nil {
		return false, err
	}
	ws, err := l.workspace(ctx, key.Workspace)
	if err != nil {
		if errors.Is(err, errUnknown) {
			return false, nil
		}
		return false, err
	}
	metadata, _ := patch["metadata"].(map[string]any)
	metadata["uid"], metadata["resourceVersion"] = original.GetUID(), original.GetResourceVersion()
	data, err := json.Marshal(patch)
	if err != nil {
		return false, err
	}
	err = ws.Patch(ctx, original.DeepCopy(), client.RawPatch(types.MergePatchType, data), client.FieldOwner(l.manager))
	l.metrics.wroteUpstream("spec", err)
	switch {
	case isGone(err), apierrors.IsConflict(err):
		return false, nil // an event follows what changed
	case err != nil:
		return false, fmt.Errorf("give back what clusters decided: %w", err)
	}
	r := l.record(key, original.GetUID())
	r.replaced = original.GetResourceVersion()
	l.remember(key, r)
	return true, nil
}
