package syncer

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/cluster/workspaces"
)

// claimRetry is how often a claim that a workspace does not accept is looked at
// again, should no event tell that it does.
const claimRetry = time.Minute

// claims is implemented by providers whose workspaces may hide objects of kinds that
// the loop reads by a permission claim, as *workspaces.Provider.
type claims interface {
	// Refused returns the name of the APIBinding that does not accept the claim to
	// a resource; empty if there is none.
	Refused(ctx context.Context, ws multicluster.ClusterName, resource schema.GroupResource) (binding string, err error)
}

// hidden says which object that an original mentions can't be seen, because its
// workspace does not accept the claim to it; nil if none. That one that may be seen
// is not there is no refusal: it may come.
func (l *Loop) hidden(ctx context.Context, key Key, original *unstructured.Unstructured) *RefusalError {
	provider, ok := l.provider.(claims)
	if !ok || len(l.set.Load().related) == 0 {
		return nil
	}
	for _, m := range l.mentionsOf(original) {
		kind, ok := l.relatedKind(m)
		if !ok {
			continue
		}
		there := Key{Kind: kind, Workspace: key.Workspace, Namespace: key.Namespace, Name: m.name}
		if _, err := l.watcher.Get(ctx, there.Workspace, kind, there.object()); err == nil {
			continue
		}
		resource, _ := meta.UnsafeGuessKindToResource(kind) // exact for the kinds of Kubernetes that are related
		binding, err := provider.Refused(ctx, key.Workspace, resource.GroupResource())
		if err != nil || binding == "" {
			continue
		}
		return &RefusalError{Reason: ReasonClaimRejected, Message: fmt.Sprintf(
			"%s %q, which it mentions, can't be seen: APIBinding %q does not accept the permission claim to %s; accept it there in spec.permissionClaims, or do not mention it; what is on clusters stays as it is",
			kind.Kind, m.name, binding, resource.GroupResource())}
	}
	return nil
}

// relatedKind returns the kind that a mention is of, if it is synced as a related one.
func (l *Loop) relatedKind(m mention) (schema.GroupVersionKind, bool) {
	for _, kind := range l.set.Load().related {
		if kind.GroupKind().String() == m.kind {
			return kind, true
		}
	}
	return schema.GroupVersionKind{}, false
}

// enqueueUsers asks for what mentions a related object that came or went: a claim
// that was accepted or taken back shows in nothing else.
func (l *Loop) enqueueUsers(key Key, e workspaces.Event) {
	if _, ok := l.provider.(claims); !ok || e.Initial || e.Old != nil && e.New != nil {
		return
	}
	users, _ := l.usersOf(context.Background(), key) // when more become known, each is told of
	for i := range users {
		l.enqueue(keyFor(key.Workspace, &users[i]), false)
	}
}
