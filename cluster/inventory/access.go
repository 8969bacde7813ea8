package inventory

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	inventoryv1alpha1 "sigs.k8s.io/cluster-inventory-api/apis/v1alpha1"

	"github.com/tmc-sdk/tmc/cluster"
)

// Access gets into clusters whose profiles name it as an access provider.
type Access interface {
	// Name of the access provider.
	Name() string
	// Access returns a config for the cluster at an endpoint. It is called
	// whenever the profile changes, and must return equal configs for equal
	// endpoints.
	Access(endpoint Endpoint) (*rest.Config, error)
}

// Endpoint is what a profile is trusted to say of where a cluster is.
type Endpoint struct {
	// Server is an https address.
	Server string
	// CAData verifies it; empty for the CAs of the system.
	CAData []byte
	// ServerName to verify instead of the host; empty for the host.
	ServerName string
}

// config that leads to the endpoint, without credentials.
func (e Endpoint) config() *rest.Config {
	return &rest.Config{Host: e.Server, TLSClientConfig: rest.TLSClientConfig{CAData: e.CAData, ServerName: e.ServerName}}
}

// Exec returns an Access that has a program get credentials, as kubectl does.
// The program, its arguments and its environment are the platform's; if
// ProvideClusterInfo is set it learns the endpoint.
func Exec(name string, program clientcmdapi.ExecConfig) Access {
	return AccessFunc(name, func(e Endpoint) (*rest.Config, error) {
		if program.Command == "" {
			return nil, fmt.Errorf("access provider %s: no command", name)
		}
		cfg := e.config()
		cfg.ExecProvider = program.DeepCopy()
		cfg.ExecProvider.InteractiveMode = clientcmdapi.NeverExecInteractiveMode
		return cfg, nil
	})
}

// AccessFunc returns an Access of a function.
func AccessFunc(name string, fn func(Endpoint) (*rest.Config, error)) Access {
	return accessFunc{name, fn}
}

type accessFunc struct {
	name string
	fn   func(Endpoint) (*rest.Config, error)
}

var _ Access = accessFunc{}

// Name implements Access.
func (a accessFunc) Name() string { return a.name }

// Access implements Access.
func (a accessFunc) Access(e Endpoint) (*rest.Config, error) { return a.fn(e) }

// configOf returns the config for a profile's cluster, through the first way in
// that both the profile and the platform know.
func configOf(profile *inventoryv1alpha1.ClusterProfile, ways []Access) (*rest.Config, error) {
	offered := make([]string, 0, len(profile.Status.AccessProviders))
	// CredentialProviders is deprecated, and still what older managers write.
	for _, providers := range [][]inventoryv1alpha1.AccessProvider{profile.Status.AccessProviders, profile.Status.CredentialProviders} {
		for i := range providers {
			offered = append(offered, providers[i].Name)
			for _, way := range ways {
				if way.Name() != providers[i].Name {
					continue
				}
				endpoint, err := endpointOf(&providers[i])
				if err != nil {
					return nil, fmt.Errorf("access provider %s: %w", way.Name(), err)
				}
				cfg, err := way.Access(endpoint)
				if err != nil {
					return nil, fmt.Errorf("access provider %s: %w", way.Name(), err)
				}
				return cfg, nil
			}
		}
	}
	if len(offered) == 0 {
		return nil, errors.New("the ClusterProfile names no access provider yet: its cluster manager writes them into the status")
	}
	return nil, fmt.Errorf("none of the access providers of the ClusterProfile is known here (%s): give one to FromProfiles", clip(strings.Join(offered, ", ")))
}

// endpointOf refuses what a profile has no say in.
func endpointOf(provider *inventoryv1alpha1.AccessProvider) (Endpoint, error) {
	c := &provider.Cluster
	u, err := url.Parse(c.Server)
	switch {
	case err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil:
		return Endpoint{}, fmt.Errorf("%w: server %q is not an https address", cluster.ErrRefused, clip(c.Server))
	case c.CertificateAuthority != "":
		return Endpoint{}, fmt.Errorf("%w: certificate-authority names a file; use certificate-authority-data", cluster.ErrRefused)
	case c.InsecureSkipTLSVerify:
		return Endpoint{}, fmt.Errorf("%w: insecure-skip-tls-verify would send credentials to anybody", cluster.ErrRefused)
	case c.ProxyURL != "":
		return Endpoint{}, fmt.Errorf("%w: proxy-url would lead requests elsewhere", cluster.ErrRefused)
	}
	return Endpoint{Server: c.Server, CAData: c.CertificateAuthorityData, ServerName: c.TLSServerName}, nil
}

// clip shortens a text that others wrote.
func clip(s string) string {
	const most = 128
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
