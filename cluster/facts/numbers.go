package facts

import (
	"math"
	"slices"
)

// Numbers are a column of a property that is a number. They are shared and must
// not be changed.
type Numbers struct {
	// Known clusters have the property, and it is a number.
	Known Mask
	// Values by cluster; zero for those that are not known.
	Values []float64
	// Low and High are the least and the greatest value; infinite, and Low
	// greater than High, if none is known.
	Low, High float64
}

type keyedNumbers struct {
	key string
	*Numbers
}

// Number returns the column of a property as numbers.
func (c *Chunk) Number(key string) *Numbers {
	known := c.numbers.Load()
	if known != nil {
		for i := range *known {
			if k := &(*known)[i]; k.key == key {
				return k.Numbers
			}
		}
	}
	made := c.computeNumbers(key)
	var list []keyedNumbers
	if known != nil {
		list = *known
	}
	if len(list) < mostColumns {
		list = append(slices.Clone(list), keyedNumbers{key, made})
		c.numbers.CompareAndSwap(known, &list) // lost to another: computed again
	}
	return made
}

func (c *Chunk) computeNumbers(key string) *Numbers {
	n := &Numbers{Values: make([]float64, len(c.states)), Low: math.Inf(1), High: math.Inf(-1)}
	for i, s := range c.states {
		if p, ok := s.Properties[key]; ok && p.Numeric {
			n.Known.Set(i)
			n.Values[i], n.Low, n.High = p.Number, min(n.Low, p.Number), max(n.High, p.Number)
		}
	}
	return n
}
