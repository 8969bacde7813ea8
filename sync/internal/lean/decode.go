package lean

import (
	"fmt"
	"io"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	kjson "sigs.k8s.io/json"
)

// object makes an object of what was read. As unstructured.UnstructuredJSONScheme
// does, it refuses what has no kind.
func object(content map[string]any) (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{Object: content}
	if u.GetKind() == "" {
		return nil, runtime.NewMissingKindErr(fmt.Sprintf("%.200v", content))
	}
	return u, nil
}

// decodeObject reads an object from JSON; numbers without a fraction are int64.
func decodeObject(data []byte) (*unstructured.Unstructured, error) {
	var content map[string]any
	if err := kjson.UnmarshalCaseSensitivePreserveInts(data, &content); err != nil {
		return nil, err
	}
	return object(content)
}

// events reads the events of a watch. It implements watch.Decoder.
type events struct {
	body    io.Closer
	decoder kjson.Decoder
}

func decodeEvents(body io.ReadCloser) *events {
	return &events{body, kjson.NewDecoderCaseSensitivePreserveInts(body)}
}

// Decode implements watch.Decoder.
func (e *events) Decode() (watch.EventType, runtime.Object, error) {
	var event struct {
		Type   watch.EventType `json:"type"`
		Object map[string]any  `json:"object"`
	}
	if err := e.decoder.Decode(&event); err != nil {
		return "", nil, err
	}
	switch event.Type {
	case watch.Added, watch.Modified, watch.Deleted, watch.Bookmark, watch.Error:
	default:
		return "", nil, fmt.Errorf("got invalid watch event type: %.100q", event.Type)
	}
	u, err := object(event.Object)
	if err != nil {
		return "", nil, fmt.Errorf("unable to decode watch event: %w", err)
	}
	if u.GetKind() == "Status" && u.GetAPIVersion() == "v1" {
		status := &metav1.Status{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, status); err != nil {
			return "", nil, fmt.Errorf("unable to decode watch event: %w", err)
		}
		return event.Type, status, nil
	}
	return event.Type, u, nil
}

// Close implements watch.Decoder.
func (e *events) Close() { _ = e.body.Close() }
