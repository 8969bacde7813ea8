package pull_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/pull"
)

// The hub's side: mailboxes are workspaces below the platform's. The registrar, for
// the manager, makes one for every PhysicalCluster in pull mode, and the fleet finds
// the clusters through them.
func Example() {
	platform := &rest.Config{Host: "https://kcp.example.com/clusters/root:platform"}
	mailboxes, err := pull.NewWorkspaces(platform, "tmc",
		schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"},
		schema.GroupVersionResource{Version: "v1", Resource: "configmaps"})
	if err != nil {
		log.Fatal(err)
	}
	registrar, err := pull.NewRegistrar(mailboxes)
	if err != nil {
		log.Fatal(err)
	}
	fleet, err := tmccluster.NewFleet(tmccluster.WithSource(tmccluster.FromObjects(platform, tmccluster.WithMailboxes(mailboxes))))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(registrar.NeedLeaderElection(), fleet.Snapshot().Len())
	// Output: true 0
}

// A bootstrap token, to be carried to the agent of eu-1.
func ExampleNewToken() {
	var mailboxes *pull.Workspaces // of NewWorkspaces
	ctx := context.Background()
	bootstrap := func() ([]byte, error) {
		cfg, err := mailboxes.Config(ctx, "eu-1")
		if err != nil {
			return nil, err // pull.ErrNotReady until the registrar has made the mailbox
		}
		token, err := pull.NewToken(ctx, cfg, "eu-1", pull.TTL(time.Hour))
		if err != nil {
			return nil, err
		}
		return token.Kubeconfig()
	}
	_ = bootstrap
}

// A way is printed without its token.
func ExampleWay() {
	w := &pull.Way{Cluster: "eu-1", Server: "https://kcp.example.com/clusters/abc", Token: "secret"}
	fmt.Println(w)
	kubeconfig, _ := w.Kubeconfig()
	again, _ := pull.ParseWay(kubeconfig)
	fmt.Println(again.Token == w.Token)
	// Output:
	// mailbox of eu-1 at https://kcp.example.com/clusters/abc
	// true
}
