package lean

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var configMap = schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}

const one = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"ns","generation":9007199254740993},"data":{"k":"v"},"half":0.5}`

// What is decoded here is what client-go decodes.
func FuzzDecodeObject(f *testing.F) {
	for _, seed := range []string{one, `{}`, `null`, `[]`, `{"kind":1}`, `{"kind":"A","Kind":"B"}`, `{"kind":"A","kind":"B"}`, `{"kind":"A","n":1e400}`, `{"kind":"A","n":1e3,"m":-0}`, `{"kind":"A","s":"\ud800"}`, one + one, one + " ", `{"kind":"A"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		want, _, wantErr := unstructured.UnstructuredJSONScheme.Decode(data, nil, nil)
		if _, list := want.(*unstructured.UnstructuredList); list {
			t.Skip("a list, which is not asked for here")
		}
		got, err := decodeObject(data)
		if wantErr != nil {
			require.Error(t, err)
			return
		}
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func TestEvents(t *testing.T) {
	event := func(typ, object string) string { return fmt.Sprintf(`{"type":%q,"object":%s}`, typ, object) }
	status := `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old","reason":"Expired","code":410}`
	tests := map[string]struct {
		reason, body string
		types        []watch.EventType
		err          string
	}{
		"in one line":   {"servers end each with a newline, and need not", event("ADDED", one) + event("DELETED", one), []watch.EventType{watch.Added, watch.Deleted}, "EOF"},
		"apart":         {"", event("MODIFIED", one) + "\n\n" + event("BOOKMARK", one) + "\n", []watch.EventType{watch.Modified, watch.Bookmark}, "EOF"},
		"an error":      {"it is told as a Status, which reflectors read", event("ERROR", status), []watch.EventType{watch.Error}, "EOF"},
		"unknown":       {"", event("RENAMED", one), nil, `got invalid watch event type: "RENAMED"`},
		"no kind":       {"", event("ADDED", `{"apiVersion":"v1"}`), nil, "Object 'Kind' is missing"},
		"no object":     {"", `{"type":"ADDED"}`, nil, "Object 'Kind' is missing"},
		"cut":           {"the connection broke within an event", event("ADDED", one)[:40], nil, "unexpected EOF"},
		"no JSON":       {"a proxy that answers instead", "<html>", nil, "invalid character"},
		"no event":      {"", `[1]`, nil, "cannot unmarshal array"},
		"a bad status":  {"", event("ERROR", `{"kind":"Status","apiVersion":"v1","code":"x"}`), nil, "unable to decode watch event"},
		"of a big body": {"an object of a megabyte is one event", event("ADDED", strings.Replace(one, `"v"`, `"`+strings.Repeat("v", 1<<20)+`"`, 1)), []watch.EventType{watch.Added}, "EOF"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			e := decodeEvents(io.NopCloser(strings.NewReader(tc.body)))
			defer e.Close()
			for _, typ := range tc.types {
				got, obj, err := e.Decode()
				require.NoError(t, err, tc.reason)
				require.Equal(t, typ, got)
				if typ == watch.Error {
					require.True(t, apierrors.IsResourceExpired(apierrors.FromObject(obj)))
				} else {
					require.Equal(t, int64(9007199254740993), obj.(*unstructured.Unstructured).GetGeneration())
				}
			}
			_, _, err := e.Decode()
			require.ErrorContains(t, err, tc.err, tc.reason)
		})
	}
}

// server answers every request with what it is told to.
func server(t *testing.T, handle http.HandlerFunc) *rest.Config {
	t.Helper()
	s := httptest.NewServer(handle)
	t.Cleanup(s.Close)
	return &rest.Config{Host: s.URL, QPS: -1}
}

func mapper() meta.RESTMapper {
	m := meta.NewDefaultRESTMapper(nil)
	m.Add(configMap, meta.RESTScopeNamespace)
	return m
}

func clientOf(t *testing.T, cfg *rest.Config) client.Client {
	t.Helper()
	c, err := client.New(cfg, client.Options{Mapper: mapper()})
	require.NoError(t, err)
	return NewClient(c, cfg, http.DefaultClient)
}

