package syncer

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tmc-sdk/tmc/sync/internal/apisim"
)

func TestAddedByOthers(t *testing.T) {
	entry := func(manager, subresource, fields string) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{Manager: manager, Subresource: subresource, FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields)}
	}
	for name, tc := range map[string]struct {
		reason string
		entry  metav1.ManagedFieldsEntry
		want   bool
	}{
		"a field":           {"the source has none", entry("kubectl", "", `{"f:data":{"f:mine":{}}}`), true},
		"a label":           {"of what is shown, labels are the source's", entry("kubectl", "", `{"f:metadata":{"f:labels":{"f:mine":{}}}}`), true},
		"by us":             {"what a schema defaults is ours, too", entry("tmc", "", `{"f:data":{"f:mine":{}}}`), false},
		"a wanted field":    {"it is as it should be, or told of by its value", entry("kubectl", "", `{"f:data":{"f:ours":{}}}`), false},
		"a field that left": {"it is not there", entry("kubectl", "", `{"f:data":{"f:left":{}}}`), false},
		"of kcp":            {"kcp annotates what it serves", entry("kcp", "", `{"f:metadata":{"f:annotations":{"f:internal.kcp.io/x":{}}}}`), false},
		"a finalizer":       {"who waits for it is the tenant's business", entry("kubectl", "", `{"f:metadata":{"f:finalizers":{"v:\"a\"":{}}}}`), false},
		"the status":        {"it is written by itself", entry("kubectl", "status", `{"f:data":{"f:mine":{}}}`), false},
		"unreadable":        {"a server newer than we know tells nothing", entry("kubectl", "", `{"x":1}`), false},
	} {
		t.Run(name, func(t *testing.T) {
			want := &unstructured.Unstructured{Object: map[string]any{"data": map[string]any{"ours": "1"}}}
			shown := &unstructured.Unstructured{Object: map[string]any{"data": map[string]any{"ours": "1", "mine": "2"}}}
			shown.SetLabels(map[string]string{"mine": "x"})
			shown.SetAnnotations(map[string]string{"internal.kcp.io/x": "y"})
			shown.SetFinalizers([]string{"a"})
			shown.SetManagedFields([]metav1.ManagedFieldsEntry{tc.entry})
			require.Equal(t, tc.want, addedByOthers(want, shown, "tmc"), tc.reason)
		})
	}
}

// An Event that comes before its Pod waits a little and is written once; where the Pod
// comes much later it is written again, and where it never does, without a UID. What is
// remembered of that ends.
func TestAnEventBearsTheUIDOfThePodThatIsShown(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		late   time.Duration // the Pod can't be shown for so long
		writes int           // of the Event
	}{
		"at once":    {"both are seen at the same time", 0, 1},
		"soon":       {"within the patience of an Event", time.Second, 1},
		"much later": {"the Event is shown all the same, and put right", time.Minute, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			d := s.deploy("east")
			namespace, lane := s.copyOf("east", d).GetNamespace(), s.process.loop.lane("east")
			writes, until := 0, s.scheduler.now.Add(tc.late)
			s.sabotage.before = func(_ *process, server *simServer, r *apisim.Request) (*apisim.Response, error, bool) {
				if server != s.tenant || !r.Writes() {
					return nil, nil, false
				}
				if r.Kind == simPod && s.scheduler.now.Before(until) {
					return nil, errUnknown, true
				}
				if r.Kind == simEvent {
					writes++
				}
				return nil, nil, false
			}
			pod := simObject(simPod, namespace, "web-0")
			s.own(pod, s.copyOf("east", d))
			_, err := s.do(s.cluster("east"), "controller", &apisim.Request{Verb: apisim.Create, Object: pod})
			require.NoError(t, err)
			pod = s.cluster("east").Peek(simPod, namespace, "web-0")
			event := simObject(simEvent, namespace, "web-0.1")
			event.Object["involvedObject"] = map[string]any{"apiVersion": "v1", "kind": "Pod", "name": "web-0", "namespace": namespace, "uid": string(pod.GetUID())}
			_, err = s.do(s.cluster("east"), "kubelet", &apisim.Request{Verb: apisim.Create, Object: event})
			require.NoError(t, err)
			if tc.late > eventPatience {
				s.pass(tc.late / 2)
				require.Nil(t, at(s.tenant.Peek(simEvent, "default", "web-0.1.east").Object, "involvedObject")["uid"], tc.reason)
			}
			s.pass(5 * time.Minute)
			shown := s.tenant.Peek(simPod, "default", "web-0")
			require.NotNil(t, shown)
			require.Equal(t, string(shown.GetUID()), at(s.tenant.Peek(simEvent, "default", "web-0.1.east").Object, "involvedObject")["uid"])
			require.Equal(t, tc.writes, writes, tc.reason)
			require.Empty(t, lane.awaiting)
			s.process.die()
			s.process = s.start()
			s.pass(20 * time.Minute)
			require.Equal(t, tc.writes, writes, "a restart writes nothing")
		})
	}
}
