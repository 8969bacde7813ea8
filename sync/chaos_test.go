package syncer_test

import (
	"context"
	"fmt"
	"os"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kcpapisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
	kcpapisv1alpha2 "github.com/kcp-dev/sdk/apis/apis/v1alpha2"

	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// chaosClusters are the physical clusters of TestChaos. The last one keeps its
// data: what stands there that is not ours is there to the end.
var chaosClusters = []string{"one", "two", "three"}

const (
	keeper        = "three"
	chaosExport   = "chaos"
	chaosInstall  = "chaos"
	chaosTenants  = 3
	chaosCalm     = 4 * time.Minute // to converge in; it takes this long only where it fails
	chaosQuiet    = 5 * time.Second
	chaosPatience = 5 * time.Second // of a tenant with one request
)

// chaosSettings are how long the trouble lasts, and from what seed it follows.
func chaosSettings(tb testing.TB) (time.Duration, uint64) {
	tb.Helper()
	lasts, seed := time.Minute, uint64(time.Now().UnixNano())%100_000
	var err error
	if text := os.Getenv("TMC_CHAOS"); text != "" {
		lasts, err = time.ParseDuration(text)
		require.NoError(tb, err, "TMC_CHAOS is how long the trouble lasts: 1m, 10m")
	}
	if text := os.Getenv("TMC_CHAOS_SEED"); text != "" {
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(tb, err, "TMC_CHAOS_SEED is a number")
	}
	return lasts, seed
}

// A chaos is the world of TestChaos: real servers, a controller with a sync
// loop and a placement controller, tenants who work, and somebody who knows.
type chaos struct {
	t        *testing.T
	seed     uint64
	kcp      *tmcenvtest.KCP
	clusters map[string]*tmcenvtest.Cluster
	platform tmcenvtest.Workspace
	tenants  []*chaosTenant
	truth    *truth
	plants   []*plant

	tended map[string]*sync.Mutex // held, for each server, by who does something to it

	mu     sync.Mutex
	log    []string // what befell whom
	faults int
	from   time.Time

	controller *chaosController
}

// The whole of it, on real servers: a minute, or as long as TMC_CHAOS says, of
// faults that follow from a seed, under tenants who create, change, scale,
// delete and move; then calm. A checker that knows what the tenants did proves
// that every original has exactly the copies that its decision names and a true
// status, that nothing else is left, that nothing of others was touched, that no
// copy was ever deleted without proof, and that nobody writes any more.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("needs real servers")
	}
	lasts, seed := chaosSettings(t)
	t.Logf("to run it again: TMC_CHAOS=%s TMC_CHAOS_SEED=%d go test -run '^TestChaos$' ./sync", lasts, seed)
	c := newChaos(t, seed)
	t.Cleanup(func() {
		if t.Failed() {
			c.tell()
		}
	})
	c.startController()
	c.plantForeigners()

	c.from = time.Now()
	defer c.superviseAll()()
	trouble, calm := context.WithTimeout(t.Context(), lasts)
	defer calm()
	var work sync.WaitGroup
	for i, tenant := range c.tenants {
		work.Go(func() { tenant.work(trouble, dice(seed, uint64(i))) })
	}
	c.befall(trouble)
	t.Logf("%s of trouble over: %d faults, %d storms struck requests of %s, %d starts of the controller", lasts, c.faults, c.storms(), c.struck(), c.controller.starts)
	work.Wait() // tenants end what they began
	t.Logf("tenants did %s", c.deeds())

	calmed := time.Now()
	c.settle()
	t.Logf("settled %s after the trouble", time.Since(calmed).Round(100*time.Millisecond))
	c.mustRest()
	c.mustHaveTouchedNothingOfOthers()
	c.mustHaveProvenEveryDeletion()
}

func newChaos(t *testing.T, seed uint64) *chaos {
	t.Helper()
	c := &chaos{t: t, seed: seed, clusters: map[string]*tmcenvtest.Cluster{}, tended: map[string]*sync.Mutex{}}
	for _, name := range append([]string{"kcp"}, chaosClusters...) {
		c.tended[name] = &sync.Mutex{}
	}
	began := time.Now()
	started := make(chan error, 1)
	go func() {
		var err error
		c.kcp, err = tmcenvtest.StartKCP(context.WithoutCancel(t.Context()))
		started <- err
	}()
	t.Cleanup(func() {
		if c.kcp != nil {
			_ = c.kcp.Close()
		}
	})
	specs := make([]tmcenvtest.ClusterSpec, 0, len(chaosClusters))
	for _, name := range chaosClusters {
		specs = append(specs, tmcenvtest.Spec(name, tmcenvtest.WithWorkloads(), tmcenvtest.WithNodes(1, tmcenvtest.Node{CPU: "64", Memory: "256Gi", Pods: 1000})))
	}
	for _, cluster := range tmcenvtest.NewClusters(t, specs...) {
		c.clusters[cluster.Name()] = cluster
	}
	require.NoError(t, <-started)
	c.prepareWorkspaces()
	t.Logf("kcp, %d clusters and %d tenants are ready after %s", len(c.clusters), len(c.tenants), time.Since(began).Round(100*time.Millisecond))
	return c
}

