package transform_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/transform"
	"github.com/tmc-sdk/tmc/transform/transformtest"
)

// Residency keeps the data of a database where the cluster is.
type Residency struct {
	// Kind of database that is meant.
	Kind schema.GroupKind
}

var _ transform.Transformer = Residency{}

// Name implements transform.Transformer.
func (Residency) Name() string { return "Residency" }

// Transform implements transform.Transformer.
func (r Residency) Transform(_ context.Context, t *transform.Target, obj *unstructured.Unstructured) error {
	if obj.GroupVersionKind().GroupKind() != r.Kind {
		return nil
	}
	spec, ok := obj.Object["spec"].(map[string]any)
	if !ok || spec == nil {
		return fmt.Errorf("the %s has no spec", r.Kind.Kind)
	}
	backup, ok := spec["backup"].(map[string]any)
	if !ok || backup == nil {
		return nil // nothing leaves the cluster
	}
	if t.Region == "" {
		return fmt.Errorf("cluster %s says no region to keep backups in", t.Cluster)
	}
	backup["region"] = t.Region
	return nil
}

// End of Residency.

func TestResidency(t *testing.T) {
	step := Residency{Kind: schema.GroupKind{Group: "db.example", Kind: "Database"}}
	database := transformtest.Object(`
apiVersion: db.example/v1
kind: Database
metadata: {name: orders, namespace: shop}
spec: {instances: 3, backup: {schedule: "@daily"}}`)
	transformtest.TestTransformer(t, step, &transform.Target{Cluster: "eu-1", Region: "eu"}, database)
}

// End of TestResidency.

func ExampleTransformer() {
	pipeline, err := transform.NewPipeline("prod", transform.With(
		Residency{Kind: schema.GroupKind{Group: "db.example", Kind: "Database"}},
	))
	if err != nil {
		panic(err)
	}
	diff, err := transformtest.Plan(context.Background(), pipeline,
		&transform.Target{Cluster: "eu-1", Region: "eu", Origin: transform.Origin{LogicalCluster: "1abc"}},
		[]byte(`
apiVersion: db.example/v1
kind: Database
metadata: {name: orders, namespace: shop}
spec: {instances: 3, backup: {schedule: "@daily"}}`))
	if err != nil {
		panic(err)
	}
	fmt.Print(diff)
	// Output:
	// --- workspace
	// +++ eu-1
	// @@ -1,9 +1,18 @@
	//  apiVersion: db.example/v1
	//  kind: Database
	//  metadata:
	// +  annotations:
	// +    tmc-sdk.dev/marks: v1
	// +    tmc-sdk.dev/original-name: orders
	// +    tmc-sdk.dev/original-namespace: shop
	// +  labels:
	// +    tmc-sdk.dev/bucket: "84"
	// +    tmc-sdk.dev/installation: prod
	// +    tmc-sdk.dev/logical-cluster: 1abc
	//    name: orders
	// -  namespace: shop
	// +  namespace: shop-cs2yl52wdhmlstd7
	//  spec:
	//    backup:
	// +    region: eu
	//      schedule: '@daily'
	//    instances: 3
}

// What the tutorial shows is code of this file, as it is compiled.
func TestTutorial(t *testing.T) {
	page, err := os.ReadFile("../docs/tutorial-transformer.md")
	require.NoError(t, err)
	source, err := os.ReadFile("tutorial_test.go")
	require.NoError(t, err)
	snippets := 0
	for i, part := range strings.Split(string(page), "```") {
		if code, ok := strings.CutPrefix(part, "go\n"); ok && i%2 == 1 {
			snippets++
			if !strings.Contains(string(source), code) {
				t.Errorf("this is not in tutorial_test.go:\n%s", code)
			}
		}
	}
	require.GreaterOrEqual(t, snippets, 3)
}
