package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGateHoldsKeysUntilTheirWorkspaceIsKnown(t *testing.T) {
	g, k, other := newGate(), keyIn("w", "n", "a"), keyIn("v", "n", "a")
	require.False(t, g.pass(k), "no one told of the workspace")
	first := g.enter("w")
	require.False(t, g.pass(k))
	require.False(t, g.pass(k), "asked twice")
	require.Equal(t, []Key{k}, g.unlock(first), "it waited, once; what came before the workspace is told of again")
	require.True(t, g.pass(k))
	require.False(t, g.pass(other))

	second := g.enter("w")
	require.False(t, g.leave("w", first), "the end of an engagement does not end the next")
	require.False(t, g.pass(k), "which is not known yet")
	require.Empty(t, g.unlock(first), "late, and to no avail")
	require.False(t, g.pass(k))
	require.True(t, g.leave("w", second))
	require.False(t, g.pass(k))
}
