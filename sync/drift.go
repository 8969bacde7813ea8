package syncer

import (
	"reflect"
	"strconv"

	"k8s.io/apimachinery/pkg/api/resource"
)

// drifted says whether a copy lacks something of what was rendered for it. What
// the copy has beyond that belongs to others and is no drift.
//
// API servers normalise what they store: empty values go, quantities are
// rewritten, numbers change their type. Such differences are no drift either.
func drifted(rendered, copied any) bool { return !holds(rendered, copied, false) }

// amounts names the fields below which Kubernetes keeps quantities. Only there
// is "1000m" the same as "1": elsewhere "1.10" and "1.1" are two versions.
var amounts = map[string]bool{
	"resources": true, "limits": true, "requests": true, "capacity": true, "hard": true, "overhead": true,
	"sizeLimit": true, "divisor": true, "averageValue": true, "min": true, "max": true, "default": true, "defaultRequest": true,
}

// holds says whether have contains everything that want says; amount says that
// strings may be quantities.
func holds(want, have any, amount bool) bool {
	switch w := want.(type) {
	case nil:
		return true
	case map[string]any:
		h, ok := have.(map[string]any)
		if !ok {
			return have == nil && empty(w)
		}
		for key, value := range w {
			if !holds(value, h[key], amount || amounts[key]) {
				return false
			}
		}
		return true
	case []any:
		h, ok := have.([]any)
		if !ok {
			return have == nil && len(w) == 0
		}
		return holdsAll(w, h, amount)
	case string:
		h, ok := have.(string)
		if !ok {
			return (have == nil && w == "") || amount && sameQuantity(w, have)
		}
		return h == w || amount && sameQuantity(w, h)
	default:
		return sameScalar(want, have, amount)
	}
}

// holdsAll compares lists: those whose elements bear a merge key by that key,
// so that elements which others added do not matter; all others by position.
func holdsAll(want, have []any, amount bool) bool {
	key := mergeKey(want)
	if key == "" || mergeKey(have) != key {
		if len(want) != len(have) {
			return false
		}
		for i := range want {
			if !holds(want[i], have[i], amount) {
				return false
			}
		}
		return true
	}
	byKey := make(map[any]any, len(have))
	for _, element := range have {
		byKey[element.(map[string]any)[key]] = element
	}
	for _, element := range want {
		if other, ok := byKey[element.(map[string]any)[key]]; !ok || !holds(element, other, amount) {
			return false
		}
	}
	return true
}

// mergeKey returns the key by which server-side apply would tell the elements
// of a list apart, as far as the objects alone show it: a string "name", "type"
// or "key" that every element has and no two share.
func mergeKey(list []any) string {
	if len(list) == 0 {
		return ""
	}
candidates:
	for _, key := range []string{"name", "type", "key"} {
		seen := make(map[string]struct{}, len(list))
		for _, element := range list {
			m, _ := element.(map[string]any)
			value, ok := m[key].(string)
			if !ok {
				continue candidates
			}
			if _, twice := seen[value]; twice {
				continue candidates
			}
			seen[value] = struct{}{}
		}
		return key
	}
	return ""
}

// empty says whether a value says nothing that a server would store.
func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		for _, value := range v {
			if !empty(value) {
				return false
			}
		}
		return true
	case []any:
		return len(v) == 0
	case string:
		return v == ""
	}
	return false
}

// same says whether two values of JSON are equal, quickly.
func same(a, b any) bool {
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) || (x == nil) != (y == nil) {
			return false
		}
		for key, value := range x {
			other, ok := y[key]
			if !ok || !same(value, other) {
				return false
			}
		}
		return true
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) || (x == nil) != (y == nil) {
			return false
		}
		for i := range x {
			if !same(x[i], y[i]) {
				return false
			}
		}
		return true
	case nil, string, bool, int64, float64:
		return a == b
	}
	return reflect.DeepEqual(a, b) // no value of JSON; compared all the same
}

func sameScalar(want, have any, amount bool) bool {
	if have == nil {
		zero, isBool := want.(bool)
		n, isNumber := number(want)
		return (isBool && !zero) || (isNumber && n == 0)
	}
	if w, ok := number(want); ok {
		h, ok := number(have)
		return ok && w == h || amount && sameQuantity(want, have)
	}
	return want == have
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case int:
		return float64(n), true
	case int32:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

// sameQuantity says whether two values are the same amount written in two
// ways, such as "1000m" and 1.
func sameQuantity(a, b any) bool {
	x, ok := quantity(a)
	if !ok {
		return false
	}
	y, ok := quantity(b)
	return ok && x.Cmp(y) == 0
}

func quantity(v any) (resource.Quantity, bool) {
	switch v := v.(type) {
	case string:
		if v == "" || len(v) > 32 || (v[0] < '0' || v[0] > '9') && v[0] != '.' && v[0] != '-' && v[0] != '+' {
			return resource.Quantity{}, false
		}
		q, err := resource.ParseQuantity(v)
		return q, err == nil
	case int64:
		return *resource.NewQuantity(v, resource.DecimalSI), true
	case float64:
		q, err := resource.ParseQuantity(strconv.FormatFloat(v, 'f', -1, 64))
		return q, err == nil
	}
	return resource.Quantity{}, false
}
