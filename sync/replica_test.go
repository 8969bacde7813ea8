package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	mcmanager "sigs.k8s.io/multicluster-runtime/pkg/manager"
	"sigs.k8s.io/multicluster-runtime/pkg/manager/coordinator/sharded"
	"sigs.k8s.io/multicluster-runtime/pkg/manager/coordinator/sharded/sharder"

	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
	"github.com/tmc-sdk/tmc/sync/shards"
	"github.com/tmc-sdk/tmc/transform"
)

// replica returns a world for another replica of the same installation: the
// same tenants and clusters, with counters and a fleet of its own.
func (w *world) replica() *world {
	r := &world{t: w.t, platform: w.platform, tenants: w.tenants, export: w.export, id: w.id}
	r.fleet = r.startFleet((*tmcenvtest.Cluster).Config)
	return r
}

func (w *world) relabel(tenant int, value string) {
	w.t.Helper()
	patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"labels":{"version":%q}}}`, value))
	require.NoError(w.t, w.tenant(tenant).Patch(w.t.Context(), deployment("web", 1), patch))
}

// Scenario 25: one of two replicas works; when it is gone, the other does.
func TestASecondReplicaTakesOverAndNeverWritesBefore(t *testing.T) {
	w := newWorld(t, 1)
	elect := func(o *manager.Options) {
		o.LeaderElection, o.LeaderElectionID, o.LeaderElectionNamespace = true, w.id, "default"
		o.LeaderElectionConfig = servers.clusters[2].Config()
		o.LeaseDuration, o.RenewDeadline, o.RetryPeriod = new(10*time.Second), new(8*time.Second), new(time.Second)
	}
	w.managed = elect
	w.start()
	d := deployment("web", 1)
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	w.decide(0, target("east", 1))
	w.waitCopy("east", 0, d)

	second := w.replica()
	second.managed = elect
	second.start()
	w.relabel(0, "1")
	w.waitCopy("east", 0, d, field("metadata.labels.version", "1"))
	require.Zero(t, second.physical.n.Load(), "%s", &second.physical)
	require.Zero(t, second.upstream.n.Load(), "%s", &second.upstream)

	w.stopLoop() // it does not release its lease, as if it were killed
	w.physical.reset()
	w.upstream.reset()
	w.relabel(0, "2")
	w.waitCopy("east", 0, d, field("metadata.labels.version", "2"))
	require.EqualValues(t, 1, second.physical.n.Load(), "the change alone:\n%s", &second.physical)
	require.Zero(t, w.physical.n.Load(), "%s", &w.physical)
	require.Zero(t, w.upstream.n.Load(), "%s", &w.upstream)
}

// members is who takes part in sharding.
type members struct {
	mu  sync.Mutex
	ids map[string]bool
}

func (m *members) set(id string, in bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ids == nil {
		m.ids = map[string]bool{}
	}
	m.ids[id] = in
}

// member is a peers.Registry.
type member struct {
	*members
	id string
}

func (m member) Self() sharder.PeerInfo { return sharder.PeerInfo{ID: m.id, Weight: 1} }

func (m member) Snapshot() []sharder.PeerInfo {
	m.mu.Lock()
	defer m.mu.Unlock()
	var peers []sharder.PeerInfo
	for id, in := range m.ids {
		if in {
			peers = append(peers, sharder.PeerInfo{ID: id, Weight: 1})
		}
	}
	return peers
}

func (m member) Run(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// shard has a world's next loop take its share of the workspaces.
func (w *world) shard(all *members, id string) {
	all.set(id, true)
	w.shares = shards.New(member{all, id})
	w.coordinated = []mcmanager.Option{mcmanager.WithCoordinator(sharded.New(
		w.cluster("north"), logr.Discard(),
		sharded.WithShardLease("default", w.id), sharded.WithPeerRegistry(member{all, id}), sharded.WithSharder(w.shares),
		sharded.WithSynchronizationIntervals(500*time.Millisecond, 500*time.Millisecond),
		sharded.WithLeaseTimings(20*time.Second, 5*time.Second, 500*time.Millisecond),
	))}
}

// Each replica watches its share of the copies and no more.
func TestReplicasShareWorkspacesAndInheritThem(t *testing.T) {
	const tenants = 6
	w, all := newWorld(t, tenants), &members{}
	second := w.replica()
	w.shard(all, "first")
	second.shard(all, "second")
	w.start()
	second.start()
	d := deployment("web", 1)
	parallel(t, 3, tenants, func(i int) error { return w.tenant(i).Create(t.Context(), d.DeepCopy()) })
	for i := range tenants {
		w.decide(i, target("east", 1))
	}
	for i := range tenants {
		w.waitCopy("east", i, d)
		w.waitOriginal(i, d, condition("Synced", "True", "Synced"))
	}
	for i := range tenants {
		name := "/namespaces/" + w.copyKey(i, d).Namespace + "/"
		one, other := strings.Count(w.physical.String(), name), strings.Count(second.physical.String(), name)
		require.True(t, one == 0 || other == 0, "both wrote for tenant %d", i)
		require.Equal(t, 1, one+other, "one copy is one write")
		copied := w.waitCopy("east", i, d)
		require.Equal(t, one == 1, w.physical.watches(t, "deployments", copied), "tenant %d", i)
		require.Equal(t, other == 1, second.physical.watches(t, "deployments", copied), "tenant %d", i)
	}
	// A copy that ceases to be watched is put right: a watch tells that it left.
	patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"labels":{%q:null}}}`, transform.LabelBucket))
	require.NoError(t, w.cluster("east").Patch(t.Context(), w.waitCopy("east", 0, d), patch))
	w.waitCopy("east", 0, d, func(u *unstructured.Unstructured) error {
		if u.GetLabels()[transform.LabelBucket] == "" {
			return errors.New("no bucket")
		}
		return nil
	})

	within(t, time.Minute, "the loop rests", w.queueEmpty)
	w.physical.reset()
	all.set("second", false)
	second.stopLoop()
	// A write that is under way when a share grows is made twice: its lane is opened
	// anew. So what changes changes after that.
	within(t, time.Minute, "all is watched", func() error {
		for i := range tenants {
			if !w.physical.watches(t, "deployments", w.waitCopy("east", i, d)) {
				return fmt.Errorf("the copy of tenant %d is not", i)
			}
		}
		return nil
	})
	within(t, time.Minute, "the loop rests", w.queueEmpty)
	require.Zero(t, w.physical.n.Load(), "nothing that is inherited is written:\n%s", &w.physical)
	for i := range tenants {
		w.relabel(i, "2")
	}
	for i := range tenants {
		w.waitCopy("east", i, d, field("metadata.labels.version", "2"))
	}
	require.EqualValues(t, tenants, w.physical.n.Load(), "what changed:\n%s", &w.physical)
	require.NoError(t, w.tenant(0).Delete(t.Context(), d.DeepCopy()))
	w.waitNoOriginal(0, d)
}

