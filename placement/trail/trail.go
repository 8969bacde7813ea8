package trail

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"io"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"k8s.io/apimachinery/pkg/types"
)

// Names of spans: the steps of the one path.
const (
	// Place is that a decision was made and recorded, or read.
	Place = "Place"
	// Transform is that a copy was rendered.
	Transform = "Transform"
	// Apply is that a copy was written, or refused.
	Apply = "Apply"
	// Observe is that the copies were looked at.
	Observe = "Observe"
	// Report is that the owner was told: the status of the original was written.
	Report = "Report"
	// Retire is that a copy was deleted, on proof, or could not be.
	Retire = "Retire"
)

// Keys of attributes. No attribute holds content of an object, or a message of a
// server, which may quote content.
const (
	// Workspace is the name of the logical cluster.
	Workspace = attribute.Key("tmc.workspace")
	// Kind, Namespace, Name, UID and Generation are of the original, or of the
	// Placement.
	Kind       = attribute.Key("tmc.kind")
	Namespace  = attribute.Key("tmc.namespace")
	Name       = attribute.Key("tmc.name")
	UID        = attribute.Key("tmc.uid")
	Generation = attribute.Key("tmc.generation")
	// Placement is the name of the Placement that decided.
	Placement = attribute.Key("tmc.placement")
	// Targets are the clusters that a decision names.
	Targets = attribute.Key("tmc.targets")
	// Cluster is the physical cluster.
	Cluster = attribute.Key("tmc.cluster")
	// CopyNamespace, CopyName and CopyUID are of the copy.
	CopyNamespace = attribute.Key("tmc.copy.namespace")
	CopyName      = attribute.Key("tmc.copy.name")
	CopyUID       = attribute.Key("tmc.copy.uid")
	// Action is what was done to a copy, and Cause why.
	Action = attribute.Key("tmc.action")
	Cause  = attribute.Key("tmc.cause")
	// Reason is the CamelCase reason of a refusal.
	Reason = attribute.Key("tmc.reason")
)

// Of returns the trace of a version of an object. Its span stands for the version
// itself and is never exported. Objects without a generation, as ConfigMaps, have
// one trace for all their life.
func Of(uid types.UID, generation int64) trace.SpanContext {
	h := sha256.New()
	_, _ = io.WriteString(h, "tmc-sdk.dev/trail\x00")
	_, _ = io.WriteString(h, string(uid))
	_ = binary.Write(h, binary.BigEndian, generation)
	sum := h.Sum(nil)
	var id trace.TraceID
	var span trace.SpanID
	copy(id[:], sum)
	copy(span[:], sum[len(id):])
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: span, TraceFlags: trace.FlagsSampled, Remote: true})
}

// Context returns a context in which spans belong to a version of an object.
func Context(ctx context.Context, uid types.UID, generation int64) context.Context {
	return trace.ContextWithRemoteSpanContext(ctx, Of(uid, generation))
}

// LinkTo is a link to the trace of a version of an object.
func LinkTo(uid types.UID, generation int64) trace.Link {
	return trace.Link{SpanContext: Of(uid, generation), Attributes: []attribute.KeyValue{UID.String(string(uid)), Generation.Int64(generation)}}
}
