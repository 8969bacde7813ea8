package syncer_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	"github.com/tmc-sdk/tmc/transform"
)

// ownedBy checks the UIDs of the owners of a copy.
func ownedBy(owners ...types.UID) func(*unstructured.Unstructured) error {
	return func(u *unstructured.Unstructured) error {
		var got []types.UID
		for _, ref := range u.GetOwnerReferences() {
			got = append(got, ref.UID)
		}
		if !slices.Equal(got, owners) {
			return fmt.Errorf("its owners are %v, want %v", got, owners)
		}
		return nil
	}
}

func sameUID(as *unstructured.Unstructured) func(*unstructured.Unstructured) error {
	return func(u *unstructured.Unstructured) error {
		if u.GetUID() != as.GetUID() {
			return fmt.Errorf("it is another copy than before")
		}
		return nil
	}
}

// Law 1 where copies name owners, whom the clusters' own collector would follow: a
// copy names the copy of its owner while that is there to stay, and has ceased to
// name it before it is deleted.
func TestACopyNamesItsOwnersCopyUntilThatIsToGo(t *testing.T) {
	w := newWorld(t, 1)
	w.rendering = []transform.Option{transform.WithOwnerReferences()}
	w.start()
	owner := deployment("owner", 1)
	require.NoError(t, w.tenant(0).Create(t.Context(), owner))
	owned := deployment("owned", 1)
	owned.SetOwnerReferences([]metav1.OwnerReference{
		{APIVersion: "apps/v1", Kind: "Deployment", Name: "owner", UID: owner.GetUID(), Controller: new(true)},
		{APIVersion: "apps/v1", Kind: "Deployment", Name: "owner", UID: "of-an-earlier-one"},
	})
	require.NoError(t, w.tenant(0).Create(t.Context(), owned.DeepCopy()))
	p := &v1alpha1.Placement{ObjectMeta: metav1.ObjectMeta{Name: "owner", Namespace: "default"}, Spec: v1alpha1.PlacementSpec{
		Resources: []v1alpha1.ResourceSelector{{Group: "apps", Kind: "Deployment", Name: "owner"}},
	}}
	w.decideFor(0, p, target("east", 1))
	w.decide(0, target("east", 1))
	first := w.waitCopy("east", 0, owner)
	kept := w.waitCopy("east", 0, owned, ownedBy(first.GetUID()), field("metadata.name", "owned"))
	require.True(t, *kept.GetOwnerReferences()[0].Controller)

	// A restart writes nothing, though owners and owned become known in any order.
	w.stopLoop()
	w.physical.reset()
	w.start()
	also := deployment("also", 1)
	require.NoError(t, w.tenant(0).Create(t.Context(), also.DeepCopy()))
	w.waitCopy("east", 0, also)
	require.EqualValues(t, 1, w.physical.n.Load(), "the new copy alone:\n%s", &w.physical)

	// Its copy is replaced: the new one is named, and on a cluster that collects,
	// what it took along would be made anew.
	require.NoError(t, w.cluster("east").Delete(t.Context(), first.DeepCopy()))
	second := w.waitCopy("east", 0, owner, func(u *unstructured.Unstructured) error {
		if u.GetUID() == first.GetUID() {
			return fmt.Errorf("still the first")
		}
		return nil
	})
	w.waitCopy("east", 0, owned, ownedBy(second.GetUID()), sameUID(kept))

	// The owner moves and what it owns does not.
	w.physical.reset()
	w.decideFor(0, p, leaving("east"), target("west", 1))
	w.setStatus("west", w.waitCopy("west", 0, owner), ready(1))
	w.waitNoCopy("east", 0, owner)
	w.waitCopy("east", 0, owned, ownedBy(), sameUID(kept))
	log := strings.Split(w.physical.String(), "\n")
	released := slices.IndexFunc(log, func(line string) bool { return strings.HasPrefix(line, "PATCH") && strings.HasSuffix(line, "/owned") })
	deleted := slices.IndexFunc(log, func(line string) bool { return strings.HasPrefix(line, "DELETE") && strings.HasSuffix(line, "/owner") })
	require.True(t, 0 <= released && released < deleted, "it is let go first:\n%s", &w.physical)

	// And back again. When the tenant deletes both they both go, whoever is first.
	w.decideFor(0, p, target("east", 1), leaving("west"))
	third := w.waitCopy("east", 0, owner)
	w.setStatus("east", third, ready(1))
	w.waitCopy("east", 0, owned, ownedBy(third.GetUID()), sameUID(kept))
	require.NoError(t, w.tenant(0).Delete(t.Context(), owner.DeepCopy()))
	require.NoError(t, w.tenant(0).Delete(t.Context(), owned.DeepCopy()))
	for _, d := range []*unstructured.Unstructured{owner, owned} {
		w.waitNoCopy("east", 0, d)
		w.waitNoOriginal(0, d)
	}
}
