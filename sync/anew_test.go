package syncer

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A cluster that moves is asked for one write of each copy, and the loop is asked to
// look only at what has none there, or what is wrong with it.
func TestWhatAClusterChangesInRenderingsTheLaneLooksAtByItself(t *testing.T) {
	s := newScene(t)
	d := s.deploy("east")
	loop := s.process.loop
	lane := loop.lane("east")
	s.pass(5 * time.Minute)
	writes := s.counted(appliesOn("east"))
	for _, region := range []string{"eu", "us"} {
		s.cluster("east").region = region
		s.pass(time.Minute)
		require.Equal(t, region, s.copyOf("east", d).GetAnnotations()[annotationRegion])
	}
	require.Equal(t, 2, *writes)
	require.Empty(t, lane.anew)

	require.Zero(t, loop.queue.Len()+lane.queue.Len())
	loop.renderAnew(t.Context(), "east")
	require.Zero(t, loop.queue.Len(), "the lane is sent")
	require.Equal(t, 1, lane.queue.Len())
	s.pass(time.Minute)
	require.Equal(t, 2, *writes, "nothing changed")
	require.Empty(t, lane.anew)

	key := keyFor("ws-a", d)
	require.False(t, loop.lane("west").lookAnew(t.Context(), key), "there is no copy")
	before := lane.outcome(key)
	lane.record(key, outcome{refusal: &RefusalError{Reason: ReasonRefused}})
	loop.renderAnew(t.Context(), "east")
	require.Equal(t, 1, loop.queue.Len(), "whether to try again what was refused, the loop says")
	require.Zero(t, lane.queue.Len())
	lane.record(key, before)
	s.pass(time.Minute)
}

// What can't be rendered for a cluster any more is told of, though the lane found out.
func TestARenderingThatFailsForAClusterThatMovedIsToldOf(t *testing.T) {
	s := newScene(t)
	d := s.deploy("east")
	s.cluster("east").region = nowhere
	s.pass(time.Minute)
	original := s.tenant.Peek(simDeployment, "default", d.GetName())
	synced := conditionOf(original, ConditionSynced)
	require.Equal(t, ReasonTransformFailed, synced.Reason, synced.Message)
	s.cluster("east").region = "eu"
	s.pass(time.Minute)
	require.Equal(t, "eu", s.copyOf("east", d).GetAnnotations()[annotationRegion])
	require.Equal(t, ReasonSynced, conditionOf(s.tenant.Peek(simDeployment, "default", d.GetName()), ConditionSynced).Reason)
}
