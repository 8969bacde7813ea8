package plan_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tmc-sdk/tmc/sync/plan"
)

// What would follow if a Deployment were another one. A controller passes its loop
// and its placement controller to NewHandler.
func ExampleAsk() {
	o := &oracle{} // stands for both
	handler, err := plan.NewHandler(o, o)
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(handler)
	defer server.Close()

	changed := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"namespace": "default", "name": "web"},
		"spec": map[string]any{"replicas": int64(2)},
	}}
	answer, err := plan.Ask(context.Background(), http.DefaultClient, server.URL, &plan.Request{Workspace: "2abc", Objects: []*unstructured.Unstructured{changed}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range answer.Changes {
		fmt.Println(c.Action, c.Original.Kind, c.Copy, "on", c.Cluster)
		for _, f := range c.Fields {
			fmt.Println(" ", f)
		}
	}
	// Output:
	// configured Deployment default-x/web on eu-1
	//   ~ spec.replicas: 1 -> 2
}
