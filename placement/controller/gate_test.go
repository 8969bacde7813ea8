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
	parked, opened := g.unlock(first, g.roundOf(first))
	require.True(t, opened)
	require.Equal(t, []Key{k}, parked, "it waited, once; what came before the workspace is told of again")
	require.True(t, g.pass(k))
	require.False(t, g.pass(other))

	second := g.enter("w")
	require.False(t, g.leave("w", first), "the end of an engagement does not end the next")
	require.False(t, g.pass(k), "which is not known yet")
	parked, _ = g.unlock(first, g.roundOf(first))
	require.Empty(t, parked, "late, and to no avail")
	require.False(t, g.pass(k))
	require.True(t, g.leave("w", second))
	require.False(t, g.pass(k))
}

func TestGateClosesWhenThereIsMoreToKnow(t *testing.T) {
	g, k := newGate(), keyIn("w", "n", "a")
	r := g.enter("w")
	before := g.roundOf(r)
	require.Empty(t, g.closeAll(), "it is closed, and whoever waits for it waits longer")
	_, opened := g.unlock(r, before)
	require.False(t, opened, "what was known is not all there is any more")
	_, opened = g.unlock(r, g.roundOf(r))
	require.True(t, opened)
	require.True(t, g.pass(k))
	require.Len(t, g.closeAll(), 1)
	require.False(t, g.pass(k), "nothing is decided on a part of what there is")
	parked, opened := g.unlock(r, g.roundOf(r))
	require.True(t, opened)
	require.Equal(t, []Key{k}, parked)
}
