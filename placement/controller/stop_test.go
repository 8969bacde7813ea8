package controller_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// TestAControllerThatStopsLeavesNoGoroutine lets a controller decide, stops it,
// and looks for what still runs.
func TestAControllerThatStopsLeavesNoGoroutine(t *testing.T) {
	before := goleak.IgnoreCurrent()
	m, f := newMemory(2), newFleet(state("a"), state("b"))
	_, stop := m.run(t, f)
	for _, workspace := range m.names {
		m.app(t, workspace, "web", "{}", "100m", 2)
		m.eventually(t, workspace, "web", func(p *v1alpha1.Placement) bool { return len(p.Status.Targets) > 0 })
	}
	require.Error(t, goleak.Find(before), "what runs is seen")
	stop()
	require.Eventually(t, func() bool { return goleak.Find(before) == nil }, time.Minute, 50*time.Millisecond, "%v", goleak.Find(before))
}
