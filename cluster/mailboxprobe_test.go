package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/tmc-sdk/tmc/cluster/mailbox"
	"github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

// box is the server of a mailbox, as far as a fleet asks it.
type box struct {
	mu    sync.Mutex
	lease *coordinationv1.Lease
	down  bool
}

// RoundTrip implements http.RoundTripper.
func (b *box) RoundTrip(r *http.Request) (*http.Response, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return nil, errors.New("connection refused")
	}
	answer, status := any(b.lease), http.StatusOK
	if b.lease == nil {
		answer, status = metav1.Status{
			TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Reason: metav1.StatusReasonNotFound,
			Details: &metav1.StatusDetails{Group: "coordination.k8s.io", Kind: "leases", Name: mailbox.Lease}, Code: http.StatusNotFound,
		}, http.StatusNotFound
	}
	data, err := json.Marshal(answer)
	return &http.Response{StatusCode: status, Body: io.NopCloser(bytes.NewReader(data)), Request: r, Header: http.Header{}}, err
}

func (b *box) setDown(down bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = down
}

// renew is what an agent does.
func (b *box) renew(report *mailbox.Report) {
	b.mu.Lock()
	defer b.mu.Unlock()
	data, _ := report.Encode()
	b.lease = &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{mailbox.AnnotationReport: string(data)}},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: new("agent"), LeaseDurationSeconds: new(int32(60)), RenewTime: &metav1.MicroTime{Time: time.Now()},
		},
	}
}

// keep renews for a while, every twenty seconds.
func (b *box) keep(report *mailbox.Report, d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(20 * time.Second) {
		b.mu.Lock()
		down := b.down
		b.mu.Unlock()
		if !down {
			b.renew(report)
		}
	}
}

func (b *box) registration(name string, mods ...func(*Registration)) Registration {
	reg := Registration{Name: name, Pull: true, Config: &rest.Config{Host: "https://" + name, Transport: b}}
	for _, mod := range mods {
		mod(&reg)
	}
	return reg
}

var deploymentKind = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}

func reportOf(uid types.UID) *mailbox.Report {
	return &mailbox.Report{
		Version: mailbox.Version, UID: uid, Kubernetes: "v1.36.3", Ready: true, Nodes: 3,
		Capacity: &mailbox.Capacity{
			Allocatable: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("8")},
			Allocated:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")},
			Used:        corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("700m")},
			UsedAt:      &metav1.Time{Time: time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)},
			FreeSlots:   []corev1.ResourceList{{corev1.ResourceCPU: resource.MustParse("4"), corev1.ResourcePods: resource.MustParse("10")}},
		},
		APIs: []mailbox.API{
			{Group: "apps", Version: "v1", Kind: "Deployment", Resource: "deployments"},
			{Group: "batch", Version: "v1", Kind: "Job", Resource: "jobs"},
		},
		Concerns:   []mailbox.Concern{{Reason: ReasonNodesNotReady, Message: "look at the nodes"}},
		Properties: map[string]string{PropertyZone: "eu-a", "cost": "0"},
	}
}

func TestTheHealthOfAClusterInPullModeIsThatOfItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &box{}
		f := start(t, &world{}, WithSource(Static(b.registration("eu-1"))), WithAPIs(deploymentKind))
		time.Sleep(time.Minute)
		st := lookup(t, f, "eu-1")
		require.False(t, st.Reachable)
		require.Contains(t, st.Message, "no agent has joined: make a bootstrap token")

		b.keep(reportOf("a"), 2*time.Minute)
		st = lookup(t, f, "eu-1")
		require.True(t, st.Ready, "%s: %s", st.Reason, st.Message)
		require.True(t, st.Pull)
		require.Equal(t, types.UID("a"), st.UID)
		require.Equal(t, "v1.36.3", st.Version)
		require.EqualValues(t, 8000, st.Allocatable.MilliCPU)
		require.EqualValues(t, 700, st.Used.MilliCPU)
		require.Equal(t, 10, st.UsedAt.UTC().Hour())
		require.EqualValues(t, 3, st.Nodes)
		require.True(t, st.Fits(Resources{MilliCPU: 4000}))
		require.False(t, st.Fits(Resources{MilliCPU: 5000}))
		require.Len(t, st.APIs.List(), 1, "those that the fleet looks for")
		require.Equal(t, ReasonNodesNotReady, st.Concerns[0].Reason)
		require.Equal(t, "eu-a", st.Properties[PropertyZone].Text)
		require.NotContains(t, st.Properties, "cost", "what a platform declares no agent says")
		conn, err := f.Connection("eu-1")
		require.NoError(t, err)
		require.Equal(t, types.UID("a"), conn.UID)

		time.Sleep(50 * time.Second) // 70 s since the last renewal
		require.True(t, lookup(t, f, "eu-1").Reachable, "hysteresis")
		time.Sleep(40 * time.Second)
		st = lookup(t, f, "eu-1")
		require.False(t, st.Reachable)
		require.Contains(t, st.Message, "the agent has not renewed its Lease since 2000-01-01T00:0")
		require.Equal(t, []string{v1alpha1.TaintUnreachable + ":NoSchedule"}, taintNames(st))
		time.Sleep(time.Minute)
		require.Equal(t, []string{v1alpha1.TaintUnreachable + ":NoSchedule", v1alpha1.TaintUnreachable + ":NoExecute"}, taintNames(lookup(t, f, "eu-1")))

		b.keep(reportOf("a"), time.Minute)
		st = lookup(t, f, "eu-1")
		require.True(t, st.Ready)
		require.Empty(t, st.Taints)
	})
}

