package agent_test

import (
	"context"
	"errors"
	"log"
	"os"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/manager/signals"

	"github.com/tmc-sdk/tmc/cluster/pull"
	"github.com/tmc-sdk/tmc/sync/agent"
)

// The program of an agent: it joins at its first start, resumes at every other, and
// then fetches the work of its cluster until it is told to stop.
func Example() {
	ctx := signals.SetupSignalHandler()
	home, err := rest.InClusterConfig()
	if err != nil {
		log.Fatal(err)
	}
	credentials, err := enter(ctx, home, "/etc/tmc/bootstrap/kubeconfig")
	if err != nil {
		log.Fatal(err)
	}
	a, err := agent.New(ctx, agent.Config{
		Home: home, Mailbox: credentials, Installation: "prod",
		Resources: []schema.GroupVersionKind{
			{Group: "apps", Version: "v1", Kind: "Deployment"},
			corev1.SchemeGroupVersion.WithKind("ConfigMap"),
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := a.Start(ctx); err != nil {
		log.Fatal(err)
	}
}

// enter returns the credentials of an earlier start, or else those that a bootstrap
// token brings.
func enter(ctx context.Context, home *rest.Config, bootstrap string) (*pull.Credentials, error) {
	store, err := pull.InSecret(home, "tmc-agent", "mailbox")
	if err != nil {
		return nil, err
	}
	credentials, err := pull.Resume(ctx, store)
	if !errors.Is(err, pull.ErrNotJoined) {
		return credentials, err
	}
	data, err := os.ReadFile(bootstrap)
	if err != nil {
		return nil, err
	}
	token, err := pull.ParseWay(data)
	if err != nil {
		return nil, err
	}
	return pull.Join(ctx, token, store)
}
