package transform_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/transform"
)

func TestMatch(t *testing.T) {
	selector := func(text string) labels.Selector {
		s, err := labels.Parse(text)
		require.NoError(t, err)
		return s
	}
	kinds := func(group, kind string) []schema.GroupKind { return []schema.GroupKind{{Group: group, Kind: kind}} }
	for name, tc := range map[string]struct {
		reason string
		rules  []transform.Rule
		want   bool
	}{
		"no rule":           {"there is nothing that it is for", nil, false},
		"empty rule":        {"all", []transform.Rule{{}}, true},
		"kind":              {"this one", []transform.Rule{{Kinds: kinds("apps", "Deployment")}}, true},
		"kind of any group": {"this one", []transform.Rule{{Kinds: kinds(transform.Any, "Deployment")}}, true},
		"group":             {"this one", []transform.Rule{{Kinds: kinds("apps", transform.Any)}}, true},
		"all kinds":         {"this one", []transform.Rule{{Kinds: kinds(transform.Any, transform.Any)}}, true},
		"another kind":      {"not this one", []transform.Rule{{Kinds: kinds("", "Deployment")}}, false},
		"labels":            {"of the object", []transform.Rule{{Objects: selector("app=web,!x")}}, true},
		"other labels":      {"of the object", []transform.Rule{{Objects: selector("app notin (web)")}}, false},
		"workspace":         {"by the logical cluster's name", []transform.Rule{{LogicalClusters: []string{"1abc"}}}, true},
		"other workspace":   {"by the logical cluster's name", []transform.Rule{{LogicalClusters: []string{"2abc"}}}, false},
		"cluster":           {"the target's name", []transform.Rule{{Clusters: []string{"us-1", "eu-1"}}}, true},
		"other cluster":     {"the target's name", []transform.Rule{{Clusters: []string{"us-1"}}}, false},
		"target labels":     {"of the cluster", []transform.Rule{{Targets: selector("tier=gold")}}, true},
		"other targets":     {"of the cluster", []transform.Rule{{Targets: selector("tier!=gold")}}, false},
		"one of two":        {"any rule will do", []transform.Rule{{Clusters: []string{"us-1"}}, {Kinds: kinds("apps", "Deployment")}}, true},
		"half a rule":       {"all of a rule must hold", []transform.Rule{{Clusters: []string{"us-1"}, Kinds: kinds("apps", "Deployment")}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			step := transform.Match(change("Pause", with(true, "spec", "paused")), tc.rules...)
			require.Equal(t, "Pause", step.Name())
			target := &transform.Target{Cluster: "eu-1", Labels: map[string]string{"tier": "gold"}}
			out := render(t, pipeline(t, transform.With(step)), target, object(t, deployment))
			require.Equal(t, tc.want, at(out, "spec", "paused") == true, tc.reason)

			obj := object(t, deployment) // without a pipeline, too
			require.NoError(t, step.Transform(t.Context(), &transform.Target{Cluster: "eu-1", Labels: target.Labels, Origin: originOf(obj)}, obj))
			require.Equal(t, tc.want, at(obj, "spec", "paused") == true, tc.reason)
		})
	}
}

func TestTargetIndependent(t *testing.T) {
	mirror, err := transform.Registries(transform.Mirror{From: "a.example", To: "b"})
	require.NoError(t, err)
	for name, tc := range map[string]struct {
		reason string
		steps  []transform.Transformer
		want   bool
	}{
		"none":         {"nothing depends on anything", nil, true},
		"says so":      {"it says so", []transform.Transformer{mirror}, true},
		"says nothing": {"it may depend", []transform.Transformer{mirror, change("X", func(*unstructured.Unstructured) {})}, false},
		"by kind":      {"a rule on objects is none on targets", []transform.Transformer{transform.Match(mirror, transform.Rule{Kinds: []schema.GroupKind{{Kind: "Pod"}}})}, true},
		"by cluster":   {"a rule on targets is", []transform.Transformer{transform.Match(mirror, transform.Rule{Clusters: []string{"c"}})}, false},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, pipeline(t, transform.With(tc.steps...)).TargetIndependent(), tc.reason)
		})
	}
}
