package syncer

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tmc-sdk/tmc/transform"
)

// knownToMention are the kinds of Kubernetes that may mention other objects.
var knownToMention = []schema.GroupKind{
	{Kind: "Pod"},
	{Kind: "ReplicationController"},
	{Kind: "ServiceAccount"},
	{Group: "apps", Kind: "Deployment"},
	{Group: "apps", Kind: "StatefulSet"},
	{Group: "apps", Kind: "DaemonSet"},
	{Group: "apps", Kind: "ReplicaSet"},
	{Group: "batch", Kind: "Job"},
	{Group: "batch", Kind: "CronJob"},
}

// unfollowed returns the kinds that may mention others, by themselves or as the
// platform declared, and of which no copies are followed on the cluster.
func (l *lane) unfollowed() []schema.GroupKind {
	kinds := slices.Clone(knownToMention)
	for kind := range l.loop.opts.mentions {
		kinds = append(kinds, kind)
	}
	kinds = append(kinds, l.loop.pipeline.KindsWithPods()...)
	slices.SortFunc(kinds, func(a, b schema.GroupKind) int { return strings.Compare(a.String(), b.String()) })
	kinds = slices.Compact(kinds)
	return slices.DeleteFunc(kinds, func(kind schema.GroupKind) bool {
		return slices.ContainsFunc(l.loop.kinds(), func(k schema.GroupVersionKind) bool { return l.kindOf(k).GroupKind() == kind })
	})
}

// unmentioned makes sure that no copy on the cluster needs a related one that is of a
// kind which is not synced now: an export may have lost it while nobody was there to
// see it, and its copies still run. Kinds that stand between are read, too.
func (l *lane) unmentioned(ctx context.Context, key Key) (bool, error) {
	if !l.loop.opts.changing() {
		return true, nil
	}
	at := l.loop.locate(key)
	live := func(kind schema.GroupVersionKind) ([]unstructured.Unstructured, error) {
		return l.liveCopiesIn(ctx, kind, at.Namespace)
	}
	var kinds []schema.GroupVersionKind
	for _, kind := range l.unfollowed() {
		if mapping, err := l.live.RESTMapper().RESTMapping(kind); err == nil {
			kinds = append(kinds, mapping.GroupVersionKind)
		} else if !meta.IsNoMatchError(err) {
			return false, fmt.Errorf("look for %s: %w", kind, err)
		}
	}
	strangers := len(kinds)
	for _, kind := range l.loop.mentioning() {
		if l.loop.isRelated(kind) && !l.unserved(kind) {
			kinds = append(kinds, kind)
		}
	}
	needing, err := l.loop.needing(mentionOf(key.Kind, at.Name), kinds, live)
	if err != nil {
		return false, err
	}
	for i := range needing {
		if slices.ContainsFunc(kinds[:strangers], func(k schema.GroupVersionKind) bool { return k == needing[i].GroupVersionKind() }) {
			return false, errUnknown
		}
	}
	return true, nil
}

// liveCopiesIn reads the installation's objects of a kind in a namespace of the
// cluster.
func (l *lane) liveCopiesIn(ctx context.Context, kind schema.GroupVersionKind, namespace string) ([]unstructured.Unstructured, error) {
	as := l.kindOf(kind)
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(as.GroupVersion().WithKind(as.Kind + "List"))
	err := l.live.List(ctx, list, client.InNamespace(namespace), client.MatchingLabelsSelector{Selector: transform.SelectorFor(l.loop.installation)})
	switch {
	case meta.IsNoMatchError(err):
		return nil, nil
	case apierrors.IsForbidden(err):
		return nil, fmt.Errorf("a copy that nothing seems to mention stays: whether a %s does can't be seen, have the platform team allow to list them: %w", as.Kind, err)
	case err != nil:
		return nil, fmt.Errorf("read copies of %s: %w", as.Kind, err)
	}
	return list.Items, nil
}
