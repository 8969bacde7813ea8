package controller

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// picky are Copies with a rule of their own.
type picky struct{ CopiesFunc }

func (picky) ValidateSpec(spec *v1alpha1.PlacementSpec) error {
	if len(spec.Overrides) > 0 {
		return errors.New("spec.overrides[0]: nonsense")
	}
	return nil
}

func TestWhoMakesCopiesMayRefuseASpec(t *testing.T) {
	c := controllerWith(t, &says{decision: placement.Decision{Targets: targets("b")}})
	c.opts.copies = picky{}
	a, err := c.decide(t.Context(), questionWith(edited, func(q *question) { q.placement.Spec.Overrides = []v1alpha1.Override{{}} }))
	require.NoError(t, err)
	require.Equal(t, v1alpha1.ReasonInvalid, placed(&a.status).Reason)
	require.Equal(t, "spec.overrides[0]: nonsense", placed(&a.status).Message)
	require.Equal(t, "a", summarize(a.status.Targets), "the decision stays")
	a, err = c.decide(t.Context(), questionWith(edited))
	require.NoError(t, err)
	require.Equal(t, v1alpha1.ReasonPlaced, placed(&a.status).Reason)
}
