package envtest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Client-side throttling would measure itself: clients of test servers may ask
// as fast as controller-runtime's own test environment lets them.
const (
	clientQPS   = 1000
	clientBurst = 2000
)

const (
	adminUser         = "tmc-envtest-admin"
	clusterAdminGroup = "system:masters"
	// kcp records nobody as the owner of what system:masters create, and cannot
	// make a workspace of a person it does not know.
	kcpAdminGroup = "system:kcp:admin"
)

// An access gives clients the way to one API server and the right to it.
type access struct {
	ca    *ca
	admin keyPair
	addr  string
}

func newAccess(name, addr, adminGroup string) (*access, error) {
	authority, err := newCA(name)
	if err != nil {
		return nil, err
	}
	admin, err := authority.client(adminUser, adminGroup)
	if err != nil {
		return nil, err
	}
	return &access{ca: authority, admin: admin, addr: addr}, nil
}

func (a *access) config(path string) *rest.Config { return a.configFor(path, a.admin) }

// userConfig names a user by a certificate. Certificates cannot fail to be made
// on a sound machine; if one does, the config says so at its first use.
func (a *access) userConfig(path, user string, groups ...string) *rest.Config {
	pair, err := a.ca.client(user, groups...)
	config := a.configFor(path, pair)
	if err != nil {
		config.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, err }
	}
	return config
}

func (a *access) configFor(path string, pair keyPair) *rest.Config {
	return &rest.Config{
		Host:            "https://" + a.addr + path,
		QPS:             clientQPS,
		Burst:           clientBurst,
		TLSClientConfig: rest.TLSClientConfig{CAData: a.ca.pem, CertData: pair.cert, KeyData: pair.key},
	}
}

// kubeconfig writes config, whose credentials are certificates, for kubectl.
func kubeconfig(name string, config *rest.Config) ([]byte, error) {
	c := clientcmdapi.NewConfig()
	c.Clusters[name] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	c.AuthInfos[name] = &clientcmdapi.AuthInfo{ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}
	c.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	c.CurrentContext = name
	content, err := clientcmd.Write(*c)
	if err != nil {
		return nil, fmt.Errorf("write the kubeconfig of %s: %w", name, err)
	}
	return content, nil
}

const probeTimeout = 5 * time.Second

// probe returns a question to the server as its admin: does it answer path
// with 200? Each question has a connection of its own.
func (a *access) probe(path string) (func(ctx context.Context) error, error) {
	pair, err := tls.X509KeyPair(a.admin.cert, a.admin.key)
	if err != nil {
		return nil, fmt.Errorf("read our own certificate: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.ca.cert)
	client := &http.Client{Timeout: probeTimeout, Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
		DisableKeepAlives: true,
	}}
	return func(ctx context.Context) error { return get(ctx, client, "https://"+a.addr+path) }, nil
}

const answerLimit = 4 << 10

// get fails unless url answers with 200.
func get(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return fmt.Errorf("ask %s: %w", url, err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, answerLimit))
	if err != nil {
		body = fmt.Appendf(body, " (%v)", err)
	}
	return fmt.Errorf("%s answers %s: %s", url, resp.Status, body)
}
