package syncer

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tmc-sdk/tmc/sync/internal/apisim"
)

// What a cluster holds, and what of it belongs to a copy of workspace a, namespace
// default. The copies are StatefulSet db and Service db, of UIDs set and service.
const clusterOfBelongings = `
{kind: StatefulSet, apiVersion: apps/v1, metadata: {name: db, labels: {tmc-sdk.dev/installation: me, tmc-sdk.dev/logical-cluster: a}, annotations: {tmc-sdk.dev/marks: v1, tmc-sdk.dev/original-name: orders, tmc-sdk.dev/original-namespace: default, tmc-sdk.dev/original-uid: original}},
  spec: {selector: {matchLabels: {app: db}}, volumeClaimTemplates: [{metadata: {name: data}}]}}
---
{kind: Service, apiVersion: v1, metadata: {name: db, labels: {tmc-sdk.dev/installation: me, tmc-sdk.dev/logical-cluster: a}, annotations: {tmc-sdk.dev/marks: v1, tmc-sdk.dev/original-name: db, tmc-sdk.dev/original-namespace: default}}}
---
{kind: Service, apiVersion: v1, metadata: {name: neighbour}}
---
{kind: Service, apiVersion: v1, metadata: {name: others, labels: {tmc-sdk.dev/installation: me, tmc-sdk.dev/logical-cluster: b}, annotations: {tmc-sdk.dev/marks: v1, tmc-sdk.dev/original-name: db, tmc-sdk.dev/original-namespace: default}}}
`

func TestWhatBelongsToACopy(t *testing.T) {
	const of = `, uid: %s, controller: true}]`
	tests := map[string]struct {
		reason, object string
		want           bool
		about          string
	}{
		"a pod":                        {"by its controller", `{kind: Pod, apiVersion: v1, metadata: {name: db-0, ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: db` + fmt.Sprintf(of, "SET") + `}}`, true, ""},
		"a pod of an earlier one":      {"names are used again, UIDs are not", `{kind: Pod, apiVersion: v1, metadata: {name: db-0, ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: db` + fmt.Sprintf(of, "earlier") + `}}`, false, ""},
		"a pod without UID of owner":   {"anybody can write a name", `{kind: Pod, apiVersion: v1, metadata: {name: db-0, ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: db, controller: true}]}}`, false, ""},
		"a pod that is only owned":     {"who does not control it did not make it", `{kind: Pod, apiVersion: v1, metadata: {name: db-0, ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: db, uid: SET}]}}`, false, ""},
		"a pod of a kind not served":   {"its owner is nowhere", `{kind: Pod, apiVersion: v1, metadata: {name: db-0, ownerReferences: [{apiVersion: x/v1, kind: Nothing, name: db` + fmt.Sprintf(of, "SET") + `}}`, false, ""},
		"a pod that owns itself":       {"no chain is followed for ever", `{kind: Pod, apiVersion: v1, metadata: {name: loop, ownerReferences: [{apiVersion: v1, kind: Pod, name: loop` + fmt.Sprintf(of, "SELF") + `}}`, false, ""},
		"a slice":                      {"", `{kind: EndpointSlice, apiVersion: discovery.k8s.io/v1, metadata: {name: db-x, labels: {kubernetes.io/service-name: db}, ownerReferences: [{apiVersion: v1, kind: Service, name: db` + fmt.Sprintf(of, "SERVICE") + `}}`, true, ""},
		"a slice for another service":  {"its label says so", `{kind: EndpointSlice, apiVersion: discovery.k8s.io/v1, metadata: {name: db-x, labels: {kubernetes.io/service-name: neighbour}, ownerReferences: [{apiVersion: v1, kind: Service, name: db` + fmt.Sprintf(of, "SERVICE") + `}}`, false, ""},
		"endpoints":                    {"", `{kind: Endpoints, apiVersion: v1, metadata: {name: db}}`, true, ""},
		"endpoints of a neighbour":     {"its service is no copy", `{kind: Endpoints, apiVersion: v1, metadata: {name: neighbour}}`, false, ""},
		"endpoints of another tenant":  {"marks of another workspace, in this one's namespace", `{kind: Endpoints, apiVersion: v1, metadata: {name: others}}`, false, ""},
		"a claim by template":          {"", `{kind: PersistentVolumeClaim, apiVersion: v1, metadata: {name: data-db-0, labels: {app: db}}}`, true, ""},
		"a claim of another template":  {"", `{kind: PersistentVolumeClaim, apiVersion: v1, metadata: {name: logs-db-0, labels: {app: db}}}`, false, ""},
		"a claim without the labels":   {"what is named so by chance", `{kind: PersistentVolumeClaim, apiVersion: v1, metadata: {name: data-db-0}}`, false, ""},
		"a claim of no ordinal":        {"", `{kind: PersistentVolumeClaim, apiVersion: v1, metadata: {name: data-db-x, labels: {app: db}}}`, false, ""},
		"a claim that a pod mounts":    {"the pod belongs to a copy", `{kind: PersistentVolumeClaim, apiVersion: v1, metadata: {name: mounted}}`, true, ""},
		"an event of a copy":           {"told under the original's name", `{kind: Event, apiVersion: v1, metadata: {name: e}, involvedObject: {apiVersion: apps/v1, kind: StatefulSet, name: db, namespace: ns, uid: SET}}`, true, "orders"},
		"an event of a pod":            {"", `{kind: Event, apiVersion: v1, metadata: {name: e}, involvedObject: {apiVersion: v1, kind: Pod, name: mounting, namespace: ns, uid: POD}}`, true, "mounting.east"},
		"a newer event":                {"", `{kind: Event, apiVersion: events.k8s.io/v1, metadata: {name: e}, regarding: {apiVersion: apps/v1, kind: StatefulSet, name: db, namespace: ns, uid: SET}}`, true, "orders"},
		"an event of another place":    {"it regards what it can't", `{kind: Event, apiVersion: v1, metadata: {name: e}, involvedObject: {apiVersion: apps/v1, kind: StatefulSet, name: db, namespace: elsewhere, uid: SET}}`, false, ""},
		"an event of nothing":          {"", `{kind: Event, apiVersion: v1, metadata: {name: e}}`, false, ""},
		"an event of an event":         {"no chain is followed for ever", `{kind: Event, apiVersion: v1, metadata: {name: e}, involvedObject: {apiVersion: v1, kind: Event, name: e, namespace: ns, uid: x}}`, false, ""},
		"an event of what is not ours": {"", `{kind: Event, apiVersion: v1, metadata: {name: e}, involvedObject: {apiVersion: v1, kind: Service, name: neighbour, namespace: ns, uid: NEIGHBOUR}}`, false, ""},
	}
	kind := func(group, version, kind, plural string) apisim.Kind {
		return apisim.Kind{GroupVersionKind: schema.GroupVersionKind{Group: group, Version: version, Kind: kind}, Plural: plural, Namespaced: true}
	}
	n := 0
	server := apisim.New(func() time.Time { return time.Unix(0, 0) }, func() types.UID { n++; return types.UID(fmt.Sprintf("u%d", n)) },
		kind("", "v1", "Pod", "pods"), kind("", "v1", "Service", "services"), kind("apps", "v1", "StatefulSet", "statefulsets"),
		apisim.Kind{GroupVersionKind: namespaceKind, Plural: "namespaces"})
	client := apisim.NewClient(server, "test", nil)
	put := func(obj *unstructured.Unstructured) string {
		if obj.GetKind() != "Namespace" {
			obj.SetNamespace("ns")
		}
		require.NoError(t, client.Create(t.Context(), obj))
		return string(obj.GetUID())
	}
	put(simObject(namespaceKind, "", "ns"))
	uids := map[string]string{}
	for i, doc := range documents(t, clusterOfBelongings) {
		uids[[]string{"SET", "SERVICE", "NEIGHBOUR", "OTHERS"}[i]] = put(doc)
	}
	self := parse(t, `{kind: Pod, apiVersion: v1, metadata: {name: loop}}`)
	uids["SELF"] = put(self)
	fill := func(text string) string {
		for name, uid := range uids {
			text = regexp.MustCompile(`\b`+name+`\b`).ReplaceAllString(text, uid)
		}
		return text
	}
	self.SetOwnerReferences(parse(t, fill(tests["a pod that owns itself"].object)).GetOwnerReferences())
	require.NoError(t, client.Update(t.Context(), self))
	uids["POD"] = put(parse(t, fill(`{kind: Pod, apiVersion: v1, metadata: {name: mounting, ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: db, uid: SET, controller: true}]}, spec: {volumes: [{persistentVolumeClaim: {claimName: mounted}}]}}`)))

	o := &options{}
	UpsyncOf(simPod, UpsyncClusterInName(true))(o)
	l := &lane{name: "east", loop: &Loop{installation: "me", opts: *o}, wires: wires{live: client}}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			obj := parse(t, fill(tc.object))
			obj.SetNamespace("ns")
			got, about, err := l.belongs(t.Context(), Key{Workspace: "a", Namespace: "default"}, obj)
			require.NoError(t, err)
			require.Equal(t, tc.want, got, tc.reason)
			if about != nil {
				require.Equal(t, tc.about, about.name)
			}
			got, _, err = l.belongs(t.Context(), Key{Workspace: "b", Namespace: "default"}, obj)
			require.NoError(t, err)
			require.Equal(t, name == "endpoints of another tenant", got, "another workspace's")
		})
	}
}