// prepareWorkspaces makes the platform, its export, and tenants with their
// Placements.
func (c *chaos) prepareWorkspaces() {
	t, ctx := c.t, c.t.Context()
	names := []string{"platform"}
	for i := range chaosTenants {
		names = append(names, fmt.Sprintf("tenant-%d", i))
	}
	tree, err := c.kcp.CreateTree(ctx, names...)
	require.NoError(t, err)
	c.platform = tree[0]
	require.NoError(t, c.kcp.Export(ctx, c.platform.Path, chaosAPIs(t)))
	c.truth = newTruth()
	for i, ws := range tree[1:] {
		require.NoError(t, c.kcp.Bind(ctx, ws.Path, c.platform.Path, chaosExport))
		cl := c.client(c.kcp.Direct(ws.Path))
		tenant := newChaosTenant(i, ws, cl, c.truth)
		c.tenants = append(c.tenants, tenant)
		require.NoError(t, tenant.moveIn(ctx))
		c.truth.watch(t, c.kcp.Direct(ws.Path), string(ws.Cluster))
	}
}

// chaosAPIs exports Deployments and Placements.
func chaosAPIs(tb testing.TB) tmcenvtest.APIExport {
	tb.Helper()
	deployments, err := tmcenvtest.Schema(deploymentKind, "deployments")
	require.NoError(tb, err)
	schemas := []*kcpapisv1alpha1.APIResourceSchema{deployments}
	crds, err := v1alpha1.CRDs()
	require.NoError(tb, err)
	for _, crd := range crds {
		s, err := kcpapisv1alpha1.CRDToAPIResourceSchema(crd, "v1")
		require.NoError(tb, err)
		schemas = append(schemas, s)
	}
	return tmcenvtest.APIExport{Name: chaosExport, Schemas: schemas, Claims: []kcpapisv1alpha2.PermissionClaim{
		tmcenvtest.Claim("", "configmaps"), tmcenvtest.Claim("", "events"),
	}}
}

// client is for somebody whom no fault befalls but those of the server itself.
func (c *chaos) client(config *rest.Config) client.Client {
	c.t.Helper()
	config.Timeout = chaosPatience
	cl, err := client.New(config, client.Options{})
	require.NoError(c.t, err)
	return cl
}

// physical is a client past the proxy of a cluster.
func (c *chaos) physical(name string) client.Client { return c.client(c.clusters[name].Direct()) }

// note keeps what happened, for whoever has to find out why.
func (c *chaos) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = append(c.log, fmt.Sprintf("%6.1fs ", time.Since(c.from).Seconds())+fmt.Sprintf(format, args...))
}

// tell prints what happened.
func (c *chaos) tell() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, line := range c.log {
		c.t.Log(line)
	}
	c.t.Log(c.kcp.Logs())
}

// settle waits until all is as it should be.
func (c *chaos) settle() {
	c.t.Helper()
	deadline := time.Now().Add(chaosCalm)
	for {
		open := c.unsettled()
		if len(open) == 0 {
			return
		}
		if time.Now().After(deadline) {
			for _, line := range open {
				c.t.Error(line)
			}
			var stacks strings.Builder // of a controller that does nothing any more
			require.NoError(c.t, pprof.Lookup("goroutine").WriteTo(&stacks, 1))
			c.t.Fatal(stacks.String())
		}
		time.Sleep(250 * time.Millisecond)
	}
}

// mustRest fails if anything is written by the controller for a while.
func (c *chaos) mustRest() {
	c.t.Helper()
	// What was written last is still being told of; a write that follows from
	// it is part of settling.
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		before := c.controller.writes.n.Load()
		c.controller.writes.reset()
		time.Sleep(chaosQuiet)
		if c.controller.writes.n.Load() == 0 {
			require.Empty(c.t, c.unsettled(), "it is settled, and stays so")
			return
		}
		c.t.Logf("not at rest yet (%d writes before):\n%s", before, &c.controller.writes)
	}
	c.t.Errorf("law 6: the controller still writes, a minute after all was as it should be")
}

var chaosKinds = []schema.GroupVersionKind{deploymentKind, configMapKind}
