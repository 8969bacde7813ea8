package syncer

import (
	"testing"

	"github.com/stretchr/testify/require"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
)

func TestSuspends(t *testing.T) {
	for value, want := range map[string]bool{"": true, "true": true, "since Monday": true, "false": false} {
		require.Equal(t, want, suspends(map[string]string{MarkSuspend: value}), "value %q", value)
	}
	require.False(t, suspends(nil))
	is, was := &tmccluster.State{Labels: map[string]string{MarkSuspend: "yes"}}, &tmccluster.State{}
	require.True(t, resumed(is, was))
	require.False(t, resumed(was, is))
	require.False(t, resumed(is, is))
}
