package workspaces

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	apisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/kcp-dev/sdk/apis/apis/v1alpha2"

	"github.com/tmc-sdk/tmc/cluster/internal/patient"
	"github.com/tmc-sdk/tmc/cluster/internal/pause"
)

// ExportedOptions of ExportedKinds. The zero value works.
type ExportedOptions struct {
	// Exclude are kinds that the export has and that are not in the set. Kinds
	// of groups that end in tmc-sdk.dev, as Placement, never are.
	Exclude []schema.GroupKind
	// Versions says, by kind, which version is in the set. Default: of those
	// that the export serves the first by the order of Kubernetes, as v1, v2beta1,
	// v1beta1. A version that the export does not serve is as good as no kind.
	Versions map[schema.GroupKind]string
}

// ExportedKinds are the kinds that an APIExport exports, followed while they
// change. It is a manager.Runnable; until it has read the export, the set is
// empty. While the export can't be read the set stays as it is; without an export
// it is empty. It is safe for concurrent use.
type ExportedKinds struct {
	cfg    *rest.Config
	name   string
	opts   ExportedOptions
	scheme *runtime.Scheme

	mu       sync.Mutex
	exported []schema.GroupVersionKind
	claimed  []schema.GroupResource
	read     bool
	subs     []*subscriber

	telling sync.Mutex // one call at a time
}

type subscriber struct {
	fn func()
}

var _ Kinds = (*ExportedKinds)(nil)

// NewExportedKinds returns the kinds of the APIExport of the given name. The
// config points at the workspace of the export. No server is called before Start.
func NewExportedKinds(cfg *rest.Config, export string, opts ExportedOptions) (*ExportedKinds, error) {
	if cfg == nil {
		return nil, errors.New("workspaces: config is nil: pass the config of the workspace that holds the APIExport")
	}
	if export == "" {
		return nil, errors.New("workspaces: name of the APIExport is empty")
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(apisv1alpha1.AddToScheme(scheme), apisv1alpha2.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("workspaces: build scheme: %w", err)
	}
	return &ExportedKinds{cfg: patient.Config(cfg, ofExports), name: export, opts: opts, scheme: scheme}, nil
}

func ofExports(req *http.Request) bool { return strings.HasSuffix(req.URL.Path, "/apiexports") }

// Kinds implements Kinds.
func (k *ExportedKinds) Kinds() []schema.GroupVersionKind {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.exported)
}

// Subscribe implements Kinds.
func (k *ExportedKinds) Subscribe(fn func()) (cancel func()) {
	s := &subscriber{fn}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.subs = append(slices.Clip(k.subs), s)
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.subs = slices.DeleteFunc(slices.Clone(k.subs), func(o *subscriber) bool { return o == s })
	}
}

// Claimed returns those of the given kinds that the export claims: kinds that are
// kcp's own, by their resources, as configmaps. A claim says what the export may
// touch, not what a platform wants synced; so the kinds are named here.
func (k *ExportedKinds) Claimed(kinds map[schema.GroupVersionKind]string) Kinds {
	return claimed{k, kinds}
}

// claimed is a part of what an export claims.
type claimed struct {
	of    *ExportedKinds
	kinds map[schema.GroupVersionKind]string
}

// Kinds implements Kinds.
func (c claimed) Kinds() []schema.GroupVersionKind {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	var found []schema.GroupVersionKind
	for kind, resource := range c.kinds {
		if slices.Contains(c.of.claimed, schema.GroupResource{Group: kind.Group, Resource: resource}) {
			found = append(found, kind)
		}
	}
	sortKinds(found)
	return found
}

// Subscribe implements Kinds.
func (c claimed) Subscribe(fn func()) (cancel func()) { return c.of.Subscribe(fn) }

// Ready is a healthz.Checker: an error until the export has been read.
func (k *ExportedKinds) Ready(*http.Request) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.read {
		return fmt.Errorf("APIExport %q has not been read: is it there, and may the controller read it and its APIResourceSchemas?", k.name)
	}
	return nil
}

// NeedLeaderElection says that a standby knows the kinds, too.
func (*ExportedKinds) NeedLeaderElection() bool { return false }

// Start follows the export until ctx ends. It survives a kcp that is down.
func (k *ExportedKinds) Start(ctx context.Context) error {
	logger := log.FromContext(ctx).WithName("kinds").WithValues("apiExport", k.name)
	news := make(chan struct{}, 1)
	exports, err := k.watch(ctx, logger, func() {
		select {
		case news <- struct{}{}:
		default:
		}
	})
	if exports == nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- exports.Start(ctx) }()
	if !exports.WaitForCacheSync(ctx) {
		return <-done
	}
	live, err := client.New(k.cfg, client.Options{Scheme: k.scheme})
	for err != nil {
		logger.Info("Waiting for kcp", "error", err.Error())
		if !pause.For(ctx, time.Second) {
			return <-done
		}
		live, err = client.New(k.cfg, client.Options{Scheme: k.scheme})
	}
	k.run(ctx, logger, exports, live, news)
	return <-done
}

