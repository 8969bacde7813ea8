package transform

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

// sum of integers.
type sum struct {
	total int64
	n     int
}

func (s *sum) add(_ string, value any) { s.apply(value, 1) }

func (s *sum) drop(_ string, value any) { s.apply(value, -1) }

func (s *sum) apply(value any, sign int64) {
	if n, ok := value.(int64); ok {
		s.total += sign * n
		s.n += int(sign)
	}
}

func (s *sum) value(int) (any, bool) { return s.total, s.n > 0 }

func (s *sum) count() int { return s.n }

// truth is any or all of booleans.
type truth struct {
	yes, n int
	all    bool
}

func (b *truth) add(_ string, value any) { b.apply(value, 1) }

func (b *truth) drop(_ string, value any) { b.apply(value, -1) }

func (b *truth) apply(value any, by int) {
	if yes, ok := value.(bool); ok {
		b.n += by
		if yes {
			b.yes += by
		}
	}
}

func (b *truth) value(members int) (any, bool) {
	if b.all {
		return b.yes == members, b.n > 0
	}
	return b.yes > 0, b.n > 0
}

func (b *truth) count() int { return b.n }

// agreement is the value that all have.
type agreement struct {
	votes  map[string]int
	values map[string]any
	n      int
}

func newAgreement() *agreement {
	return &agreement{votes: map[string]int{}, values: map[string]any{}}
}

func (a *agreement) add(_ string, value any) {
	key := canonical(value)
	a.votes[key]++
	a.n++
	if a.votes[key] == 1 {
		a.values[key] = settled(value)
	}
}

func (a *agreement) drop(_ string, value any) {
	key := canonical(value)
	a.votes[key]--
	a.n--
	if a.votes[key] == 0 {
		delete(a.votes, key)
		delete(a.values, key)
	}
}

func (a *agreement) value(members int) (any, bool) {
	if a.n < members || len(a.values) != 1 {
		return nil, false
	}
	for _, value := range a.values {
		return value, true
	}
	return nil, false
}

func (a *agreement) count() int { return a.n }

// settled is a value with its whole numbers as integers: 1 and 1.0 are the same
// JSON to canonical, and whichever is heard of first shall not decide.
func settled(value any) any {
	switch v := value.(type) {
	case float64:
		if whole := int64(v); float64(whole) == v && math.Abs(v) < 1<<53 {
			return whole
		}
	case map[string]any:
		out := make(map[string]any, len(v))
		for field, inner := range v {
			out[field] = settled(inner)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, inner := range v {
			out[i] = settled(inner)
		}
		return out
	}
	return value
}

func canonical(value any) string {
	if s, ok := value.(string); ok {
		return "s" + s
	}
	data, err := json.Marshal(value) // sorts keys
	if err != nil {
		return fmt.Sprintf("%T", value)
	}
	return "j" + string(data)
}

// worst is the first value of a ranking that one has.
type worst struct {
	ranking []string
	missing string // what those without one count as; empty: nothing
	votes   map[string]int
	n       int
}

func newWorst(ranking []string, missing string) *worst {
	return &worst{ranking: ranking, missing: missing, votes: map[string]int{}}
}

func (w *worst) add(_ string, value any) { w.apply(value, 1) }

func (w *worst) drop(_ string, value any) { w.apply(value, -1) }

func (w *worst) apply(value any, by int) {
	if s, ok := value.(string); ok {
		w.n += by
		w.votes[s] += by
		if w.votes[s] == 0 {
			delete(w.votes, s)
		}
	}
}

func (w *worst) value(members int) (any, bool) {
	silent := w.n < members && w.missing != "" && w.n > 0
	for _, s := range slices.Sorted(maps.Keys(w.votes)) {
		if !slices.Contains(w.ranking, s) {
			return s, true
		}
	}
	for _, s := range w.ranking {
		if w.votes[s] > 0 || silent && s == w.missing {
			return s, true
		}
	}
	return nil, false
}

func (w *worst) count() int { return w.n }

// extreme is the least of values, or with sign -1 the greatest.
type extreme struct{ list ordered[scaled] }

// scaled is a value with what it is compared by: numbers and quantities before
// other texts, which times are.
type scaled struct {
	value    any
	cluster  string
	quantity *resource.Quantity
}

func newExtreme(sign int) *extreme {
	return &extreme{ordered[scaled]{compare: func(a, b scaled) int {
		if c := sign * a.compare(b); c != 0 {
			return c
		}
		return strings.Compare(a.cluster, b.cluster)
	}}}
}

func (a scaled) compare(b scaled) int {
	switch {
	case a.quantity != nil && b.quantity != nil:
		return a.quantity.Cmp(*b.quantity)
	case a.quantity != nil:
		return -1
	case b.quantity != nil:
		return 1
	}
	return cmp.Compare(fmt.Sprint(a.value), fmt.Sprint(b.value))
}

func (e *extreme) add(cluster string, value any) {
	if s, ok := scale(cluster, value); ok {
		e.list.insert(s)
	}
}

func (e *extreme) drop(cluster string, value any) {
	if s, ok := scale(cluster, value); ok {
		e.list.remove(s)
	}
}

func scale(cluster string, value any) (scaled, bool) {
	switch v := value.(type) {
	case int64:
		return scaled{value, cluster, resource.NewQuantity(v, resource.DecimalSI)}, true
	case float64:
		q, err := resource.ParseQuantity(fmt.Sprint(v))
		return scaled{value, cluster, &q}, err == nil
	case string:
		if len(v) > 64 {
			return scaled{}, false
		}
		if q, err := resource.ParseQuantity(v); err == nil {
			return scaled{value, cluster, &q}, true
		}
		return scaled{value, cluster, nil}, true
	}
	return scaled{}, false
}

func (e *extreme) value(int) (any, bool) {
	if len(e.list.items) == 0 {
		return nil, false
	}
	return e.list.items[0].value, true
}

func (e *extreme) count() int { return len(e.list.items) }
