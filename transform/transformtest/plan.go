package transformtest

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/tmc-sdk/tmc/transform"
)

// Object reads an object that stands as YAML in a test. It panics on a document that
// is no object.
func Object(document string) *unstructured.Unstructured {
	obj, err := parse([]byte(document))
	if err != nil {
		panic(fmt.Sprintf("transformtest: read the object: %v", err))
	}
	return obj
}

// Plan returns the difference that a pipeline makes on its way to a target to
// the object in a YAML document, as a unified diff; empty if there is none.
// Origin's name and namespace are taken from the object where they are not set.
func Plan(ctx context.Context, p *transform.Pipeline, target *transform.Target, document []byte) (string, error) {
	obj, err := parse(document)
	if err != nil {
		return "", fmt.Errorf("read the object: %w", err)
	}
	origin := target.Origin
	if origin.Name == "" {
		origin.Namespace, origin.Name = obj.GetNamespace(), obj.GetName()
	}
	rendered, err := p.Render(ctx, target, obj, origin)
	if err != nil {
		return "", err
	}
	before, err := yaml.Marshal(obj.Object)
	if err != nil {
		return "", err
	}
	after, err := yaml.Marshal(rendered.Object)
	if err != nil {
		return "", err
	}
	return unified(string(before), string(after), "workspace", target.Cluster), nil
}