func codeOf(err error) int32 {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return 0
	}
	return status.Status().Code
}

func TestApply(t *testing.T) {
	failure := func(code int, reason metav1.StatusReason) string {
		return fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"code":%d,"message":"no"}`, reason, code)
	}
	tests := map[string]struct {
		reason string
		code   int
		body   string
		check  func(error) bool
	}{
		"applied":    {"what the server made of it is told", 200, one, func(err error) bool { return err == nil }},
		"made":       {"", 201, one, func(err error) bool { return err == nil }},
		"a conflict": {"", 409, failure(409, metav1.StatusReasonConflict), apierrors.IsConflict},
		"invalid":    {"", 422, failure(422, metav1.StatusReasonInvalid), apierrors.IsInvalid},
		"no Status":  {"a proxy answers", 502, "<html>", func(err error) bool { return codeOf(err) == 502 }},
		"no JSON": {"", 200, "<html>", func(err error) bool {
			return strings.Contains(fmt.Sprint(err), `decode the answer to an apply of ConfigMap "a"`)
		}},
		"an empty body": {"", 200, "", func(err error) bool { return strings.Contains(fmt.Sprint(err), "decode the answer") }},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var asked *http.Request
			var sent map[string]any
			c := clientOf(t, server(t, func(w http.ResponseWriter, r *http.Request) {
				asked = r
				_ = json.NewDecoder(r.Body).Decode(&sent)
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(tc.code)
				_, _ = io.WriteString(w, tc.body)
			}))
			u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "a", "namespace": "ns"}}}
			err := c.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("me"), client.ForceOwnership, client.DryRunAll)
			require.True(t, tc.check(err), "%s: %v", tc.reason, err)
			require.Equal(t, "/api/v1/namespaces/ns/configmaps/a", asked.URL.Path)
			require.Equal(t, "dryRun=All&fieldManager=me&force=true", asked.URL.RawQuery)
			require.Equal(t, "application/apply-patch+yaml", asked.Header.Get("Content-Type"))
			require.Equal(t, http.MethodPatch, asked.Method)
			require.Equal(t, "ConfigMap", sent["kind"])
			if err == nil {
				require.Equal(t, map[string]any{"k": "v"}, u.Object["data"])
				return
			}
			require.NotContains(t, u.Object, "data", "it is as it was")
		})
	}
}

func TestAKindThatIsNotServedIsNotAsked(t *testing.T) {
	c := clientOf(t, server(t, func(http.ResponseWriter, *http.Request) { t.Error("it was asked") }))
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "example.org/v1", "kind": "Thing", "metadata": map[string]any{"name": "a"}}}
	require.True(t, meta.IsNoMatchError(c.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("me"))))
}

// informerOf makes an informer as a cache would.
func informerOf(t *testing.T, cfg *rest.Config) toolscache.SharedIndexInformer {
	t.Helper()
	selected, err := labels.Parse("mine=yes")
	require.NoError(t, err)
	example := &unstructured.Unstructured{}
	example.SetGroupVersionKind(configMap)
	lists := &toolscache.ListWatch{ListWithContextFunc: func(context.Context, metav1.ListOptions) (runtime.Object, error) {
		return nil, errors.New("servers of today stream lists")
	}}
	return Informers(cfg, http.DefaultClient, mapper(), selected)(lists, example, 0, toolscache.Indexers{})
}

// An informer knows all that a server streams, however often the stream breaks.
func TestAnInformerWatches(t *testing.T) {
	var asked atomic.Int32
	selectors := make(chan string, 100)
	informer := informerOf(t, server(t, func(w http.ResponseWriter, r *http.Request) {
		selectors <- r.URL.Query().Get("labelSelector")
		send := func(typ, name, version, annotations string) {
			_, _ = fmt.Fprintf(w, `{"type":%q,"object":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":%q,"namespace":"ns","resourceVersion":%q,"annotations":{%s}}}}`, typ, name, version, annotations)
			w.(http.Flusher).Flush()
		}
		w.Header().Set("Content-Type", "application/json")
		n := asked.Add(1)
		if n == 1 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		if r.URL.Query().Get("sendInitialEvents") == "true" {
			send("ADDED", "a", "4", "")
			send("BOOKMARK", "", "5", `"k8s.io/initial-events-end":"true"`)
		}
		if n == 2 {
			send("ADDED", "b", "6", "")
			_, _ = io.WriteString(w, `{"type":"DELE`)
			return
		}
		send("ADDED", "c", "7", "")
		<-r.Context().Done()
	}))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); informer.RunWithContext(ctx) }()
	require.Eventually(t, func() bool {
		_, a, _ := informer.GetStore().GetByKey("ns/a")
		_, c, _ := informer.GetStore().GetByKey("ns/c")
		return a && c
	}, 30*time.Second, 10*time.Millisecond)
	cancel()
	<-done
	require.Equal(t, "mine=yes", <-selectors)
}

