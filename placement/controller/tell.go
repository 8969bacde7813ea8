package controller

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// recorder is the name under which events are written.
const recorder = "tmc-placement"

// tell writes an event of a refusal, once until it changes. Workspaces need
// not allow events: what matters is also in a condition where there is one.
func (c *Controller) tell(ctx context.Context, k Key, about *unstructured.Unstructured, reason, message string) {
	told := reason + ": " + message
	if c.recent.of(k).told == told {
		return
	}
	c.recent.update(k, func(m *memory) { m.told = told })
	cl, err := c.provider.Get(ctx, k.Workspace)
	if err != nil {
		return
	}
	if r := cl.GetEventRecorder(recorder); r != nil {
		r.Eventf(about, nil, corev1.EventTypeWarning, reason, "Place", "%s", clip(message))
	}
}

// untell forgets what was told, when it holds no longer.
func (c *Controller) untell(k Key) {
	if c.recent.of(k).told != "" {
		c.recent.update(k, func(m *memory) { m.told = "" })
	}
}

// maxNote is the length that API servers allow the text of an event.
const maxNote = 1024

func clip(s string) string {
	if len(s) <= maxNote {
		return s
	}
	cut := maxNote - len("…")
	for cut > 0 && s[cut]&0xC0 == 0x80 {
		cut-- // not within a character
	}
	return s[:cut] + "…"
}
