package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	apisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/kcp-dev/sdk/apis/apis/v1alpha2"
	corev1alpha1 "github.com/kcp-dev/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/kcp-dev/sdk/apis/tenancy/v1alpha1"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
	placementv1alpha1 "github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// session is one call of the program: its flags, its streams, its connections.
type session struct {
	in          io.Reader
	out, errOut io.Writer

	rules     clientcmd.ClientConfigLoadingRules
	overrides clientcmd.ConfigOverrides
	platform  string
	workspace string
	export    string
	format    string
	noHeaders bool
	colour    string
}

var scheme = func() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, clusterv1alpha1.AddToScheme, placementv1alpha1.AddToScheme,
		apisv1alpha1.AddToScheme, apisv1alpha2.AddToScheme, corev1alpha1.AddToScheme, tenancyv1alpha1.AddToScheme,
	} {
		if err := add(s); err != nil {
			panic(err) // types of ours contradict each other
		}
	}
	return s
}()

// config is that of the context, and its namespace.
func (s *session) config() (*rest.Config, string, error) {
	rules := s.rules
	if rules.ExplicitPath == "" {
		rules = *clientcmd.NewDefaultClientConfigLoadingRules()
	}
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(&rules, &s.overrides)
	cfg, err := loader.ClientConfig()
	if err != nil {
		return nil, "", err
	}
	cfg.QPS, cfg.Burst, cfg.UserAgent = 50, 100, "kubectl-tmc"
	cfg.WarningHandler = rest.NoWarnings{}
	namespace, _, err := loader.Namespace()
	return cfg, namespace, err
}

// at leads to a workspace; empty for that of the context.
func (s *session) at(workspace string) (*rest.Config, error) {
	cfg, _, err := s.config()
	if err != nil {
		return nil, err
	}
	if workspace == "" {
		return cfg, nil
	}
	if cfg.Host, err = hostOf(cfg.Host, workspace); err != nil {
		return nil, err
	}
	return cfg, nil
}

// hostOf returns the URL of a workspace at the server of another.
func hostOf(host, workspace string) (string, error) {
	u, err := url.Parse(host)
	if err != nil {
		return "", fmt.Errorf("server %q of the context is no URL: %w", host, err)
	}
	before, _, _ := strings.Cut(u.Path, "/clusters/")
	u.Path = strings.TrimSuffix(before, "/") + "/clusters/" + workspace
	return u.String(), nil
}

// client for a workspace; empty for that of the context.
func (s *session) client(workspace string) (client.Client, error) {
	cfg, err := s.at(workspace)
	if err != nil {
		return nil, err
	}
	return client.New(cfg, client.Options{Scheme: scheme})
}

// namespace is that of the flags or of the context.
func (s *session) namespace() (string, error) {
	_, namespace, err := s.config()
	return namespace, err
}

// everywhere leads to all workspaces that bind the export, one config per shard
// of kcp.
func (s *session) everywhere(ctx context.Context) ([]*rest.Config, error) {
	c, err := s.client(s.platform)
	if err != nil {
		return nil, err
	}
	slice := &apisv1alpha1.APIExportEndpointSlice{}
	if err := c.Get(ctx, client.ObjectKey{Name: s.export}, slice); err != nil {
		return nil, fmt.Errorf("find the workspaces that bind export %s: %w; name the export with --export and its workspace with --platform", s.export, err)
	}
	if len(slice.Status.APIExportEndpoints) == 0 {
		return nil, errors.New("no workspace binds export " + s.export + " yet")
	}
	var configs []*rest.Config
	for _, endpoint := range slice.Status.APIExportEndpoints {
		cfg, err := s.at(s.platform)
		if err != nil {
			return nil, err
		}
		cfg.Host = strings.TrimSuffix(endpoint.URL, "/") + "/clusters/*"
		configs = append(configs, cfg)
	}
	return configs, nil
}