func taintNames(st *State) []string {
	var names []string
	for _, taint := range st.Taints {
		names = append(names, taint.Key+":"+string(taint.Effect))
	}
	return names
}

// With a kcp that is down, all mailboxes are: that must move nobody's work.
func TestAMailboxThatIsDownTellsNothingOfTheCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &box{}
		b.renew(reportOf("a"))
		f := start(t, &world{}, WithSource(Static(b.registration("eu-1"))))
		b.keep(reportOf("a"), time.Minute)
		require.True(t, lookup(t, f, "eu-1").Ready)

		b.setDown(true)
		time.Sleep(time.Hour)
		st := lookup(t, f, "eu-1")
		require.True(t, st.Ready)
		require.Equal(t, ReasonMailboxUnread, st.Concerns[0].Reason)

		b.setDown(false)
		time.Sleep(45 * time.Second) // the agent finds its mailbox again
		require.True(t, lookup(t, f, "eu-1").Ready)
		b.keep(reportOf("a"), 10*time.Minute)
		st = lookup(t, f, "eu-1")
		require.True(t, st.Ready)
		require.Empty(t, st.Taints)
		require.NotEqual(t, ReasonMailboxUnread, st.Concerns[0].Reason)
	})
}

func TestAHubThatRestartsKnowsLivingAgentsAtOnceAndDeadOnesAfterTheirLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		living, dead := &box{}, &box{}
		dead.renew(reportOf("b"))
		time.Sleep(time.Hour)
		living.renew(reportOf("a"))
		f := start(t, &world{}, WithSource(Static(living.registration("living"), dead.registration("dead"))))
		time.Sleep(time.Second)
		require.True(t, lookup(t, f, "living").Ready)
		require.Equal(t, ReasonConnecting, lookup(t, f, "dead").Reason)
		time.Sleep(90 * time.Second)
		require.Equal(t, ReasonUnreachable, lookup(t, f, "dead").Reason)
	})
}

// An agent that is in others' hands may say that it is any cluster.
func TestAnAgentThatLiesTakesNobodysPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		liar, other := &box{}, &box{}
		old := func(reg *Registration) { reg.CreatedAt, reg.LastUID = time.Unix(1, 0), "mine" }
		young := func(reg *Registration) { reg.CreatedAt, reg.LastUID = time.Unix(2, 0), "others" }
		w := &world{answers: map[string]probeResult{"push": up("pushed")}}
		f := start(t, w, WithSource(Static(liar.registration("liar", old), other.registration("other", young), at("push"))))
		var agents sync.WaitGroup
		defer agents.Wait()
		agents.Go(func() { other.keep(reportOf("others"), 4*time.Minute) })
		liar.keep(reportOf("mine"), time.Minute)
		for _, name := range []string{"liar", "other", "push"} {
			require.True(t, lookup(t, f, name).Ready, name)
		}
		for _, claim := range []types.UID{"pushed", "others"} {
			liar.keep(reportOf(claim), time.Minute)
			require.Equal(t, ReasonDuplicate, lookup(t, f, "liar").Reason)
			require.True(t, lookup(t, f, "push").Ready)
			require.True(t, lookup(t, f, "other").Ready)
		}
	})
}

func TestWhatAnAgentSaysOfItsClusterCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &box{}
		bad := reportOf("a")
		bad.Ready, bad.Reason, bad.Message = false, ReasonNoReadyNodes, "none of the nodes is ready"
		b.renew(bad)
		f := start(t, &world{}, WithSource(Static(b.registration("eu-1"))))
		b.keep(bad, time.Minute)
		st := lookup(t, f, "eu-1")
		require.True(t, st.Reachable)
		require.Equal(t, ReasonAgentReports, st.Reason)
		require.Contains(t, st.Message, "none of the nodes is ready")

		future := reportOf("a")
		future.Version = "v9"
		b.keep(future, time.Minute)
		require.True(t, lookup(t, f, "eu-1").Reachable, "what was known of it holds")
		b.keep(reportOf("a"), time.Minute)
		require.True(t, lookup(t, f, "eu-1").Ready)
	})
}
