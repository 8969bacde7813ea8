package cluster

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func texts(properties map[string]Property) map[string]string {
	all := map[string]string{}
	for k, p := range properties {
		all[k] = p.Text
	}
	return all
}

func TestWhatIsCollected(t *testing.T) {
	eu1a := nodeKind{region: "eu-1", zone: "eu-1a", provider: "aws", arch: "amd64", os: "linux", kubelet: "v1.36.3"}
	eu1b := eu1a
	eu1b.zone, eu1b.kubelet = "eu-1b", "v1.34.9"
	strange := nodeKind{kubelet: "mine"}
	cases := map[string]struct {
		reason string
		given  collected
		want   map[string]string
	}{
		"nothing read": {"nothing is known", collected{}, map[string]string{}},
		"version only": {"the nodes may not be listed", collected{version: "v1.36.3"}, map[string]string{PropertyVersion: "v1.36.3"}},
		"no nodes":     {"there is nobody to agree", collected{version: "v1.36.3", read: true}, map[string]string{PropertyVersion: "v1.36.3"}},
		"one kind": {"all nodes agree", collected{read: true, kinds: []nodeKind{eu1a}}, map[string]string{
			PropertyRegion: "eu-1", PropertyZone: "eu-1a", PropertyProvider: "aws", PropertyArchitecture: "amd64", PropertyOS: "linux", PropertyOldestKubelet: "v1.36.3",
		}},
		"two zones": {"a cluster that spans zones is in none; the oldest kubelet counts", collected{read: true, kinds: []nodeKind{eu1a, eu1b}}, map[string]string{
			PropertyRegion: "eu-1", PropertyProvider: "aws", PropertyArchitecture: "amd64", PropertyOS: "linux", PropertyOldestKubelet: "v1.34.9",
		}},
		"strange": {"a version that is none is left out", collected{read: true, kinds: []nodeKind{strange}}, map[string]string{}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, texts(tc.given.properties(nil, time.Unix(1, 0)))); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestAPropertyHasAnAge(t *testing.T) {
	c := collected{version: "v1.36.3", read: true, kinds: []nodeKind{{region: "eu"}}}
	first := c.properties(nil, time.Unix(1, 0))
	c.kinds = []nodeKind{{region: "us"}}
	second := c.properties(first, time.Unix(2, 0))
	require.Equal(t, time.Unix(1, 0), second[PropertyVersion].ObservedAt, "it is what it was")
	require.Equal(t, time.Unix(2, 0), second[PropertyRegion].ObservedAt, "it changed")
}

func TestDeclaredPropertiesCount(t *testing.T) {
	m := &member{name: "a", usage: newUsage(), offers: map[int]Registration{0: {Name: "a", Properties: map[string]string{"cost": "0.35", PropertyRegion: "mine"}}}}
	_, _ = m.choose()
	m.facts.version = "v1.36.3"
	n := node("n", 1000)
	n.kind = nodeKind{region: "theirs", zone: "z"}
	m.usage.replaceNodes([]*nodeItem{n})
	st := m.assemble(time.Unix(1, 0), time.Minute)
	require.Equal(t, map[string]string{"cost": "0.35", PropertyRegion: "mine", PropertyZone: "z", PropertyVersion: "v1.36.3"}, texts(st.Properties))
	require.True(t, st.Properties["cost"].ObservedAt.IsZero(), "what was declared has no age")
	zone, ok := st.Topology(PropertyZone)
	require.True(t, ok, "collected properties are topology keys")
	require.Equal(t, "z", zone)

	again := m.assemble(time.Unix(2, 0), time.Minute)
	require.True(t, sameState(st, again), "nothing changed")
	m.offers[0] = Registration{Name: "a"}
	_, _ = m.choose()
	require.Equal(t, map[string]string{PropertyRegion: "theirs", PropertyZone: "z", PropertyVersion: "v1.36.3"}, texts(m.assemble(time.Unix(3, 0), time.Minute).Properties))
}

func TestKindOfANode(t *testing.T) {
	n := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{corev1.LabelTopologyRegion: "eu", corev1.LabelTopologyZone: "eu-a"}},
		Spec:       corev1.NodeSpec{ProviderID: "aws:///eu-a/i-1"},
		Status:     corev1.NodeStatus{NodeInfo: corev1.NodeSystemInfo{Architecture: "arm64", OperatingSystem: "linux", KubeletVersion: "v1.36.3"}},
	}
	require.Equal(t, nodeKind{"eu", "eu-a", "aws", "arm64", "linux", "v1.36.3"}, stripNode(n).kind)
	require.Equal(t, nodeKind{}, stripNode(&corev1.Node{}).kind)
}

func TestConcerns(t *testing.T) {
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	cases := map[string]struct {
		reason string
		given  func(*member, *capacity)
		want   []string
	}{
		"none":             {"all is well", func(_ *member, c *capacity) { c.existing, c.ready = 3, 3 }, nil},
		"nodes down":       {"one of three", func(_ *member, c *capacity) { c.existing, c.ready = 3, 2 }, []string{ReasonNodesNotReady}},
		"all down":         {"that is not a concern, the cluster is not ready", func(_ *member, c *capacity) { c.existing = 3 }, nil},
		"certificate":      {"it expires in a week", func(m *member, _ *capacity) { m.certificateExpiry = now.AddDate(0, 0, 7) }, []string{ReasonCertificateExpiring}},
		"certificate fine": {"it expires in a month", func(m *member, _ *capacity) { m.certificateExpiry = now.AddDate(0, 1, 0) }, nil},
		"client certificate": {"it expired", func(m *member, _ *capacity) {
			m.session = &session{link: &link{certificateExpiry: now.Add(-time.Hour)}}
		}, []string{ReasonCredentialsExpiring}},
		"old kubelet":     {"four versions", func(_ *member, c *capacity) { c.kinds = []nodeKind{{kubelet: "v1.32.1"}} }, []string{ReasonVersionSkew}},
		"older kubelet":   {"three versions are supported", func(_ *member, c *capacity) { c.kinds = []nodeKind{{kubelet: "v1.33.1"}} }, nil},
		"new kubelet":     {"newer than the API server", func(_ *member, c *capacity) { c.kinds = []nodeKind{{kubelet: "v1.37.0"}} }, []string{ReasonVersionSkew}},
		"strange kubelet": {"it can't be told", func(_ *member, c *capacity) { c.kinds = []nodeKind{{kubelet: "mine"}} }, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			m, c := &member{facts: findings{version: "v1.36.3"}}, &capacity{nodesRead: true}
			tc.given(m, c)
			var got []string
			for _, concern := range m.concerns(c, now) {
				got = append(got, concern.Reason)
				require.NotEmpty(t, concern.Message)
			}
			require.Equal(t, tc.want, got, tc.reason)
		})
	}
}
