package v1alpha1

import (
	"embed"
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

//go:embed crd/*.yaml
var crds embed.FS

// CRDs returns the generated definitions of Placement and ClusterPlacement, to
// install as they are or to publish to kcp through cluster.Publisher. The
// caller owns the result.
func CRDs() ([]*apiextensionsv1.CustomResourceDefinition, error) {
	entries, err := crds.ReadDir("crd")
	if err != nil {
		return nil, fmt.Errorf("read embedded definitions: %w", err)
	}
	defs := make([]*apiextensionsv1.CustomResourceDefinition, 0, len(entries))
	for _, e := range entries {
		data, err := crds.ReadFile("crd/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("read embedded definition: %w", err)
		}
		def := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(data, def); err != nil {
			return nil, fmt.Errorf("decode embedded definition %s: %w", e.Name(), err)
		}
		defs = append(defs, def)
	}
	return defs, nil
}
