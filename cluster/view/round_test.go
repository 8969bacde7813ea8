package view

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestATenantThatReturnsIsNotStale(t *testing.T) {
	v := New()
	first := v.seen("t")
	v.Set("t", Object{Name: "stays"})
	v.Set("t", Object{Name: "goes"})
	stale := func() bool {
		tenant, ok := v.Tenant("t")
		require.True(t, ok)
		return tenant.StaleSince != nil
	}
	v.unseen("t", first, time.Unix(1, 0))
	require.True(t, stale())
	require.Equal(t, 1, v.Fleet().Stale)
	require.Equal(t, 2, v.Fleet().Objects, "not to be seen is not to be gone")

	second := v.seen("t")
	v.unseen("t", first, time.Unix(2, 0))
	require.False(t, stale(), "the end of the first engagement was told of late")
	v.Set("t", Object{Name: "stays"})
	require.Equal(t, []Object{{Name: "goes"}}, v.leftovers("t"), "what was not told of again may be gone")
	v.unseen("t", second, time.Unix(3, 0))
	require.True(t, stale())
	v.Forget("t")
	v.unseen("t", second, time.Unix(4, 0))
	require.Zero(t, v.Fleet().Tenants, "what is forgotten does not come back as an empty tenant")
}