// What inherits some of the marks of a copy is none.
func TestOnlyWhatHasLabelsAndAnnotationsIsACopy(t *testing.T) {
	tests := map[string]struct {
		reason, object string
		want           bool
	}{
		"a copy":         {"", `{metadata: {labels: {tmc-sdk.dev/installation: me}, annotations: {tmc-sdk.dev/marks: v1}}}`, true},
		"of the next":    {"a version of the marks that is not known", `{metadata: {labels: {tmc-sdk.dev/installation: me}, annotations: {tmc-sdk.dev/marks: v9}}}`, true},
		"of others":      {"", `{metadata: {labels: {tmc-sdk.dev/installation: other}, annotations: {tmc-sdk.dev/marks: v1}}}`, true},
		"the platform's": {"", `{metadata: {labels: {tmc-sdk.dev/installation: me}, annotations: {tmc-sdk.dev/namespace-object: "true"}}}`, true},
		"a slice":        {"labels come from its Service", `{metadata: {labels: {tmc-sdk.dev/installation: me}}}`, false},
		"a ReplicaSet":   {"annotations come from its Deployment", `{metadata: {annotations: {tmc-sdk.dev/marks: v1}}}`, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, isOurOwn(parse(t, tc.object)), tc.reason) })
	}
}

// documents parses YAML documents.
func documents(t *testing.T, text string) (all []*unstructured.Unstructured) {
	t.Helper()
	for doc := range strings.SplitSeq(text, "\n---\n") {
		all = append(all, parse(t, doc))
	}
	return all
}
