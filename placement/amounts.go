package placement

import (
	"cmp"
	"maps"
	"math"
	"math/bits"
	"slices"

	"github.com/tmc-sdk/tmc/cluster/facts"
)

// holds says whether need fits into have.
func holds(have, need *facts.Resources) bool {
	if need.MilliCPU > have.MilliCPU || need.Memory > have.Memory || need.EphemeralStorage > have.EphemeralStorage || need.Pods > have.Pods {
		return false
	}
	for name, n := range need.Extended {
		if n > have.Extended[name] {
			return false
		}
	}
	return true
}

func isNothing(u *facts.Resources) bool {
	return u.MilliCPU <= 0 && u.Memory <= 0 && u.EphemeralStorage <= 0 && u.Pods <= 0 && len(u.Extended) == 0
}

// times multiplies; amounts beyond all reason stay the greatest there is.
func times(u facts.Resources, n int64) facts.Resources {
	u.MilliCPU, u.Memory = product(u.MilliCPU, n), product(u.Memory, n)
	u.EphemeralStorage, u.Pods = product(u.EphemeralStorage, n), product(u.Pods, n)
	return extended(u, func(v int64) int64 { return product(v, n) })
}

// share returns some percent of an amount, rounded down.
func share(u facts.Resources, percent int64) facts.Resources {
	part := func(v int64) int64 { return v/100*percent + v%100*percent/100 }
	u.MilliCPU, u.Memory, u.EphemeralStorage, u.Pods = part(u.MilliCPU), part(u.Memory), part(u.EphemeralStorage), part(u.Pods)
	return extended(u, part)
}

func extended(u facts.Resources, change func(int64) int64) facts.Resources {
	if len(u.Extended) == 0 {
		return u
	}
	u.Extended = maps.Clone(u.Extended)
	for name, v := range u.Extended {
		u.Extended[name] = change(v)
	}
	return u
}

func product(v, n int64) int64 {
	hi, lo := bits.Mul64(uint64(max(0, v)), uint64(max(0, n)))
	if hi != 0 || lo > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(lo)
}

// plus adds; amounts beyond all reason stay the greatest there is.
func plus(a, b facts.Resources) facts.Resources {
	a.MilliCPU, a.Memory = sum(a.MilliCPU, b.MilliCPU), sum(a.Memory, b.Memory)
	a.EphemeralStorage, a.Pods = sum(a.EphemeralStorage, b.EphemeralStorage), sum(a.Pods, b.Pods)
	if len(b.Extended) > 0 {
		if len(a.Extended) == 0 {
			a.Extended = b.Extended
			return a
		}
		a.Extended = maps.Clone(a.Extended)
		for name, v := range b.Extended {
			a.Extended[name] = sum(a.Extended[name], v)
		}
	}
	return a
}

func sum(a, b int64) int64 {
	if b > 0 && a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