// Two installations that share clusters see each other's copies as somebody
// else's, even where one was given the other's id by mistake: a workspace that
// a kcp does not know is unknown to it, not gone.
func TestTwoInstallationsOnOneClusterLeaveEachOtherAlone(t *testing.T) {
	mine, theirs := newWorld(t, 1), newWorld(t, 1)
	twin := newWorld(t, 1)
	twin.id = mine.id
	d := deployment("web", 1)
	before := map[*world]types.UID{}
	for _, w := range []*world{mine, theirs, twin} {
		w.start()
		require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
		w.decide(0, target("east", 1))
		before[w] = w.waitCopy("east", 0, d).GetUID()
	}
	twin.stopLoop()
	twin.start() // it lists what is there, and knows none of mine
	require.NoError(t, theirs.tenant(0).Delete(t.Context(), d.DeepCopy()))
	theirs.waitNoOriginal(0, d)
	theirs.waitNoCopy("east", 0, d)
	require.NoError(t, twin.tenant(0).Delete(t.Context(), d.DeepCopy()))
	twin.waitNoOriginal(0, d)
	mine.waitCopy("east", 0, d, func(u *unstructured.Unstructured) error {
		if u.GetUID() != before[mine] {
			return fmt.Errorf("another copy")
		}
		return nil
	})
	mine.relabel(0, "2")
	mine.waitCopy("east", 0, d, field("metadata.labels.version", "2"))
}
