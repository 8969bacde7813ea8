package controller

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

func statusWith(edits ...func(*v1alpha1.PlacementStatus)) *v1alpha1.PlacementStatus {
	s := &v1alpha1.PlacementStatus{
		ObservedGeneration: 1,
		Conditions:         []metav1.Condition{condition(1, "", "Placed.")},
		Targets:            []v1alpha1.Target{{Cluster: "a", Share: new(int64(2)), Score: 10}},
		Rejected:           []v1alpha1.Rejection{{Filter: "Taints", Reason: "Tainted", Message: "m", Count: 3}},
		Summary:            "a:2",
	}
	for _, edit := range edits {
		edit(s)
	}
	return s
}

func refuse(reason string) func(*v1alpha1.PlacementStatus) {
	return func(s *v1alpha1.PlacementStatus) { s.Conditions[0] = condition(1, reason, "Do this.") }
}

func TestCompareStatus(t *testing.T) {
	type edit = func(*v1alpha1.PlacementStatus)
	tests := map[string]struct {
		reason   string
		old, now []edit
		want     difference
	}{
		"equal":              {reason: "nothing to write", want: same},
		"score":              {reason: "scores follow the load", now: []edit{func(s *v1alpha1.PlacementStatus) { s.Targets[0].Score = 90 }}, want: details},
		"share":              {reason: "replicas move", now: []edit{func(s *v1alpha1.PlacementStatus) { s.Targets[0].Share = new(int64(3)) }}, want: material},
		"target":             {reason: "work moves", now: []edit{func(s *v1alpha1.PlacementStatus) { s.Targets[0].Cluster = "b" }}, want: material},
		"leaving":            {reason: "work moves", now: []edit{func(s *v1alpha1.PlacementStatus) { s.Targets[0].Leaving = true }}, want: material},
		"generation":         {reason: "the owner sees that the spec was read", now: []edit{func(s *v1alpha1.PlacementStatus) { s.ObservedGeneration = 2 }}, want: material},
		"refused":            {reason: "the owner must know", now: []edit{refuse(v1alpha1.ReasonInvalid)}, want: material},
		"another refusal":    {reason: "the owner must know", old: []edit{refuse(v1alpha1.ReasonInvalid)}, now: []edit{refuse(v1alpha1.ReasonNoClusterFits)}, want: material},
		"for want of others": {reason: "the cause may be another every minute", old: []edit{refuse(v1alpha1.ReasonTooFewClusters)}, now: []edit{refuse(v1alpha1.ReasonNoClusterFits)}, want: details},
		"words":              {reason: "numbers in messages change all the time", old: []edit{refuse("R")}, now: []edit{refuse("R"), func(s *v1alpha1.PlacementStatus) { s.Conditions[0].Message = "8 cores are free." }}, want: details},
		"counts":             {reason: "they change with the fleet's load", old: []edit{refuse("R")}, now: []edit{refuse("R"), func(s *v1alpha1.PlacementStatus) { s.Rejected[0].Count = 4 }}, want: details},
		"a new rejection":    {reason: "it can wait for a minute", old: []edit{refuse("R")}, now: []edit{refuse("R"), func(s *v1alpha1.PlacementStatus) { s.Rejected[0].Reason = "Other" }}, want: details},
		"placed, rejections": {reason: "while it is placed, who was not chosen is no news", now: []edit{func(s *v1alpha1.PlacementStatus) { s.Rejected = nil }}, want: details},
		"first":              {reason: "there was no condition", old: []edit{func(s *v1alpha1.PlacementStatus) { s.Conditions = nil }}, want: material},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, compareStatus(statusWith(tc.old...), statusWith(tc.now...)), tc.reason)
		})
	}
}

func TestStatusPatchIsForTheVeryObjectAndClearsWhatIsGone(t *testing.T) {
	p := &v1alpha1.Placement{ObjectMeta: metav1.ObjectMeta{UID: "u", ResourceVersion: "7"}, Status: *statusWith()}
	now := statusWith(func(s *v1alpha1.PlacementStatus) { s.Targets, s.Summary = nil, "" })
	patch, err := statusPatch(p, now)
	require.NoError(t, err)
	var got map[string]any
	require.NoError(t, json.Unmarshal(patch, &got))
	want := map[string]any{
		"metadata": map[string]any{"uid": "u", "resourceVersion": "7"},
		"status":   map[string]any{"targets": nil, "summary": nil},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("patch (-want +got):\n%s", diff)
	}
}

func TestWithConditionKeepsTheTimeOfTheLastTransition(t *testing.T) {
	earlier, later := metav1.Time{Time: noon}, metav1.Time{Time: noon.Add(time.Hour)}
	conditions := withCondition(nil, condition(1, "", "Placed."), earlier)
	require.Equal(t, earlier, conditions[0].LastTransitionTime)
	again := withCondition(conditions, condition(2, "", "Placed otherwise."), later)
	require.Equal(t, earlier, again[0].LastTransitionTime, "its status did not change")
	require.Equal(t, int64(2), again[0].ObservedGeneration)
	require.Equal(t, int64(1), conditions[0].ObservedGeneration, "what was handed in is as it was")
	refused := withCondition(again, condition(2, v1alpha1.ReasonInvalid, "No."), later)
	require.Equal(t, later, refused[0].LastTransitionTime)
}

func TestSummarize(t *testing.T) {
	many := make([]v1alpha1.Target, 12)
	for i := range many {
		many[i].Cluster = string(rune('a' + i))
	}
	tests := map[string]struct {
		reason  string
		targets []v1alpha1.Target
		want    string
	}{
		"none":    {reason: "an empty column"},
		"shares":  {reason: "with their shares", targets: []v1alpha1.Target{{Cluster: "eu-1", Share: new(int64(6))}, {Cluster: "us-1", Share: new(int64(4))}}, want: "eu-1:6 us-1:4"},
		"leaving": {reason: "on its way out", targets: []v1alpha1.Target{{Cluster: "a", Share: new(int64(6)), Leaving: true}, {Cluster: "b"}}, want: "(a) b"},
		"many":    {reason: "a column is narrow", targets: many, want: "a b c d e f g h and 4 more"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, summarize(tc.targets), tc.reason) })
	}
}
