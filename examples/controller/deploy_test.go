package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
	"sigs.k8s.io/yaml"

	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
	"github.com/tmc-sdk/tmc/examples/controller/config"
	"github.com/tmc-sdk/tmc/sync/plan"
)

// long is how long anything may take on a slow machine.
const long = 3 * time.Minute

// pauses are those between two looks.
const pauses = 100 * time.Millisecond

// site is what the guide asks its reader to have.
type site struct {
	issuer    *tmcenvtest.Issuer
	kcp       *tmcenvtest.KCP
	host, eu1 *tmcenvtest.Cluster
	env       map[string]string
	*kubelet
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{env: map[string]string{}, issuer: tmcenvtest.NewIssuer(t)}
	kcp := make(chan error, 1)
	go func() {
		var err error
		s.kcp, err = tmcenvtest.StartKCP(t.Context(), tmcenvtest.WithIssuer(s.issuer))
		kcp <- err
	}()
	t.Cleanup(func() {
		if s.kcp != nil {
			_ = s.kcp.Close()
		}
	})
	clusters := tmcenvtest.NewClusters(t, tmcenvtest.Spec("host"),
		tmcenvtest.Spec("eu-1", tmcenvtest.WithWorkloads(), tmcenvtest.WithNodes(1, tmcenvtest.Node{CPU: "4", Memory: "16Gi", Pods: 110})))
	require.NoError(t, <-kcp)
	s.host, s.eu1 = clusters[0], clusters[1]
	dir := t.TempDir()
	write := func(name string, data []byte, err error) {
		require.NoError(t, err)
		s.env[name] = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(s.env[name], data, 0o600))
	}
	data, err := s.kcp.Kubeconfig(tmcenvtest.Root)
	write("KCP_KUBECONFIG", data, err)
	data, err = s.host.Kubeconfig()
	write("HOST_KUBECONFIG", data, err)
	write("EDGE1_KUBECONFIG", data, nil) // that of docs/pull.md
	data, err = s.eu1.Kubeconfig()
	write("EU1_KUBECONFIG", data, err)
	data, err = kubeconfigOf(s.kcp.UserConfig(tmcenvtest.Root.Join("platform"), "tmc-controller"))
	write("CONTROLLER_KUBECONFIG", data, err)
	s.env["KCP"], _, _ = strings.Cut(s.kcp.Config(tmcenvtest.Root).Host, "/clusters/")

	hostClient, err := s.host.Client()
	require.NoError(t, err)
	s.kubelet = &kubelet{t: t, host: hostClient, config: s.host.Config(), dir: t.TempDir()}
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			for _, p := range s.all() {
				t.Logf("controller at %s:\n%s", p.health, p.log)
			}
		}
	})
	return s
}

func kubeconfigOf(cfg *rest.Config) ([]byte, error) {
	c := clientcmdapi.NewConfig()
	c.Clusters["it"] = &clientcmdapi.Cluster{Server: cfg.Host, CertificateAuthorityData: cfg.CAData}
	c.AuthInfos["it"] = &clientcmdapi.AuthInfo{ClientCertificateData: cfg.CertData, ClientKeyData: cfg.KeyData}
	c.Contexts["it"] = &clientcmdapi.Context{Cluster: "it", AuthInfo: "it"}
	c.CurrentContext = "it"
	return clientcmd.Write(*c)
}

// readable makes sure that settings which the page shows are read by the controller,
// in the place of those of the manifests or added to them.
func readable(t *testing.T, settings string) {
	t.Helper()
	manifest, err := os.ReadFile(filepath.Join("deploy", "controller.yaml"))
	require.NoError(t, err)
	merged := map[string]any{}
	for _, text := range [][]byte{manifest, []byte(settings)} {
		part := map[string]any{}
		require.NoError(t, yaml.UnmarshalStrict(text, &part), settings)
		maps.Copy(merged, part)
	}
	text, err := yaml.Marshal(merged)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "controller.yaml")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	_, err = config.Load(path, config.Known{}, nil)
	require.NoError(t, err)
}

