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
		shares := rapid.SliceOfN(rapid.Int64Range(0, 1<<rapid.SampledFrom([]int{3, 10, 31, 62}).Draw(rt, "bits")), 1, 20).Draw(rt, "shares")
		whole := rapid.Int64Range(0, 1<<rapid.SampledFrom([]int{4, 30}).Draw(rt, "size")).Draw(rt, "whole")
		var sum, all int64
		for own := range shares {
			division := &transform.Division{Shares: shares, Own: own}
			part := division.Of(whole)
			if more := division.Of(whole + 1); more < part {
				rt.Fatalf("%d of %d, and %d of one more", part, whole, more)
			}
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
		"none": {}, "of nothing": {Shares: []int64{0}}, "negative": {Shares: []int64{-1, 2}, Own: 1},
		"another": {Shares: []int64{1}, Own: 1}, "before": {Shares: []int64{1}, Own: -1},
	} {
		t.Run(name, func(t *testing.T) { require.Zero(t, d.Of(10)) })
	}
}

// With the method of the largest remainder a greater whole may give a cluster less,
// and an autoscaler a maximum that is less than its minimum, which the API refuses.
func TestMaximumIsNoneLessThanTheMinimum(t *testing.T) {
	d := transform.Division{Shares: []int64{6, 6, 2}, Own: 2}
	require.LessOrEqual(t, d.Of(10), d.Of(11))
	huge := transform.Division{Shares: []int64{3 << 50, 1 << 50}}
	require.Equal(t, int64(3), huge.Of(4), "shares are proportions, whatever their size")
	require.Equal(t, huge.Of(1<<30), huge.Of(1<<40), "and nothing overflows")
}