// watch returns a cache of the export that calls changed for every change; nil
// if ctx ended before kcp answered.
func (k *ExportedKinds) watch(ctx context.Context, logger logr.Logger, changed func()) (cache.Cache, error) {
	exports, err := cache.New(k.cfg, cache.Options{Scheme: k.scheme, ByObject: map[client.Object]cache.ByObject{
		&apisv1alpha2.APIExport{}: {Field: fields.OneTermEqualSelector("metadata.name", k.name)},
	}})
	if err != nil {
		return nil, fmt.Errorf("workspaces: build cache of exports: %w", err)
	}
	informer, err := exports.GetInformer(ctx, &apisv1alpha2.APIExport{}, cache.BlockUntilSynced(false))
	for err != nil { // the mapping of the kind needs a kcp that answers
		logger.Info("Waiting for kcp", "error", err.Error())
		if !pause.For(ctx, time.Second) {
			return nil, nil
		}
		informer, err = exports.GetInformer(ctx, &apisv1alpha2.APIExport{}, cache.BlockUntilSynced(false))
	}
	if _, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { changed() }, UpdateFunc: func(any, any) { changed() }, DeleteFunc: func(any) { changed() },
	}); err != nil {
		return nil, fmt.Errorf("workspaces: watch exports: %w", err)
	}
	return exports, nil
}

// run brings the set up to date whenever there is news, until ctx ends.
func (k *ExportedKinds) run(ctx context.Context, logger logr.Logger, exports client.Reader, live client.Reader, news <-chan struct{}) {
	for {
		wait := time.Second
		for err := k.refresh(ctx, exports, live); err != nil && ctx.Err() == nil; err = k.refresh(ctx, exports, live) {
			logger.Info("The kinds of the export can't be told, and stay as they are", "error", err.Error())
			if !pause.For(ctx, wait) {
				return
			}
			wait = min(2*wait, 30*time.Second)
		}
		select {
		case <-ctx.Done():
			return
		case <-news:
		}
	}
}

// refresh reads what the export has now and tells of it.
func (k *ExportedKinds) refresh(ctx context.Context, exports client.Reader, live client.Reader) error {
	export := &apisv1alpha2.APIExport{}
	if err := exports.Get(ctx, client.ObjectKey{Name: k.name}, export); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	var schemas []*apisv1alpha1.APIResourceSchema
	for i := range export.Spec.Resources {
		s := &apisv1alpha1.APIResourceSchema{}
		if err := live.Get(ctx, client.ObjectKey{Name: export.Spec.Resources[i].Schema}, s); err != nil {
			return fmt.Errorf("read schema %s: %w", export.Spec.Resources[i].Schema, err)
		}
		schemas = append(schemas, s)
	}
	var claims []schema.GroupResource
	for _, c := range export.Spec.PermissionClaims {
		claims = append(claims, schema.GroupResource{Group: c.Group, Resource: c.Resource})
	}
	k.set(k.opts.kindsOf(schemas), claims)
	return nil
}

// set replaces what is known, and tells of it if it is other than it was.
func (k *ExportedKinds) set(exported []schema.GroupVersionKind, claims []schema.GroupResource) {
	k.telling.Lock()
	defer k.telling.Unlock()
	slices.SortFunc(claims, func(a, b schema.GroupResource) int { return strings.Compare(a.String(), b.String()) })
	k.mu.Lock()
	same := k.read && slices.Equal(k.exported, exported) && slices.Equal(k.claimed, claims)
	k.exported, k.claimed, k.read = exported, claims, true
	subs := k.subs
	k.mu.Unlock()
	if same {
		return
	}
	for _, s := range subs {
		s.fn()
	}
}

// kindsOf returns the kinds of some schemas that are in the set, sorted.
func (o *ExportedOptions) kindsOf(schemas []*apisv1alpha1.APIResourceSchema) []schema.GroupVersionKind {
	var kinds []schema.GroupVersionKind
	for _, s := range schemas {
		kind := schema.GroupKind{Group: s.Spec.Group, Kind: s.Spec.Names.Kind}
		if kind.Group == domain || strings.HasSuffix(kind.Group, "."+domain) || slices.Contains(o.Exclude, kind) {
			continue
		}
		var served []string
		for i := range s.Spec.Versions {
			if s.Spec.Versions[i].Served {
				served = append(served, s.Spec.Versions[i].Name)
			}
		}
		if wanted := o.Versions[kind]; wanted != "" {
			served = slices.DeleteFunc(served, func(v string) bool { return v != wanted })
		}
		if len(served) > 0 {
			kinds = append(kinds, kind.WithVersion(slices.MaxFunc(served, version.CompareKubeAwareVersionStrings)))
		}
	}
	sortKinds(kinds)
	return slices.Compact(kinds)
}

// domain of our own APIs.
const domain = "tmc-sdk.dev"