// TestDeploymentGuide does what docs/deploy.md says, block by block, on real
// servers, and looks at what the page promises of the result.
func TestDeploymentGuide(t *testing.T) {
	if testing.Short() {
		t.Skip("needs servers")
	}
	blocks := blocksOf(t, filepath.Join("..", "..", "docs", "deploy.md"))
	s := newSite(t)
	sh := newShell(t, s.env)
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	served := make(chan error, 1)
	deployment := client.ObjectKey{Namespace: "tmc-system", Name: "tmc-controller"}
	go func() { served <- s.serve(ctx, deployment) }()

	var printed string
	for _, b := range blocks {
		switch b.language {
		case "sh yours":
			for name := range s.env {
				if name == "EDGE1_KUBECONFIG" {
					continue
				}
				require.Contains(t, b.text, "export "+name+"=", "the page lets its reader set what the test sets")
			}
		case "text":
			require.Equal(t, strings.TrimSpace(b.text), printed, "what the page says that is printed")
		case "sh":
			if b.section == "Take it away" {
				require.NoError(t, <-served)
				s.lookAround(t, deployment)
				s.pullMode(t, sh)
			}
			printed = sh.run(b)
		case "yaml": // settings beside those of the manifests
			readable(t, b.text)
		default:
			require.Fail(t, "a block that nobody runs", b.language)
		}
	}
	eu1, err := s.eu1.Client()
	require.NoError(t, err)
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		var left appsv1.DeploymentList
		assert.NoError(c, eu1.List(t.Context(), &left, client.HasLabels{"tmc-sdk.dev/installation"}))
		assert.Empty(c, left.Items, "copies are left")
	}, long, 100*time.Millisecond)
}

// lookAround checks what the page says of a controller that runs.
func (s *site) lookAround(t *testing.T, deployment client.ObjectKey) {
	t.Helper()
	s.checkPods(t, deployment)
	s.checkServing(t)
	s.checkTenant(t)
	s.checkTakeover(t, func(leader *pod) {
		leader.terminate(t)
		require.Contains(t, leader.log.String(), "Stopped")
	}, 3)
	d := &appsv1.Deployment{}
	require.NoError(t, s.kubelet.host.Get(t.Context(), deployment, d))
	_, err := s.start(d) // in the place of the one that ended
	require.NoError(t, err)
	s.checkTakeover(t, func(leader *pod) { leader.kill(t) }, 4)
}

// checkPods asks the server whether the pods are as confined as the namespace
// demands, and whether it asks at all.
func (s *site) checkPods(t *testing.T, deployment client.ObjectKey) {
	t.Helper()
	d := &appsv1.Deployment{}
	require.NoError(t, s.kubelet.host.Get(t.Context(), deployment, d))
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: d.Namespace, Name: "it"}, Spec: d.Spec.Template.Spec}
	require.NoError(t, s.kubelet.host.Create(t.Context(), pod.DeepCopy(), client.DryRunAll))
	pod.Spec.Containers[0].SecurityContext.AllowPrivilegeEscalation = new(true)
	err := s.kubelet.host.Create(t.Context(), pod, client.DryRunAll)
	require.True(t, apierrors.IsForbidden(err), "pod security is not enforced: %v", err)
}

