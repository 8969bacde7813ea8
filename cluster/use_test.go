package cluster

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/client-go/rest"
)

func TestReadUse(t *testing.T) {
	node := `{"metadata":{"name":"n1"},"timestamp":"2026-11-28T10:00:00Z","window":"20s","usage":{"cpu":"1500m","memory":"2Gi"}}`
	cases := map[string]struct {
		reason string
		status int
		body   string
		want   int
		err    string
	}{
		"measured":    {"metrics-server tells of each node", 200, `{"kind":"NodeMetricsList","items":[` + node + `]}`, 1, ""},
		"not there":   {"most clusters have none at first", 404, "404 page not found", 0, errNoUse.Error()},
		"not allowed": {"whoever may not ask does without", 403, "", 0, errNoUse.Error()},
		"starting":    {"it is registered and does not answer yet", 503, "service unavailable", 0, "GET " + usePath + ": 503 Service Unavailable"},
		"nonsense":    {"what is no list says nothing", 200, `[]`, 0, "decode answer of metrics-server: json: cannot unmarshal array into Go value of type struct { Items []cluster.nodeInUse \"json:\\\"items\\\"\" }"},
		"bad amount":  {"an amount that is none", 200, strings.Replace(`{"items":[`+node+`]}`, "1500m", "much", 1), 0, "decode answer of metrics-server: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"},
		"too large":   {"an answer without end is not read to its end", 200, strings.Repeat(" ", maxUseBytes+1), 0, "GET " + usePath + ": the answer is larger than 8388608 bytes"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				require.Equal(t, usePath, r.URL.Path)
				w.WriteHeader(tc.status)
				_, _ = w.Write([]byte(tc.body))
			}))
			defer server.Close()
			l, err := newLink(&rest.Config{Host: server.URL})
			require.NoError(t, err)
			defer l.hangUp()
			items, err := readUse(t.Context(), l)
			if tc.err != "" {
				require.EqualError(t, err, tc.err, tc.reason)
			} else {
				require.NoError(t, err, tc.reason)
			}
			require.Len(t, items, tc.want)
		})
	}
}

// What is summed compares with what is offered: nodes that do not count, or that
// are unknown, are left out.
func TestUseIsOfTheNodesThatCount(t *testing.T) {
	early, late := time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC), time.Date(2026, 11, 28, 10, 0, 20, 0, time.UTC)
	synctest.Test(t, func(t *testing.T) {
		w := &world{answers: map[string]probeResult{"a": up("u")}}
		f := start(t, w, WithSource(Static(at("a"))))
		require.True(t, f.WaitForSync(t.Context()))
		require.Zero(t, lookup(t, f, "a").UsedAt)

		f.mu.Lock()
		m := f.members["a"]
		reads := &readings{fleet: f, member: m, session: m.session, usage: m.usage}
		f.mu.Unlock()
		cordoned := node("n3", 4000)
		cordoned.unschedulable = true
		reads.usage.replaceNodes([]*nodeItem{node("n1", 4000), node("n2", 4000), cordoned})
		reads.used([]nodeInUse{use("n1", "1500m", late), use("n2", "250m", early), use("n3", "3", early.Add(-time.Hour)), use("gone", "4", early)})
		time.Sleep(time.Minute)
		st := lookup(t, f, "a")
		require.Equal(t, int64(1750), st.Used.MilliCPU)
		require.Equal(t, int64(2<<30), st.Used.Memory)
		require.Equal(t, early, st.UsedAt)

		reads.used(nil)
		time.Sleep(time.Minute)
		require.Zero(t, lookup(t, f, "a").UsedAt, "metrics-server was removed")
	})
}

func use(node, cpu string, at time.Time) nodeInUse {
	n := nodeInUse{Usage: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse("1Gi")}}
	n.Metadata.Name, n.Timestamp.Time = node, at
	return n
}
