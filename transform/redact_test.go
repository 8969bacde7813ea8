package transform_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/transform"
)

var thing = schema.GroupVersionKind{Group: "x.io", Version: "v1", Kind: "Thing"}

func thingIn(namespace, name string, status map[string]any) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{}, "status": status}}
	u.SetGroupVersionKind(thing)
	u.SetNamespace(namespace)
	u.SetName(name)
	return u
}

func ExampleDropStatus() {
	rules := transform.NewStatusRules(transform.DropStatus(thing.GroupKind(), transform.MustPath("nodes[*].address")))
	status, err := rules.For(thing).Aggregate(thingIn("shop", "db", nil), []transform.Observed{{Cluster: "eu-1", Copy: thingIn("shop-5a5a", "db", map[string]any{
		"nodes":   []any{map[string]any{"name": "db-0", "address": "10.0.0.7"}},
		"message": `pods is forbidden in namespace "shop-5a5a"`,
	})}})
	fmt.Println(status, err)
	// Output: map[message:pods is forbidden in namespace "shop" nodes:[map[name:db-0]]] <nil>
}

func TestStatusTellsNotWhereCopiesStand(t *testing.T) {
	for name, tc := range map[string]struct {
		reason           string
		original, copied *unstructured.Unstructured
		want             map[string]any
	}{
		"namespace": {
			"in texts, maps and lists, however deep", thingIn("shop", "db", nil),
			thingIn("shop-5a5a", "db", map[string]any{"a": "shop-5a5a/db", "l": []any{"in shop-5a5a", int64(1), []any{map[string]any{"x": "shop-5a5a"}}}, "n": 1.5}),
			map[string]any{"a": "shop/db", "l": []any{"in shop", int64(1), []any{map[string]any{"x": "shop"}}}, "n": 1.5},
		},
		"names of fields": {
			"a status by namespace", thingIn("shop", "db", nil),
			thingIn("shop-5a5a", "db", map[string]any{"m": map[string]any{"shop-5a5a": "Ready", "shop-5a5a/db": map[string]any{"shop-5a5a": true}}}),
			map[string]any{"m": map[string]any{"shop": "Ready", "shop/db": map[string]any{"shop": true}}},
		},
		"cluster-scoped": {
			"their names are mapped", thingIn("", "db", nil), thingIn("", "db-hash", map[string]any{"a": "db-hash is fine"}), map[string]any{"a": "db is fine"},
		},
		"nothing there": {"nothing is nothing", thingIn("shop", "db", nil), nil, map[string]any{}},
	} {
		t.Run(name, func(t *testing.T) {
			seen := transform.Observed{Cluster: "eu-1", Copy: tc.copied}
			var before *unstructured.Unstructured
			if tc.copied != nil {
				before = tc.copied.DeepCopy()
			}
			aggregator := transform.NewStatusRules().For(thing)
			got, err := aggregator.Aggregate(tc.original, []transform.Observed{seen})
			require.NoError(t, err)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			tally := transform.NewTally(aggregator)
			tally.Set(seen)
			counted, err := tally.Status(tc.original)
			require.NoError(t, err)
			if diff := cmp.Diff(got, counted); diff != "" {
				t.Errorf("a tally differs (-aggregate +tally):\n%s", diff)
			}
			if diff := cmp.Diff(before, tc.copied); diff != "" {
				t.Errorf("the copy was changed (-before +after):\n%s", diff)
			}
		})
	}
}

// panicking is an aggregator of somebody else's.
type panicking struct{}

func (panicking) Name() string { return "theirs" }
func (panicking) Aggregate(*unstructured.Unstructured, []transform.Observed) (map[string]any, error) {
	panic("at the disco")
}

func TestAnAggregatorThatPanicsIsAnError(t *testing.T) {
	aggregator := transform.NewStatusRules(transform.Aggregate(thing.GroupKind(), panicking{})).For(thing)
	_, err := aggregator.Aggregate(thingIn("shop", "db", nil), nil)
	require.ErrorContains(t, err, "aggregator theirs panicked: at the disco")
	_, err = transform.NewTally(aggregator).Status(thingIn("shop", "db", nil))
	require.ErrorContains(t, err, "theirs")
}
