package mailbox_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tmc-sdk/tmc/cluster/mailbox"
)

func report() *mailbox.Report {
	return &mailbox.Report{
		Version: mailbox.Version, UID: "1c6b", Kubernetes: "v1.36.3", Ready: true, Nodes: 2,
		Capacity: &mailbox.Capacity{
			Allocatable: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("8")},
			Allocated:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1500m")},
			Used:        corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("700m")},
			UsedAt:      &metav1.Time{Time: time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)},
			FreeSlots:   []corev1.ResourceList{{corev1.ResourceCPU: resource.MustParse("3")}},
		},
		APIs:       []mailbox.API{{Group: "apps", Version: "v1", Kind: "Deployment", Resource: "deployments"}},
		Concerns:   []mailbox.Concern{{Reason: "NodesNotReady", Message: "look at the nodes"}},
		Properties: map[string]string{"kubernetes.io/arch": "amd64"},
	}
}

func ExampleParse() {
	r, err := mailbox.Parse([]byte(`{"version":"v1","uid":"1c6b","kubernetes":"v1.36.3","ready":true,"nodes":2}`))
	if err != nil {
		panic(err)
	}
	data, err := r.Encode()
	if err != nil {
		panic(err)
	}
	fmt.Println(string(data))
	// Output: {"version":"v1","uid":"1c6b","kubernetes":"v1.36.3","ready":true,"nodes":2,"apis":null}
}

func TestAReportArrivesAsItWasSent(t *testing.T) {
	data, err := report().Encode()
	require.NoError(t, err)
	got, err := mailbox.Parse(data)
	require.NoError(t, err)
	again, err := got.Encode()
	require.NoError(t, err)
	require.Equal(t, string(data), string(again))
}

func TestOnlyAmountsDiffer(t *testing.T) {
	a, b := report(), report()
	b.Capacity.Allocated[corev1.ResourceCPU] = resource.MustParse("3")
	require.True(t, a.SameButAmounts(b))
	b.Nodes++
	require.False(t, a.SameButAmounts(b))
	b = report()
	b.Capacity = nil
	require.False(t, a.SameButAmounts(b))
}

func TestReportsOutOfBoundsAreRefused(t *testing.T) {
	cases := map[string]struct{ reason, data, field string }{
		"NotJSON":  {"somebody else's text", `{"version":`, "EOF"},
		"Future":   {"an agent of another age", `{"version":"v9","uid":"a"}`, "version"},
		"NoUID":    {"without an identity nothing is known", `{"version":"v1"}`, "uid"},
		"Negative": {"a cluster has no fewer than no nodes", `{"version":"v1","uid":"a","nodes":-1}`, "nodes"},
		"Debt":     {"negative amounts would make room elsewhere", `{"version":"v1","uid":"a","capacity":{"allocatable":{"cpu":"-5"}}}`, "capacity"},
		"Boast":    {"amounts must not overflow the fleet's sums", `{"version":"v1","uid":"a","capacity":{"allocatable":{"cpu":"9e18"}}}`, "capacity"},
		"APIs":     {"an API without a kind", `{"version":"v1","uid":"a","apis":[{"version":"v1","resource":"pods"}]}`, "apis[0]"},
		"Long":     {"a report has a bound", `{"version":"v1","uid":"` + strings.Repeat("a", mailbox.MaxBytes) + `"}`, "bytes"},
		"Property": {"a property is no novel", `{"version":"v1","uid":"a","properties":{"a":"` + strings.Repeat("a", 2000) + `"}}`, "properties[a]"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := mailbox.Parse([]byte(tc.data))
			require.ErrorContains(t, err, tc.field, tc.reason)
		})
	}
}

func FuzzParse(f *testing.F) {
	data, err := report().Encode()
	require.NoError(f, err)
	f.Add(data)
	f.Add([]byte(`{"version":"v1","uid":"a","message":"\xff","capacity":{"freeSlots":[{"cpu":"1"}]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := mailbox.Parse(data)
		if err != nil {
			return
		}
		if r.UID == "" || r.Nodes < 0 || len(r.Message) > 1024 {
			t.Fatalf("out of bounds: %+v", r)
		}
		if c := r.Capacity; c != nil && c.Allocatable.Cpu().MilliValue() < 0 {
			t.Fatalf("overflow: %+v", c.Allocatable)
		}
	})
}
