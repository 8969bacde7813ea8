package placement_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/tmc-sdk/tmc/cluster/facts"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Whatever a tenant writes as an expression, the engine says that it makes no
// sense or decides; it does not panic, and validation and decision agree.
func FuzzExpression(f *testing.F) {
	for _, seed := range []string{
		"", "1 +", "1", "true", `cluster.region == "eu"`, `cluster.labels["env"] in ["prod"]`, `cluster.properties.cost * 2.0`, `request.replicas > 3`,
		`cluster.nope`, `[1,2,3].map(x, [1,2,3].map(y, x*y))`, `size(cluster.name) / 0`, `cluster.free.cpu - cluster.allocatable.cpu`, "\"\\x\"", "cluster.labels.all(k, k != \"\")",
	} {
		f.Add(seed)
	}
	engine, err := placement.NewEngine()
	if err != nil {
		f.Fatal(err)
	}
	fleet := facts.NewSnapshot(state("a", "eu"), state("b", "us"), &facts.State{Name: "bare"})
	f.Fuzz(func(t *testing.T, text string) {
		for _, spec := range []*v1alpha1.PlacementSpec{
			{Clusters: &v1alpha1.ClusterSelector{Expression: text}},
			{Preferred: []v1alpha1.Preference{{Weight: 5, Clusters: v1alpha1.ClusterSelector{Expression: text}}}},
			{Scoring: &v1alpha1.Scoring{Expressions: []v1alpha1.ExpressionScore{{Expression: text}}}},
		} {
			invalid := placement.ValidateSpec(spec)
			d, err := engine.Place(context.Background(), &placement.Request{Spec: spec}, fleet)
			if (err == nil) != (invalid == nil) {
				t.Fatalf("validation says %v, the engine %v", invalid, err)
			}
			if err == nil && len(d.Explain()) == 0 {
				t.Fatal("nothing is explained")
			}
		}
	})
}

// Whatever a requirement says, one by one and by columns the same clusters are
// selected.
func FuzzRequirement(f *testing.F) {
	f.Add("In", "env", "prod,dev", "prod", "v1.2.3")
	f.Add("NotIn", "env", "", "", "")
	f.Add("Gt", "cost", "1.5", "2", "10Gi")
	f.Add("Lt", "cost", "1e3", "-5", "0.5k")
	f.Add("SemVer", "runtime", ">=1.34.0 <1.37.0 || 1.33.7", "v1.36", "1.33.7")
	f.Add("Exists", "", "", "", "")
	f.Add("Like", "a", "b", "c", "d")
	f.Fuzz(func(t *testing.T, operator, key, values, one, other string) {
		r := v1alpha1.Requirement{Key: key, Operator: v1alpha1.Operator(operator)}
		if values != "" {
			r.Values = strings.Split(values, ",")
		}
		s := &v1alpha1.ClusterSelector{MatchExpressions: []v1alpha1.Requirement{r}, MatchProperties: []v1alpha1.Requirement{r}}
		var states []*facts.State
		for i, value := range []string{one, other, ""} {
			with := &facts.State{Name: string(rune('a' + i)), Ready: true}
			if value != "" {
				with.Labels = map[string]string{key: value}
				with.Properties = map[string]facts.Property{key: facts.ParseProperty(value, time.Time{})}
			}
			states = append(states, with)
		}
		invalid := placement.ValidateSpec(&v1alpha1.PlacementSpec{Clusters: s})
		m, err := placement.NewMatcher(s)
		if invalid == nil && err != nil {
			t.Fatalf("it is valid and does not compile: %v", err)
		}
		if invalid != nil {
			return
		}
		engine, err := placement.NewEngine()
		if err != nil {
			t.Fatal(err)
		}
		d, err := engine.Place(context.Background(), &placement.Request{Spec: &v1alpha1.PlacementSpec{Clusters: s, Count: &v1alpha1.Count{}}}, facts.NewSnapshot(states...))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range states {
			want, err := m.Matches(c)
			if err != nil {
				t.Fatal(err)
			}
			v, _ := d.Verdict(c.Name)
			if v.Chosen != want {
				t.Fatalf("cluster %s: matches %v, chosen %v: %s", c.Name, want, v.Chosen, v.String())
			}
		}
	})
}
