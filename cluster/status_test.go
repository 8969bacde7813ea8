package cluster

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

func TestConditionsOfAState(t *testing.T) {
	lost := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	known := v1alpha1.PhysicalClusterStatus{ClusterUID: "u"}
	cases := map[string]struct {
		reason string
		state  State
		old    v1alpha1.PhysicalClusterStatus
		want   []string
	}{
		"ready": {
			"all is well",
			State{UID: "u", Ready: true, Reachable: true},
			known,
			[]string{"Reachable=True Answering", "Identified=True Identified", "Ready=True Ready", "Schedulable=True Schedulable"},
		},
		"cordoned": {
			"it is ready, and takes no new work",
			State{UID: "u", Ready: true, Reachable: true, Unschedulable: true},
			known,
			[]string{"Reachable=True Answering", "Identified=True Identified", "Ready=True Ready", "Schedulable=False Cordoned"},
		},
		"degraded": {
			"the first reason counts, and it stays schedulable",
			State{UID: "u", Ready: true, Reachable: true, Concerns: []Concern{{Reason: ReasonNodesNotReady, Message: "one of two"}, {Reason: ReasonVersionSkew, Message: "old"}}},
			known,
			[]string{"Reachable=True Answering", "Identified=True Identified", "Ready=True Ready", "Schedulable=True Schedulable", "Degraded=True NodesNotReady"},
		},
		"draining": {
			"draining says more than cordoned",
			State{UID: "u", Ready: true, Reachable: true, Unschedulable: true, Draining: true},
			known,
			[]string{"Reachable=True Answering", "Identified=True Identified", "Ready=True Ready", "Schedulable=False Draining"},
		},
		"lost": {
			"the message says why",
			State{UID: "u", UnreachableSince: lost, Reason: ReasonUnreachable, Message: "no answer in time"},
			known,
			[]string{"Reachable=False Unreachable", "Identified=True Identified", "Ready=False Unreachable", "Schedulable=False NotReady"},
		},
		"broken": {
			"whether it is reachable is not known",
			State{Reason: ReasonInvalidRegistration, Message: "no Secret"},
			v1alpha1.PhysicalClusterStatus{},
			[]string{"Reachable=Unknown InvalidRegistration", "Identified=Unknown IdentityUnknown", "Ready=False InvalidRegistration", "Schedulable=False NotReady"},
		},
		"rebuilt": {
			"another cluster answers",
			State{UID: "new", Ready: true, Reachable: true},
			known,
			[]string{"Reachable=True Answering", "Identified=True Rebuilt", "Ready=True Ready", "Schedulable=True Schedulable"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			status := statusOf(&tc.state, &tc.old, 7)
			var got []string
			for _, c := range status.Conditions {
				got = append(got, c.Type+"="+string(c.Status)+" "+c.Reason)
				require.NotEmpty(t, c.Message)
				require.EqualValues(t, 7, c.ObservedGeneration)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			well := tc.state
			well.Concerns = nil
			if c := meta.FindStatusCondition(statusOf(&well, &status, 7).Conditions, v1alpha1.ConditionDegraded); c != nil {
				require.Equal(t, ReasonNothingWrong, c.Reason)
			}
			again := statusOf(&tc.state, &status, 7)
			if diff := cmp.Diff(status, again, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("the same state gives another status (-first +second):\n%s", diff)
			}
		})
	}
}

func TestStatusKeepsWhatWasNotReadAgain(t *testing.T) {
	apis := NewAPISet(API{
		Kind:     schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"},
		Resource: schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"},
	})
	full := State{UID: "u", Ready: true, Reachable: true, Version: "v1.36.3", CapacityKnown: true, Nodes: 3, Allocatable: Resources{MilliCPU: 1000}, APIs: apis}
	first := statusOf(&full, &v1alpha1.PhysicalClusterStatus{}, 1)
	require.Equal(t, []string{"deployments.v1.apps"}, first.APIs)

	restarted := statusOf(&State{UID: "u", UnreachableSince: time.Unix(1, 0)}, &first, 1)
	require.Equal(t, "v1.36.3", restarted.Version)
	require.Equal(t, first.Capacity, restarted.Capacity)
	require.Equal(t, first.APIs, restarted.APIs)

	rebuilt := statusOf(&State{UID: "other", Reachable: true}, &first, 1)
	require.Empty(t, rebuilt.Version)
	require.Nil(t, rebuilt.Capacity)
	require.Empty(t, rebuilt.APIs)
}

func TestUrgencyOfAStatus(t *testing.T) {
	state := State{UID: "u", Ready: true, Reachable: true, CapacityKnown: true, Nodes: 3, Allocated: Resources{MilliCPU: 100}}
	first := statusOf(&state, &v1alpha1.PhysicalClusterStatus{}, 1)
	change := func(how func(*State)) *v1alpha1.PhysicalClusterStatus {
		st := state
		how(&st)
		next := statusOf(&st, &first, 1)
		return &next
	}
	require.Equal(t, none, compareStatus(&first, change(func(*State) {})))
	require.Equal(t, noise, compareStatus(&first, change(func(s *State) { s.Allocated.MilliCPU++ })))
	require.Equal(t, news, compareStatus(&first, change(func(s *State) { s.Nodes++ })))
	require.Equal(t, news, compareStatus(&first, change(func(s *State) { s.Ready, s.Reason, s.Message = false, ReasonNoReadyNodes, "x" })))
	require.Equal(t, noise, compareStatus(&first, func() *v1alpha1.PhysicalClusterStatus {
		next := first.DeepCopy()
		next.Conditions[0].Message = "the same in other words"
		return next
	}()))
	require.Equal(t, news, compareStatus(&v1alpha1.PhysicalClusterStatus{}, &first))
}

func TestOutageLastsOverARestart(t *testing.T) {
	lost := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	pc := &v1alpha1.PhysicalCluster{}
	pc.Status = statusOf(&State{UID: "u", UnreachableSince: lost, Reason: ReasonUnreachable, Message: "x"}, &v1alpha1.PhysicalClusterStatus{}, 1)
	reg := registrationOf(pc, nil, errors.New("no Secret"), Trust{})
	require.Equal(t, lost, reg.UnreachableSince.UTC())
	require.Equal(t, pc.Status.ClusterUID, reg.LastUID)
}
