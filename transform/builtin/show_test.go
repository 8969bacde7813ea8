package builtin_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/pmezard/go-difflib/difflib"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/tmc-sdk/tmc/transform"
)

// europe is the target of the examples.
var europe = &transform.Target{
	Cluster: "eu-1", Region: "eu", Zone: "eu-a", Provider: "metal", Version: "v1.36.3",
	Labels: map[string]string{"tier": "prod"}, Properties: map[string]string{"domain": "eu.example.net"},
	Division: &transform.Division{Shares: []int64{60, 40}, Own: 0},
	Origin:   transform.Origin{LogicalCluster: "2x9a", Namespace: "shop", Name: "web", UID: "u-1"},
}

// parse reads an object.
func parse(text string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	data, err := yaml.YAMLToJSON([]byte(text))
	if err == nil {
		err = u.UnmarshalJSON(data)
	}
	if err != nil {
		panic(err)
	}
	return u
}

// pod returns a Pod with the spec.
func pod(spec string) *unstructured.Unstructured {
	return parse("apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  " + strings.ReplaceAll(strings.TrimSpace(spec), "\n", "\n  ") + "\n")
}

// show prints what a transformer changes in an object on its way to eu-1.
func show(t transform.Transformer, obj *unstructured.Unstructured) {
	before, _ := yaml.Marshal(obj.Object)
	if err := t.Transform(context.Background(), europe, obj); err != nil {
		fmt.Println("error:", err)
		return
	}
	after, _ := yaml.Marshal(obj.Object)
	text, _ := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: strings.SplitAfter(string(before), "\n"), B: strings.SplitAfter(string(after), "\n"), Context: 2,
	})
	fmt.Println("--- on eu-1:")
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		if !strings.HasPrefix(line, "@@") && !strings.HasPrefix(line, "---") && !strings.HasPrefix(line, "+++") {
			fmt.Println(line)
		}
	}
}
