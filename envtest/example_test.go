package envtest_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"time"

	kcpapisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
)

// A program says where the servers are before it needs them; a test need not.
func ExampleEnsure() {
	assets, err := tmcenvtest.Ensure(context.Background(), tmcenvtest.ServerEtcd)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(assets), assets[tmcenvtest.ServerEtcd] != "")
	// Output: 1 true
}

func ExampleStartCluster() {
	ctx := context.Background()
	cluster, err := tmcenvtest.StartCluster(ctx, "eu-1",
		tmcenvtest.WithWorkloads(),
		tmcenvtest.WithNodes(2, tmcenvtest.Node{CPU: "4", Memory: "16Gi", Zone: "eu-1a", Region: "eu"}))
	if err != nil {
		log.Fatal(err)
	}
	defer cluster.Close() //nolint:errcheck // an example

	c, err := cluster.Client()
	if err != nil {
		log.Fatal(err)
	}
	var nodes corev1.NodeList
	if err := c.List(ctx, &nodes); err != nil {
		log.Fatal(err)
	}
	for _, n := range nodes.Items {
		fmt.Println(n.Name, n.Status.Allocatable.Cpu(), n.Labels[corev1.LabelTopologyRegion])
	}
	// Output:
	// eu-1-node-0 4 eu
	// eu-1-node-1 4 eu
}

func ExampleStartClusters() {
	clusters, err := tmcenvtest.StartClusters(context.Background(),
		tmcenvtest.Spec("eu-1", tmcenvtest.WithNodes(1, tmcenvtest.Node{Region: "eu"})),
		tmcenvtest.Spec("us-1", tmcenvtest.WithNodes(1, tmcenvtest.Node{Region: "us"})))
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range clusters {
		fmt.Println(c.Name())
		if err := c.Close(); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// eu-1
	// us-1
}

// A cluster that is cut off neither answers nor refuses.
func ExampleProxy() {
	ctx := context.Background()
	cluster, err := tmcenvtest.StartCluster(ctx, "eu-1")
	if err != nil {
		log.Fatal(err)
	}
	defer cluster.Close() //nolint:errcheck // an example
	c, err := cluster.Client()
	if err != nil {
		log.Fatal(err)
	}
	list := func() error {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		return c.List(ctx, &corev1.NamespaceList{})
	}

	fmt.Println("well:", list() == nil)
	cluster.Proxy().Cut()
	fmt.Println("cut:", list() == nil)
	cluster.Proxy().Heal()
	fmt.Println("healed:", list() == nil)
	// Output:
	// well: true
	// cut: false
	// healed: true
}

// A third of all writes fails, always the same ones; reads are not concerned.
func ExampleProxy_Storm() {
	ctx := context.Background()
	cluster, err := tmcenvtest.StartCluster(ctx, "eu-1")
	if err != nil {
		log.Fatal(err)
	}
	defer cluster.Close() //nolint:errcheck // an example
	c, err := cluster.Client()
	if err != nil {
		log.Fatal(err)
	}

	cluster.Proxy().Storm(tmcenvtest.Storm{
		Answer: tmcenvtest.Fail(http.StatusInternalServerError),
		Verbs:  []string{"create", "update", "patch", "delete"},
		Share:  1. / 3, Seed: 1,
	})
	failed := 0
	for i := range 30 {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("n", i)}}
		if c.Create(ctx, ns) != nil {
			failed++
		}
	}
	fmt.Println("a list:", c.List(ctx, &corev1.NamespaceList{}))
	fmt.Println("creates that failed:", failed == cluster.Proxy().Struck(), failed > 0, failed < 30)
	cluster.Proxy().Heal()
	// Output:
	// a list: <nil>
	// creates that failed: true true true
}

// A provider exports an API, a tenant binds it, and the endpoint answers.
func ExampleStartKCP() {
	ctx := context.Background()
	kcp, err := tmcenvtest.StartKCP(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer kcp.Close() //nolint:errcheck // an example

	tree, err := kcp.CreateTree(ctx, "provider", "tenant")
	if err != nil {
		log.Fatal(err)
	}
	provider, tenant := tree[0], tree[1]
	widgets, err := tmcenvtest.Schema(schema.GroupVersionKind{Group: "example.org", Version: "v1", Kind: "Widget"}, "widgets")
	if err != nil {
		log.Fatal(err)
	}
	export := tmcenvtest.APIExport{Name: "widgets", Schemas: []*kcpapisv1alpha1.APIResourceSchema{widgets}}
	if err := kcp.Export(ctx, provider.Path, export); err != nil {
		log.Fatal(err)
	}
	if err := kcp.Bind(ctx, tenant.Path, provider.Path, "widgets"); err != nil {
		log.Fatal(err)
	}
	urls, err := kcp.WaitEndpoint(ctx, provider.Path, "widgets")
	if err != nil {
		log.Fatal(err)
	}

	fmt.Println(tenant.Path, "is bound, endpoints:", len(urls))
	// Output: root:tenant is bound, endpoints: 1
}
