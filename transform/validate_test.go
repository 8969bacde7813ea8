package transform_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/transform"
)

// picky is a transformer that says what is wrong with it.
type picky struct{ problem error }

func (picky) Name() string { return "Picky" }

func (picky) Transform(context.Context, *transform.Target, *unstructured.Unstructured) error {
	return nil
}

func (p picky) Validate() error { return p.problem }

func ExampleValidator() {
	_, err := transform.NewPipeline("prod", transform.With(transform.Named("mine", picky{errors.New("field Zone is empty: name one")})))
	fmt.Println(err)
	// Output: transform: transformer mine: field Zone is empty: name one
}

// What would have no effect, or one twice, is refused when the pipeline is built, by
// the name of what is wrong.
func TestOptionsThatMakeNoSense(t *testing.T) {
	nothing := change("nothing", func(*unstructured.Unstructured) {})
	kind := schema.GroupKind{Group: "ml.example", Kind: "Training"}
	for name, tc := range map[string]struct {
		reason string
		option transform.Option
		want   string
	}{
		"nil":               {"", transform.With(nothing, nil), "transformer 1 is nil"},
		"nameless":          {"conditions tell which it was", transform.With(change("", nil)), "has no name"},
		"a step's name":     {"and not one of two", transform.With(change("overrides", nil)), "as a step of every pipeline"},
		"another step's":    {"", transform.With(change("replicas", nil)), "as a step of every pipeline"},
		"twice":             {"", transform.With(nothing, nothing), "by Named"},
		"no naming":         {"it would panic at the first object", transform.WithNaming(nil), "WithNaming"},
		"no kind":           {"it would never run", transform.With(transform.Match(nothing, transform.Rule{Kinds: []schema.GroupKind{{Group: "apps"}}})), "Any stands for all kinds"},
		"zero path":         {"it would open all", transform.With(transform.Within(nothing, transform.Path{})), "paths[0] is the zero Path"},
		"wrapped":           {"whatever is around it", transform.With(transform.Independent(transform.Within(transform.Match(picky{errors.New("no zone")}, transform.Rule{})))), "no zone"},
		"replicas nowhere":  {"", transform.WithReplicas(kind, "spec", ""), "WithReplicas"},
		"replicas of none":  {"", transform.WithReplicas(schema.GroupKind{}, "spec"), "WithReplicas"},
		"pods nowhere":      {"", transform.WithPodSpecs(kind, transform.Path{}), "paths[0]"},
		"pods twice":        {"they would be scaled twice", transform.WithPodSpecs(kind, paths("spec.a", "spec.a")...), "paths[1]"},
		"pods that it has":  {"as would these", transform.WithPodSpecs(schema.GroupKind{Group: "apps", Kind: "Deployment"}, paths("spec.template.spec")...), "are known"},
		"comes not back":    {"", transform.WithReturned(kind, paths("status.x")...), "no field of spec"},
		"label of a domain": {"", transform.WithNamespaceLabels(map[string]string{"kcp.io/x": "y"}), "reserved"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := transform.NewPipeline("main", tc.option)
			require.ErrorContains(t, err, tc.want, tc.reason)
		})
	}
	_, err := transform.NewPipeline("main", transform.With(transform.Within(nothing)), transform.WithReplicas(kind))
	require.NoError(t, err, "no path lets a transformer touch nothing, or takes a kind out")
}

func ExampleFields_Validate() {
	fmt.Println(transform.Fields{Sum: []string{"ready"}, Merge: []transform.Keyed{{Field: "endpoints"}}}.Validate())
	// Output: the keys of Merge[0], "endpoints", are missing: without one all items are the same
}

func TestStatusRulesThatMakeNoSense(t *testing.T) {
	kind := schema.GroupKind{Group: "db.example", Kind: "Cluster"}
	fields := func(f transform.Fields) transform.StatusOption { f.Kind = "Mine"; return transform.Aggregate(kind, f) }
	for name, tc := range map[string]struct {
		reason string
		option transform.StatusOption
		want   string
	}{
		"no kind":     {"", transform.Aggregate(schema.GroupKind{}, transform.AgreedStatus{}), "the kind is empty"},
		"no field":    {"", fields(transform.Fields{Sum: []string{"a", ""}}), `aggregator Mine of Cluster.db.example: field 1, "", has an empty name`},
		"a dot":       {"as others write paths", fields(transform.Fields{Min: []string{".a"}}), "has an empty name"},
		"conditions":  {"", fields(transform.Fields{Merge: []transform.Keyed{{Field: "conditions", Keys: []string{"type"}}}}), "rules of its own"},
		"generation":  {"", fields(transform.Fields{Max: []string{"observedGeneration"}}), "rules of its own"},
		"twice":       {"which of them?", fields(transform.Fields{Sum: []string{"a"}, Max: []string{"a"}}), "declared twice"},
		"within":      {"one would overwrite the other", fields(transform.Fields{Sum: []string{"a.b"}, Agree: []string{"a"}}), "within"},
		"due":         {"it would never be counted", fields(transform.Fields{Due: []string{"a"}}), `"a" of Due`},
		"no values":   {"", fields(transform.Fields{Worst: []transform.Ranking{{Field: "phase"}}}), `Worst[0], "phase"`},
		"no keys":     {"", fields(transform.Fields{Merge: []transform.Keyed{{Field: "l", Keys: []string{""}}}}), `Merge[0], "l"`},
		"drops all":   {"", transform.DropStatus(kind, transform.Path{}), "DropStatus of Cluster.db.example: paths[0]"},
		"drops items": {"a list without its elements is another list", transform.DropStatus(kind, paths("nodes[*]")...), `"nodes[*]"`},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, transform.NewStatusRules(tc.option).Validate(), tc.want, tc.reason)
		})
	}
	require.NoError(t, transform.NewStatusRules(transform.Aggregate(kind, database)).Validate(), "and those of Kubernetes' kinds are in order")
}

func TestIndependentIsBelieved(t *testing.T) {
	step := transform.Match(change("zone", func(*unstructured.Unstructured) {}), transform.Rule{})
	require.False(t, pipeline(t, transform.With(step)).TargetIndependent())
	independent := transform.Independent(step)
	require.True(t, pipeline(t, transform.With(independent)).TargetIndependent())
	require.Equal(t, "zone", independent.Name())
	matches, ok := independent.(transform.Matcher)
	require.True(t, ok && matches.Matches(&transform.Target{}, object(t, deployment)))
}

// Whole numbers are the same however they are written, and whichever cluster is heard
// of first.
func TestAgreementOnNumbers(t *testing.T) {
	rules := transform.NewStatusRules().For(schema.GroupVersionKind{Group: "x.io", Kind: "X"})
	for _, order := range [][2]string{{"{count: 1, l: [2.0, {a: 3}]}", "{count: 1.0, l: [2, {a: 3.0}]}"}, {"{count: 1.0, l: [2, {a: 3.0}]}", "{count: 1, l: [2.0, {a: 3}]}"}} {
		got, err := rules.Aggregate(original(t), []transform.Observed{seen(t, "a", order[0]), seen(t, "b", order[1])})
		require.NoError(t, err)
		require.Equal(t, int64(1), got["count"])
		require.Equal(t, []any{int64(2), map[string]any{"a": int64(3)}}, got["l"])
	}
}
