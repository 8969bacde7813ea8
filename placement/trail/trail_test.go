package trail_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/tmc-sdk/tmc/placement/trail"
)

func TestEveryVersionHasATraceOfItsOwn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) (types.UID, int64) {
			return types.UID(rapid.StringMatching(`[0-9a-f-]{0,6}`).Draw(t, name)), rapid.Int64Range(0, 5).Draw(t, name+" generation")
		}
		uid, generation := draw("one")
		other, otherGeneration := draw("other")
		one, two := trail.Of(uid, generation), trail.Of(other, otherGeneration)
		require.True(t, one.IsValid() && one.IsSampled() && one.IsRemote())
		require.Equal(t, uid == other && generation == otherGeneration, one.Equal(two))
	})
}

func TestContextIsOfTheVersion(t *testing.T) {
	got := trace.SpanContextFromContext(trail.Context(t.Context(), "a", 1))
	require.True(t, got.Equal(trail.Of("a", 1)))
	require.Equal(t, trail.Of("a", 1), trail.LinkTo("a", 1).SpanContext)
}
