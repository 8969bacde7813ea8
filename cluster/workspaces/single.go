package workspaces

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	crcluster "sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/cluster/internal/patient"
)

// Single is a provider of one workspace, or of one cluster, which is always
// engaged: the mailbox of an agent. As those of a Provider, its caches wait for a
// server that is down.
type Single struct {
	name    multicluster.ClusterName
	cluster crcluster.Cluster
}

var (
	_ multicluster.Provider         = (*Single)(nil)
	_ multicluster.ProviderRunnable = (*Single)(nil)
)

// SingleOptions of a Single.
type SingleOptions struct {
	// Scheme of the clients. Default: that of client-go.
	Scheme *runtime.Scheme
	// Selector of what caches hold. Default: everything.
	Selector labels.Selector
}

// NewSingle returns a provider of the workspace that the config leads to, under
// the given name. No server is called before Start.
func NewSingle(name multicluster.ClusterName, cfg *rest.Config, opts SingleOptions) (*Single, error) {
	if name == "" || cfg == nil {
		return nil, errors.New("workspaces: a single workspace needs a name and a config")
	}
	if opts.Scheme == nil {
		opts.Scheme = clientgoscheme.Scheme
	}
	cfg = rest.CopyConfig(cfg)
	if cfg.QPS == 0 && cfg.RateLimiter == nil {
		cfg.QPS = -1 // the server's own priority and fairness is the better judge
	}
	cl, err := crcluster.New(patient.Config(cfg, ofReflectors), func(o *crcluster.Options) {
		o.Scheme = opts.Scheme
		o.Cache = cache.Options{DefaultLabelSelector: opts.Selector, DefaultTransform: cache.TransformStripManagedFields()}
	})
	if err != nil {
		return nil, fmt.Errorf("workspaces: build clients of %s: %w", name, err)
	}
	return &Single{name, cl}, nil
}

// Start runs the caches and engages the workspace until ctx is done.
func (s *Single) Start(ctx context.Context, aware multicluster.Aware) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.cluster.Start(ctx) }()
	if err := aware.Engage(ctx, s.name, s.cluster); err != nil {
		return fmt.Errorf("engage %s: %w", s.name, err)
	}
	return <-ended
}

// Get implements multicluster.Provider.
func (s *Single) Get(_ context.Context, name multicluster.ClusterName) (crcluster.Cluster, error) {
	if name != s.name {
		return nil, multicluster.ErrClusterNotFound
	}
	return s.cluster, nil
}

// IndexField implements multicluster.Provider.
func (s *Single) IndexField(ctx context.Context, obj client.Object, field string, extract client.IndexerFunc) error {
	return s.cluster.GetFieldIndexer().IndexField(ctx, obj, field, extract)
}

// ofReflectors accepts the requests of caches: live reads ask for no version.
func ofReflectors(req *http.Request) bool { return req.URL.Query().Has("resourceVersion") }
