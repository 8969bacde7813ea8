package apisim

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
)

// change is one entry of the log that watches are served from.
type change struct {
	version        int64
	kind           schema.GroupVersionKind
	before, object *unstructured.Unstructured
	gone           bool
}

// Since returns what a watch of a kind would tell of after a resourceVersion,
// in order, and the version up to which that is. At most limit events are
// returned; zero means all. It fails with 410 Gone where the log does not reach
// back so far. Objects are shared and must not be changed.
func (s *Server) Since(kind schema.GroupVersionKind, selector labels.Selector, version string, limit int) ([]watch.Event, string, error) {
	after, err := strconv.ParseInt(version, 10, 64)
	if err != nil {
		return nil, "", apierrors.NewBadRequest(fmt.Sprintf("resourceVersion %q: %v", version, err))
	}
	if after < s.compacted {
		return nil, "", apierrors.NewResourceExpired("The resourceVersion for the provided watch is too old.")
	}
	var events []watch.Event
	first, _ := slices.BinarySearchFunc(s.log, after+1, func(c change, version int64) int { return cmp.Compare(c.version, version) })
	for _, c := range s.log[first:] {
		if limit > 0 && len(events) == limit {
			return events, strconv.FormatInt(c.version-1, 10), nil
		}
		if c.kind != kind {
			continue
		}
		was, is := selects(selector, c.before), !c.gone && selects(selector, c.object)
		switch {
		case is && !was:
			events = append(events, watch.Event{Type: watch.Added, Object: c.object})
		case is:
			events = append(events, watch.Event{Type: watch.Modified, Object: c.object})
		case was && c.gone:
			events = append(events, watch.Event{Type: watch.Deleted, Object: c.object})
		case was: // it left the selection: told of as it was, with the version of its leaving
			left := c.before.DeepCopy()
			left.SetResourceVersion(strconv.FormatInt(c.version, 10))
			events = append(events, watch.Event{Type: watch.Deleted, Object: left})
		}
	}
	return events, s.Version(), nil
}
