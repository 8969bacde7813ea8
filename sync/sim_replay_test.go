package syncer

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestASeedReplaysExactly is what a failing seed rests on: the same seed is the
// same run, step by step.
func TestASeedReplaysExactly(t *testing.T) {
	for seed := range uint64(3) {
		var first, second []string
		simulate(seed, func(line string) { first = append(first, line) })
		simulate(seed, func(line string) { second = append(second, line) })
		require.Equal(t, first, second, "seed %d", seed)
	}
}
