package cluster_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"k8s.io/client-go/rest"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
)

// apiServer answers as an API server does whose identity is uid.
func apiServer(uid string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/readyz":
			_, _ = fmt.Fprint(w, "ok")
		case "/version":
			_, _ = fmt.Fprint(w, `{"gitVersion":"v1.36.3"}`)
		case "/api/v1/namespaces/kube-system":
			_, _ = fmt.Fprintf(w, `{"metadata":{"name":"kube-system","uid":%q}}`, uid)
		default:
			w.WriteHeader(http.StatusForbidden)
		}
	}))
}

func ExampleNewFleet() {
	server := apiServer("6b1f0e4c")
	defer server.Close()
	fleet, err := tmccluster.NewFleet(tmccluster.WithSource(tmccluster.Static(
		tmccluster.Registration{Name: "eu-1", Region: "eu", Config: &rest.Config{Host: server.URL}},
		tmccluster.Registration{Name: "broken", Err: fmt.Errorf("the Secret is missing")},
	)))
	if err != nil {
		fmt.Println(err)
		return
	}
	// A manager starts the fleet in a program.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { _ = fleet.Start(ctx) }()

	fleet.WaitForSync(ctx)
	for st := range fleet.Snapshot().All() {
		fmt.Printf("%s ready=%v reason=%q\n", st.Name, st.Ready, st.Reason)
	}
	conn, err := fleet.Connection("eu-1")
	fmt.Println(conn.UID, err)
	// Output:
	// broken ready=false reason="InvalidRegistration"
	// eu-1 ready=true reason=""
	// 6b1f0e4c <nil>
}

func ExampleFleet_Subscribe() {
	fleet, _ := tmccluster.NewFleet(tmccluster.WithSource(tmccluster.Static(
		tmccluster.Registration{Name: "eu-1", Err: fmt.Errorf("no credentials yet")},
	)))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { _ = fleet.Start(ctx) }()

	joined := make(chan string)
	stop := fleet.Subscribe(func(c tmccluster.Change) {
		if c.Old == nil {
			joined <- c.Name()
		}
	})
	defer stop()
	fmt.Println(<-joined)
	// Output:
	// eu-1
}

func ExampleLoadKubeconfig() {
	kubeconfig := `
current-context: prod
contexts: [{name: prod, context: {cluster: prod, user: me}}]
clusters: [{name: prod, cluster: {server: "https://prod.example.com"}}]
users: [{name: me, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: get-token, interactiveMode: Never}}}]
`
	_, err := tmccluster.LoadKubeconfig([]byte(kubeconfig), tmccluster.Trust{})
	fmt.Println(err)
	cfg, _ := tmccluster.LoadKubeconfig([]byte(kubeconfig), tmccluster.Trust{Exec: []string{"get-token"}})
	fmt.Println(cfg.Host)
	// Output:
	// load kubeconfig: kubeconfig refused: it would run "get-token" to obtain credentials; allow the command in Trust.Exec, or use a token or a client certificate
	// https://prod.example.com
}
