package expression

import (
	"strings"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// policyTypes are the types by which Kubernetes' MutatingAdmissionPolicy writes
// what an object should have: Object{spec: Object.spec{...}} and JSONPatch{op:
// ...}. They are maps here, with any fields for Object, which has no schema.
type policyTypes struct{ types.Provider }

const (
	objectType = "Object"
	patchType  = "JSONPatch"
)

var patchFields = map[string]*types.Type{"op": types.StringType, "path": types.StringType, "from": types.StringType, "value": types.DynType}

func isObject(name string) bool {
	return name == objectType || strings.HasPrefix(name, objectType+".")
}

// FindStructType implements types.Provider.
func (p policyTypes) FindStructType(name string) (*types.Type, bool) {
	if isObject(name) || name == patchType {
		return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
	}
	return p.Provider.FindStructType(name)
}

// FindStructFieldNames implements types.Provider.
func (p policyTypes) FindStructFieldNames(name string) ([]string, bool) {
	switch {
	case isObject(name):
		return nil, true
	case name == patchType:
		return []string{"from", "op", "path", "value"}, true
	}
	return p.Provider.FindStructFieldNames(name)
}

// FindStructFieldType implements types.Provider.
func (p policyTypes) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	if isObject(name) {
		return &types.FieldType{Type: types.DynType}, true
	}
	if name == patchType {
		t, ok := patchFields[field]
		return &types.FieldType{Type: t}, ok
	}
	return p.Provider.FindStructFieldType(name, field)
}

// NewValue implements types.Provider.
func (p policyTypes) NewValue(name string, fields map[string]ref.Val) ref.Val {
	if !isObject(name) && name != patchType {
		return p.Provider.NewValue(name, fields)
	}
	out := make(map[string]any, len(fields))
	for field, value := range fields {
		out[field] = value
	}
	return types.NewStringInterfaceMap(types.DefaultTypeAdapter, out)
}
