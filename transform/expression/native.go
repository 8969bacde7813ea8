package expression

import (
	"errors"
	"fmt"
	"math"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// maxDepth bounds how deeply a result may be nested.
const maxDepth = 256

// native returns a result of CEL as JSON has it: a copy, which shares nothing
// with what the expression saw.
func native(value ref.Val, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errors.New("the result is nested too deeply")
	}
	switch v := value.(type) {
	case types.String:
		return string(v), nil
	case types.Int:
		return int64(v), nil
	case types.Bool:
		return bool(v), nil
	case types.Null:
		return nil, nil
	case types.Double:
		if f := float64(v); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f, nil
		}
		return nil, errors.New("the result has a number that is none")
	case types.Uint:
		if v > math.MaxInt64 {
			return nil, errors.New("the result has a number that is too great")
		}
		return int64(v), nil
	case *types.Optional:
		if !v.HasValue() {
			return nil, nil
		}
		return native(v.GetValue(), depth+1)
	case traits.Mapper:
		return nativeMap(v, depth)
	case traits.Lister:
		list := []any{}
		for it := v.Iterator(); it.HasNext() == types.True; {
			item, err := native(it.Next(), depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, item)
		}
		return list, nil
	case *types.Err:
		return nil, v
	}
	return nil, fmt.Errorf("the result has a %s, which is no JSON; make it a text", value.Type().TypeName())
}

func nativeMap(m traits.Mapper, depth int) (any, error) {
	out := map[string]any{}
	for it := m.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		field, ok := key.(types.String)
		if !ok {
			return nil, fmt.Errorf("the result has a key of type %s", key.Type().TypeName())
		}
		value, err := native(m.Get(key), depth+1)
		if err != nil {
			return nil, err
		}
		out[string(field)] = value
	}
	return out, nil
}
