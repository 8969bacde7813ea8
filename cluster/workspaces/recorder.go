package workspaces

import (
	"context"
	"fmt"
	"hash/fnv"
	"net/http"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/tools/record"

	"github.com/kcp-dev/logicalcluster/v3"
	mcrecorder "github.com/kcp-dev/multicluster-provider/pkg/events/recorder"
)

// scribes is how many write events to the workspaces of an endpoint, side by side. Each
// has room for a thousand events that wait, and drops what is more.
const scribes = 8

// annotationAction carries the action of an event to who writes it.
const annotationAction = "tmc-sdk.dev/event-action"

// recorders record events for all workspaces of an endpoint. Those that
// multicluster-provider makes, for each workspace its own, take some eight goroutines
// from the first event on, for as long as the workspace is engaged. Here the number of
// workspaces takes none.
type recorders struct {
	scheme *runtime.Scheme
	by     [scribes]func() record.EventBroadcaster
}

// newRecorders returns recorders that write below an endpoint until ctx ends.
func newRecorders(ctx context.Context, cfg *rest.Config, httpClient *http.Client, scheme *runtime.Scheme) *recorders {
	r := &recorders{scheme: scheme}
	for i := range r.by {
		r.by[i] = sync.OnceValue(func() record.EventBroadcaster {
			b := record.NewBroadcaster(record.WithContext(ctx))
			b.StartRecordingToSink(&sink{ctx, cfg, httpClient})
			context.AfterFunc(ctx, b.Shutdown)
			return b
		})
	}
	return r
}

// of returns what records events of a workspace.
func (r *recorders) of(workspace logicalcluster.Name) mcrecorder.EventRecorderGetter {
	h := fnv.New32a()
	_, _ = h.Write([]byte(workspace))
	return scribe{r.scheme, workspace.String(), r.by[h.Sum32()%scribes]}
}

// scribe records events of one workspace.
type scribe struct {
	scheme      *runtime.Scheme
	workspace   string
	broadcaster func() record.EventBroadcaster
}

// GetEventRecorderFor implements cluster.Cluster.
func (s scribe) GetEventRecorderFor(name string) record.EventRecorder {
	return recorder{s, name}
}

// GetEventRecorder implements cluster.Cluster. Its events are those of the core group,
// too: one claim of the export does for both.
func (s scribe) GetEventRecorder(name string) events.EventRecorder {
	return noter{recorder{s, name}}
}

// recorder records events of one component in one workspace.
type recorder struct {
	scribe
	component string
}

// Event implements record.EventRecorder.
func (r recorder) Event(about runtime.Object, kind, reason, message string) {
	r.AnnotatedEventf(about, nil, kind, reason, "%s", message)
}

// Eventf implements record.EventRecorder.
func (r recorder) Eventf(about runtime.Object, kind, reason, format string, args ...any) {
	r.AnnotatedEventf(about, nil, kind, reason, format, args...)
}

// AnnotatedEventf implements record.EventRecorder. The workspace goes with the event as
// the host that it comes from, which stays with it when events are counted together.
func (r recorder) AnnotatedEventf(about runtime.Object, annotations map[string]string, kind, reason, format string, args ...any) {
	source := corev1.EventSource{Component: r.component, Host: r.workspace}
	r.broadcaster().NewRecorder(r.scheme, source).AnnotatedEventf(about, annotations, kind, reason, format, args...)
}

// noter is a recorder by the newer interface. What else an event relates to is not
// recorded.
type noter struct{ recorder recorder }

// Eventf implements events.EventRecorder.
func (n noter) Eventf(about, _ runtime.Object, kind, reason, action, format string, args ...any) {
	n.recorder.AnnotatedEventf(about, map[string]string{annotationAction: action}, kind, reason, format, args...)
}

// sink writes events to the workspace that each names.
type sink struct {
	ctx  context.Context //nolint:containedctx // its interface knows none
	cfg  *rest.Config
	http *http.Client
}

var _ record.EventSink = (*sink)(nil)

// Create implements record.EventSink.
func (s *sink) Create(event *corev1.Event) (*corev1.Event, error) {
	return s.write(event, corev1client.EventExpansion.CreateWithEventNamespaceWithContext)
}

// Update implements record.EventSink.
func (s *sink) Update(event *corev1.Event) (*corev1.Event, error) {
	return s.write(event, corev1client.EventExpansion.UpdateWithEventNamespaceWithContext)
}

// Patch implements record.EventSink.
func (s *sink) Patch(event *corev1.Event, data []byte) (*corev1.Event, error) {
	return s.write(event, func(c corev1client.EventExpansion, ctx context.Context, event *corev1.Event) (*corev1.Event, error) {
		return c.PatchWithEventNamespaceWithContext(ctx, event, data)
	})
}

// write writes an event without what only leads it here, and returns it with that: by
// it the next of its like is known.
func (s *sink) write(event *corev1.Event, how func(corev1client.EventExpansion, context.Context, *corev1.Event) (*corev1.Event, error)) (*corev1.Event, error) {
	workspace := event.Source.Host
	cfg := rest.CopyConfig(s.cfg)
	cfg.Host += "/clusters/" + workspace
	c, err := corev1client.NewForConfigAndClient(cfg, s.http)
	if err != nil {
		return nil, fmt.Errorf("build client for events: %w", err)
	}
	event = event.DeepCopy()
	event.Source.Host, event.ReportingInstance = "", ""
	event.Action = event.Annotations[annotationAction]
	delete(event.Annotations, annotationAction)
	wrote, err := how(c.Events(""), s.ctx, event)
	if err != nil {
		return nil, err
	}
	wrote.Source.Host = workspace
	return wrote, nil
}
