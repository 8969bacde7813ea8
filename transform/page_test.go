package transform_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tmc-sdk/tmc/transform"
)

// docs/status.md names every kind that is known, and what the rules are called.
func TestThePageOnStatusIsComplete(t *testing.T) {
	page, err := os.ReadFile("../docs/status.md")
	require.NoError(t, err)
	for _, aggregator := range allAggregators() {
		if name := aggregator.Name(); name != (transform.AgreedStatus{}).Name() {
			require.True(t, strings.Contains(string(page), name), name)
		}
	}
	for _, name := range []string{transform.ReasonNotReportedByAll, transform.AnnotationReturned} {
		require.True(t, strings.Contains(string(page), name), name)
	}
}