// A connection that a server ends before it answers is a watch that ended; what the
// server answers instead is an error.
func TestAWatchThatDoesNotBegin(t *testing.T) {
	cfg := server(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("resourceVersion") == "1" {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusGone)
			_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","code":410,"message":"too old"}`)
			return
		}
		panic(http.ErrAbortHandler)
	})
	e := newEndpoints(cfg, http.DefaultClient, mapper())
	_, err := e.watch(t.Context(), configMap, metav1.ListOptions{ResourceVersion: "1"})
	require.True(t, apierrors.IsResourceExpired(err), "%v", err)
	w, err := e.watch(t.Context(), configMap, metav1.ListOptions{ResourceVersion: "2"})
	require.NoError(t, err)
	_, open := <-w.ResultChan()
	require.False(t, open)
	_, err = e.watch(t.Context(), schema.GroupVersionKind{Version: "v1", Kind: "Thing"}, metav1.ListOptions{})
	require.True(t, meta.IsNoMatchError(err), "%v", err)
}

// BenchmarkEvent is one event of a watch, as client-go reads it and as it is read here.
func BenchmarkEvent(b *testing.B) {
	managed := make([]any, 0, 3)
	for i := range 3 {
		managed = append(managed, map[string]any{"manager": fmt.Sprint("m", i), "operation": "Apply", "fieldsV1": map[string]any{"f:spec": map[string]any{"f:template": map[string]any{"f:spec": map[string]any{"f:containers": map[string]any{`k:{"name":"main"}`: map[string]any{".": map[string]any{}, "f:image": map[string]any{}, "f:resources": map[string]any{}}}}}}}})
	}
	object, err := json.Marshal(map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "web", "namespace": "ns", "managedFields": managed},
		"spec": map[string]any{"replicas": 1, "selector": map[string]any{"matchLabels": map[string]any{"app": "web"}}, "template": map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"name": "main", "image": "app:1"}}}}},
	})
	require.NoError(b, err)
	event := fmt.Sprintf(`{"type":"MODIFIED","object":%s}`+"\n", object)
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, event)
		}
	}))
	defer listener.Close()
	cfg := &rest.Config{Host: listener.URL, QPS: -1}
	known, err := dynamic.NewForConfig(cfg)
	require.NoError(b, err)
	e := newEndpoints(cfg, http.DefaultClient, mapper())
	for name, begin := range map[string]func(context.Context) (watch.Interface, error){
		"client-go": func(ctx context.Context) (watch.Interface, error) {
			return known.Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).Watch(ctx, metav1.ListOptions{})
		},
		"lean": func(ctx context.Context) (watch.Interface, error) {
			return e.watch(ctx, configMap, metav1.ListOptions{})
		},
	} {
		b.Run(name, func(b *testing.B) {
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			w, err := begin(ctx)
			require.NoError(b, err)
			defer w.Stop()
			b.ReportAllocs()
			for b.Loop() {
				require.Equal(b, watch.Modified, (<-w.ResultChan()).Type)
			}
		})
	}
}
