package syncer_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/testr"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	mcmanager "sigs.k8s.io/multicluster-runtime/pkg/manager"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/workspaces"
	"github.com/tmc-sdk/tmc/placement"
	placementcontroller "github.com/tmc-sdk/tmc/placement/controller"
	syncer "github.com/tmc-sdk/tmc/sync"
	"github.com/tmc-sdk/tmc/transform"
)

// A chaosController is the controller of TestChaos, through all of its lives,
// and what it was seen to do.
type chaosController struct {
	starts int
	life   *life
	stop   context.CancelFunc
	done   chan struct{}

	writes counter // those that the server accepted

	mu      sync.Mutex
	admits  []admitted
	deletes []deleted
}

// admitted is a deletion of a copy that the loop took for proven, right before
// it asked for it.
type admitted struct {
	at      time.Time
	cluster string
	cause   syncer.Cause
	key     syncer.Key
	path    string // of the copy
	uid     types.UID
}

// deleted is a deletion as it went over the wire.
type deleted struct {
	at            time.Time
	cluster, path string
}

// A life ends all requests of a controller that died, those whose answer is on
// its way included.
type life struct{ over atomic.Bool }

var errDead = errors.New("the process is dead")

// watched wraps the requests that a controller makes to a server.
type watched struct {
	c      *chaosController
	life   *life
	server string
	next   http.RoundTripper
}

func (w watched) RoundTrip(r *http.Request) (*http.Response, error) {
	if w.life.over.Load() {
		return nil, errDead
	}
	if r.Method == http.MethodDelete {
		w.c.mu.Lock()
		w.c.deletes = append(w.c.deletes, deleted{time.Now(), w.server, r.URL.Path})
		w.c.mu.Unlock()
	}
	resp, err := w.next.RoundTrip(r)
	if err == nil && w.life.over.Load() {
		_ = resp.Body.Close()
		return nil, errDead
	}
	write := r.Method != http.MethodGet && r.Method != http.MethodHead && !strings.Contains(r.URL.Path, "/events") &&
		!strings.Contains(r.URL.Path, "/authorization.k8s.io/")
	if err == nil && write && resp.StatusCode < http.StatusMultipleChoices {
		w.c.writes.n.Add(1)
		w.c.writes.mu.Lock()
		w.c.writes.log = append(w.c.writes.log, w.server+": "+r.Method+" "+r.URL.Path)
		w.c.writes.mu.Unlock()
	}
	return resp, err
}

func (c *chaosController) through(l *life, server string, config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return watched{c, l, server, next} })
	return config
}

// startController begins a new life of the controller: everything that it
// knows, it finds out anew.
func (c *chaos) startController() {
	c.t.Helper()
	if c.controller == nil {
		c.controller = &chaosController{}
		c.t.Cleanup(func() { c.stopController(false) })
	}
	ctl := c.controller
	ctl.starts++
	ctl.life = &life{}
	mgr, fleet := c.compose(ctl.life)
	ctx, cancel := context.WithCancel(context.Background())
	ctl.stop, ctl.done = cancel, make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() { _ = fleet.Start(ctx) })
	running.Go(func() {
		if err := mgr.Start(ctx); err != nil && ctx.Err() == nil {
			c.t.Errorf("the controller ends by itself: %v", err)
		}
	})
	go func(done chan struct{}) { running.Wait(); close(done) }(ctl.done)
}

// stopController ends the controller: as an operator would, or at once, between
// any two requests or in the midst of one.
func (c *chaos) stopController(crash bool) {
	if crash {
		c.controller.life.over.Store(true)
	}
	c.controller.stop()
	<-c.controller.done
}

// compose builds what a platform would: fleet, placement controller and loop.
func (c *chaos) compose(l *life) (mcmanager.Manager, *tmccluster.Fleet) {
	t := c.t
	ctl := c.controller
	var regs []tmccluster.Registration
	for name, cluster := range c.clusters {
		regs = append(regs, tmccluster.Registration{Name: name, Config: ctl.through(l, name, cluster.Config())})
	}
	fleet, err := tmccluster.NewFleet(tmccluster.WithSource(tmccluster.Static(regs...)), tmccluster.WithProbe(quickProbe),
		tmccluster.WithAPIs(deploymentKind, configMapKind), tmccluster.WithGrace(3*time.Second))
	require.NoError(t, err)
	config := ctl.through(l, "kcp", c.kcp.Config(c.platform.Path))
	config.QPS = -1
	provider, err := workspaces.NewProvider(config, chaosExport, workspaces.Options{Retry: 200 * time.Millisecond})
	require.NoError(t, err)
	logger := logr.Discard()
	if os.Getenv("TMC_TEST_LOG") != "" {
		logger = testr.NewWithInterface(t, testr.Options{Verbosity: 1})
	}
	mgr, err := mcmanager.New(config, provider, manager.Options{Metrics: metricsserver.Options{BindAddress: "0"}, Logger: logger})
	require.NoError(t, err)
	pipeline, err := transform.NewPipeline(chaosInstall)
	require.NoError(t, err)
	loop, err := syncer.New(mgr, fleet, pipeline, syncer.Resources(deploymentKind), syncer.Related(configMapKind),
		syncer.TidyAfter(time.Second), syncer.WithGate(syncer.GateFunc("witness", ctl.witness)))
	require.NoError(t, err)
	engine, err := placement.NewEngine()
	require.NoError(t, err)
	_, err = placementcontroller.New(mgr, fleet, engine, placementcontroller.Resources(deploymentKind), placementcontroller.WithCopies(loop))
	require.NoError(t, err)
	return mgr, fleet
}

// witness keeps what the loop is about to delete. It vetoes nothing.
func (c *chaosController) witness(_ context.Context, p *syncer.Proposal) error {
	if p.Action != syncer.ActionDeleted {
		return nil
	}
	marks, _ := transform.ReadMarks(p.Copy)
	resource := map[string]string{"Deployment": "/apis/apps/v1/namespaces/%/deployments/", "ConfigMap": "/api/v1/namespaces/%/configmaps/"}[p.Copy.GetKind()]
	c.mu.Lock()
	defer c.mu.Unlock()
	c.admits = append(c.admits, admitted{
		at: time.Now(), cluster: p.Cluster, cause: p.Cause, key: p.Key, uid: marks.UID,
		path: strings.ReplaceAll(resource, "%", p.Copy.GetNamespace()) + p.Copy.GetName(),
	})
	return nil
}
