package transform_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tmc-sdk/tmc/transform"
)

func ExampleDivision_Of() {
	for own := range 3 {
		d := transform.Division{Shares: []int64{2, 1, 1}, Own: own}
		fmt.Print(d.Of(10), " ")
	}
	fmt.Println()
	// Output: 5 3 2
}

func TestDivisionsSumToTheWhole(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		shares := rapid.SliceOfN(rapid.Int64Range(0, 1<<31), 1, 20).Draw(rt, "shares")
		whole := rapid.Int64Range(0, 1<<31).Draw(rt, "whole")
		var sum, all int64
		for own := range shares {
			part := (&transform.Division{Shares: shares, Own: own}).Of(whole)
			if part < 0 || part > 0 && shares[own] == 0 {
				rt.Fatalf("%d of %d falls to share %d", part, whole, shares[own])
			}
			sum += part
			all += shares[own]
		}
		if all > 0 && sum != whole {
			rt.Fatalf("the parts sum to %d, not %d", sum, whole)
		}
	})
}

func TestDivisionsThatMakeNoSense(t *testing.T) {
	for name, d := range map[string]transform.Division{
		"none": {}, "of nothing": {Shares: []int64{0}}, "negative": {Shares: []int64{-1, 2}, Own: 1}, "huge": {Shares: []int64{1 << 40}},
		"another": {Shares: []int64{1}, Own: 1}, "before": {Shares: []int64{1}, Own: -1},
	} {
		t.Run(name, func(t *testing.T) { require.Zero(t, d.Of(10)) })
	}
}
