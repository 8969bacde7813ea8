package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"
)

// Read iterates over the events of a source in order. A half line at the end is
// left out; another line that is no event is an error, and the rest follows.
// Reading proves nothing: Verify does.
func Read(s Source) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		r := bufio.NewReaderSize(s.Reader, 64<<10)
		for at := (Place{s.Name, 1}); ; at.Line++ {
			line, err := r.ReadBytes('\n')
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(nil, fmt.Errorf("audit: read %s: %w", at, err))
				return
			}
			ev := &Event{}
			if err := json.Unmarshal(bytes.TrimSpace(line), ev); err != nil {
				ev, err = nil, fmt.Errorf("audit: %s: it is no event: %w", at, err)
				if !yield(ev, err) {
					return
				}
				continue
			}
			if !yield(ev, nil) {
				return
			}
		}
	}
}

// Filter selects events. What is empty selects all.
type Filter struct {
	// Workspace, Cluster, Verb, Cause and Writer must be the event's.
	Workspace, Cluster, Verb, Cause, Writer string
	// Kind of the object; case does not matter.
	Kind string
	// Name of the object, or of its original, as "name" or "namespace/name".
	Name string
	// Since and Until bound the time; Until is not included.
	Since, Until time.Time
}

// Matches says whether the filter selects an event.
func (f *Filter) Matches(ev *Event) bool {
	for name, want := range map[string]string{
		AnnotationWorkspace: f.Workspace, AnnotationCluster: f.Cluster, AnnotationCause: f.Cause, AnnotationWriter: f.Writer,
	} {
		if want != "" && ev.Annotations[name] != want {
			return false
		}
	}
	at := ev.StageTimestamp.Time
	switch {
	case f.Verb != "" && ev.Verb != f.Verb,
		f.Kind != "" && !strings.EqualFold(ev.Annotations[AnnotationKind], f.Kind),
		!f.Since.IsZero() && at.Before(f.Since),
		!f.Until.IsZero() && !at.Before(f.Until):
		return false
	}
	return f.Name == "" || f.named(ev)
}

func (f *Filter) named(ev *Event) bool {
	named := func(namespace, name string) bool {
		return name != "" && (f.Name == name || f.Name == namespace+"/"+name)
	}
	if ev.ObjectRef != nil && named(ev.ObjectRef.Namespace, ev.ObjectRef.Name) {
		return true
	}
	original := ev.Annotations[AnnotationOriginal]
	namespace, name, namespaced := strings.Cut(original, "/")
	if !namespaced {
		namespace, name = "", original
	}
	return named(namespace, name)
}
