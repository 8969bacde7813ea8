package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// asController has the program of the tests be the controller.
const asController = "TMC_TEST_AS_CONTROLLER"

func TestMain(m *testing.M) {
	if os.Getenv(asController) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// kubelet stands in for the nodes of the cluster that the controller is
// deployed in: it runs what the Deployment on the server says, with the volumes
// that it names, as processes of this machine.
type kubelet struct {
	t      *testing.T
	host   client.Client
	config *rest.Config
	dir    string

	mu   sync.Mutex
	pods []*pod
}

// pod is one replica.
type pod struct {
	health, address string // where it serves
	cmd             *exec.Cmd
	log             *syncBuffer
	ended           chan struct{}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string { s.mu.Lock(); defer s.mu.Unlock(); return s.b.String() }

// serve runs the Deployment once it and its volumes are there, and says in its
// status that its replicas are available once they are ready.
func (k *kubelet) serve(ctx context.Context, d client.ObjectKey) error {
	deployment := &appsv1.Deployment{}
	for {
		err := k.host.Get(ctx, d, deployment)
		if err == nil {
			err = k.mount(ctx, deployment)
		}
		if err == nil {
			break
		}
		if !waitFor(ctx, 100*time.Millisecond) {
			return fmt.Errorf("%w: last: %w", ctx.Err(), err)
		}
	}
	for range *deployment.Spec.Replicas {
		if _, err := k.start(deployment); err != nil {
			return err
		}
	}
	for _, p := range k.all() {
		for !p.ready() {
			if !waitFor(ctx, 100*time.Millisecond) {
				return ctx.Err()
			}
		}
	}
	n := *deployment.Spec.Replicas
	deployment.Status = appsv1.DeploymentStatus{
		ObservedGeneration: deployment.Generation, Replicas: n, UpdatedReplicas: n, ReadyReplicas: n, AvailableReplicas: n,
	}
	return k.host.Status().Update(ctx, deployment)
}

// mount writes what the volumes of the pods hold, below k.dir in the place of /.
func (k *kubelet) mount(ctx context.Context, d *appsv1.Deployment) error {
	spec := d.Spec.Template.Spec
	for _, m := range spec.Containers[0].VolumeMounts {
		for _, v := range spec.Volumes {
			if v.Name != m.Name {
				continue
			}
			files := map[string]string{}
			switch {
			case v.ConfigMap != nil:
				obj := &corev1.ConfigMap{}
				if err := k.host.Get(ctx, client.ObjectKey{Namespace: d.Namespace, Name: v.ConfigMap.Name}, obj); err != nil {
					return err
				}
				for name, text := range obj.Data {
					files[name] = strings.ReplaceAll(text, "/etc/tmc/", k.dir+"/etc/tmc/")
				}
			case v.Secret != nil:
				obj := &corev1.Secret{}
				if err := k.host.Get(ctx, client.ObjectKey{Namespace: d.Namespace, Name: v.Secret.SecretName}, obj); err != nil {
					return err
				}
				for name, text := range obj.Data {
					files[name] = string(text)
				}
			}
			for name, text := range files {
				path := filepath.Join(k.dir, m.MountPath, name)
				if m.SubPath != "" {
					path = filepath.Join(k.dir, m.MountPath)
				}
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					return err
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// start runs one more replica.
func (k *kubelet) start(d *appsv1.Deployment) (*pod, error) {
	account, err := k.accountKubeconfig(d)
	if err != nil {
		return nil, err
	}
	p := &pod{health: freeAddress(k.t), address: freeAddress(k.t), log: &syncBuffer{}, ended: make(chan struct{})}
	var args []string
	for _, arg := range d.Spec.Template.Spec.Containers[0].Args {
		args = append(args, strings.ReplaceAll(arg, "/etc/tmc/", k.dir+"/etc/tmc/"))
	}
	// Two replicas on one machine can't share ports, and its account is not
	// mounted where a pod finds it.
	p.cmd = exec.Command(os.Args[0], append(args, "--health-address="+p.health, "--address="+p.address, "--kubeconfig="+account)...)
	p.cmd.Env = append(os.Environ(), asController+"=1")
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { _ = p.cmd.Wait(); close(p.ended) }()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pods = append(k.pods, p)
	return p, nil
}

func (k *kubelet) all() []*pod {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]*pod(nil), k.pods...)
}

// accountKubeconfig is what a pod of the Deployment has in its service account.
func (k *kubelet) accountKubeconfig(d *appsv1.Deployment) (string, error) {
	token, err := k.token(d.Namespace, d.Spec.Template.Spec.ServiceAccountName)
	if err != nil {
		return "", err
	}
	c := clientcmdapi.NewConfig()
	c.Clusters["it"] = &clientcmdapi.Cluster{Server: k.config.Host, CertificateAuthorityData: k.config.CAData}
	c.AuthInfos["it"] = &clientcmdapi.AuthInfo{Token: token}
	c.Contexts["it"] = &clientcmdapi.Context{Cluster: "it", AuthInfo: "it"}
	c.CurrentContext = "it"
	path := filepath.Join(k.dir, "account.kubeconfig")
	return path, clientcmd.WriteToFile(*c, path)
}

func (k *kubelet) token(namespace, account string) (string, error) {
	request := &authenticationv1.TokenRequest{}
	err := k.host.SubResource("token").Create(context.Background(),
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: account}}, request)
	return request.Status.Token, err
}

func (p *pod) ready() bool {
	resp, err := http.Get("http://" + p.health + "/readyz")
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func (p *pod) leads() bool { return strings.Contains(p.log.String(), "Successfully acquired lease") }

// terminate asks the replica to end, as a kubelet does, and waits until it has.
func (p *pod) terminate(t *testing.T) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-p.ended:
	case <-time.After(time.Minute):
		require.FailNow(t, "the controller does not end", p.log.String())
	}
	assert.Zero(t, p.cmd.ProcessState.ExitCode(), p.log.String())
}

// kill ends the replica as a node that loses power does: it lets nothing go.
func (p *pod) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Kill())
	<-p.ended
}

// stop ends whatever is left.
func (k *kubelet) stop() {
	for _, p := range k.all() {
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close() //nolint:errcheck // nothing was accepted
	return l.Addr().String()
}