// checkServing asks for what is served, as nobody, as an account without and as
// one with rights.
func (s *site) checkServing(t *testing.T) {
	t.Helper()
	host := s.kubelet.host
	for _, name := range []string{"anyone", "operator"} {
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
		require.NoError(t, host.Create(t.Context(), account))
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "operator"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "tmc-operator"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "default", Name: "operator"}},
	}
	require.NoError(t, host.Create(t.Context(), binding))
	anyone, err := s.token("default", "anyone")
	require.NoError(t, err)
	operator, err := s.token("default", "operator")
	require.NoError(t, err)

	leader := s.leader(t)
	for _, path := range []string{"/metrics", "/fleet", "/debug/pprof/cmdline", "/debug/loglevel", "/plan"} {
		for token, want := range map[string]int{"": http.StatusUnauthorized, anyone: http.StatusForbidden, operator: http.StatusOK} {
			code, _ := ask(t, http.MethodGet, "https://"+leader.address+path, token, "")
			require.Equal(t, want, code, "%s with token %t", path, token != "")
		}
	}
	_, metrics := ask(t, http.MethodGet, "https://"+leader.address+"/metrics", operator, "")
	for _, metric := range []string{`tmc_cluster_fleet_clusters{condition="ready"} 1`, `tmc_sync_applies_total{cluster="eu-1",result="ok"}`, "tmc_placement_known_placements 1"} {
		require.Contains(t, metrics, metric)
	}
	_, fleetPage := ask(t, http.MethodGet, "https://"+leader.address+"/fleet", operator, "")
	for _, text := range []string{"1 of 1", "<td>eu-1<td>", "Everything that is known is well"} {
		require.Contains(t, fleetPage, text)
	}
	s.checkPlan(t, leader, operator)
	require.NotContains(t, leader.log.String(), `"level":"debug"`)
	code, _ := ask(t, http.MethodPut, "https://"+leader.address+"/debug/loglevel", operator, `{"level":"debug"}`)
	require.Equal(t, http.StatusOK, code)
	_, level := ask(t, http.MethodGet, "https://"+leader.address+"/debug/loglevel", operator, "")
	require.JSONEq(t, `{"level":"debug"}`, level)
}

// checkPlan asks the leader what would be done, and what another image would do.
func (s *site) checkPlan(t *testing.T, leader *pod, token string) {
	t.Helper()
	_, now := ask(t, http.MethodGet, "https://"+leader.address+"/plan", token, "")
	require.JSONEq(t, `{"changes": []}`, now)
	tenant, err := s.kcp.Client(tmcenvtest.Root.Join("acme"))
	require.NoError(t, err)
	web := &unstructured.Unstructured{}
	web.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind("Deployment"))
	require.NoError(t, tenant.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "web"}, web))
	web.Object["spec"].(map[string]any)["replicas"] = int64(7)
	body, err := json.Marshal(plan.Request{Workspace: multicluster.ClusterName(web.GetAnnotations()["kcp.io/cluster"]), Objects: []*unstructured.Unstructured{web}})
	require.NoError(t, err)
	code, then := ask(t, http.MethodPost, "https://"+leader.address+"/plan", token, string(body))
	require.Equal(t, http.StatusOK, code, then)
	require.Contains(t, then, `"action":"configured"`)
	require.Contains(t, then, `"path":"spec.replicas"`)
}

// checkTakeover ends the leader while a tenant scales a Deployment: the standby goes
// on, and what was accepted is done.
func (s *site) checkTakeover(t *testing.T, end func(leader *pod), replicas int32) {
	t.Helper()
	leader := s.leader(t)
	tenant, err := s.kcp.Client(tmcenvtest.Root.Join("acme"))
	require.NoError(t, err)
	web := &appsv1.Deployment{}
	key := client.ObjectKey{Namespace: "default", Name: "web"}
	require.NoError(t, tenant.Get(t.Context(), key, web))
	patch := client.MergeFrom(web.DeepCopy())
	web.Spec.Replicas = &replicas
	require.NoError(t, tenant.Patch(t.Context(), web, patch))
	end(leader)
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		assert.NoError(c, tenant.Get(t.Context(), key, web))
		assert.Equal(c, replicas, web.Status.ReadyReplicas)
	}, long, 100*time.Millisecond)
	require.NotSame(t, leader, s.leader(t))
}

// leader returns the replica that leads.
func (s *site) leader(t *testing.T) *pod {
	t.Helper()
	var leader *pod
	require.Eventually(t, func() bool {
		for _, p := range s.all() {
			select {
			case <-p.ended:
			default:
				if p.leads() && p.ready() {
					leader = p
				}
			}
		}
		return leader != nil
	}, long, 50*time.Millisecond)
	return leader
}

func ask(t *testing.T, method, url, token, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	// The certificate was made at the start; whom it serves is what is tested.
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // see above
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(req)
	require.NoError(t, err)
	defer resp.Body.Close() //nolint:errcheck // it was read
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(data)
}
