package mailbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Version of reports that is written.
const Version = "v1"

// Bounds of a report.
const (
	// MaxBytes of an encoded report.
	MaxBytes = 48 << 10
	// MaxAPIs, MaxSlots, MaxConcerns and MaxProperties bound its lists.
	MaxAPIs       = 400
	MaxSlots      = 16
	MaxConcerns   = 16
	MaxProperties = 32

	maxText = 1024
)

// Report is what an agent says of its cluster: what a fleet that reaches the
// cluster would find out by itself.
type Report struct {
	// Version of the report.
	Version string `json:"version"`
	// UID is the identity of the cluster: that of its namespace kube-system.
	UID types.UID `json:"uid"`
	// Kubernetes is the version of the API server, as "v1.36.3".
	Kubernetes string `json:"kubernetes,omitempty"`
	// Ready says that the cluster can run work; else Reason and Message say why
	// it can't.
	Ready   bool   `json:"ready"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Nodes that are ready and schedulable.
	Nodes int32 `json:"nodes"`
	// Capacity; nil where nodes and pods can't be read.
	Capacity *Capacity `json:"capacity,omitempty"`
	// APIs that the cluster serves, of those that the agent syncs; nil where
	// that is not known.
	APIs []API `json:"apis"`
	// Concerns of the cluster.
	Concerns []Concern `json:"concerns,omitempty"`
	// Properties that were collected of nodes.
	Properties map[string]string `json:"properties,omitempty"`
}

// Capacity in a report.
type Capacity struct {
	// Allocatable and Allocated are sums over the nodes.
	Allocatable corev1.ResourceList `json:"allocatable,omitempty"`
	Allocated   corev1.ResourceList `json:"allocated,omitempty"`
	// Used is what the nodes use, as measured at UsedAt; nil where nobody tells.
	Used   corev1.ResourceList `json:"used,omitempty"`
	UsedAt *metav1.Time        `json:"usedAt,omitempty"`
	// FreeSlots of single nodes; MoreSlots says that they are too many to list.
	FreeSlots []corev1.ResourceList `json:"freeSlots,omitempty"`
	MoreSlots bool                  `json:"moreSlots,omitempty"`
}

// Concern in a report.
type Concern struct {
	Reason  string `json:"reason"`
	Message string `json:"message,omitempty"`
}

// API in a report.
type API struct {
	Group    string `json:"group,omitempty"`
	Version  string `json:"version"`
	Kind     string `json:"kind"`
	Resource string `json:"resource"`
}

// Encode returns the report as it is stored. Same report, same bytes.
func (r *Report) Encode() ([]byte, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode report: %w", err)
	}
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("encode report: %d bytes are more than %d", len(data), MaxBytes)
	}
	return data, nil
}

// Parse reads a report that somebody else wrote. It refuses what is out of
// bounds, with the field's name, and clips texts. Fields that it does not know
// are ignored: a newer agent may say more.
func Parse(data []byte) (*Report, error) {
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("report: %d bytes are more than %d", len(data), MaxBytes)
	}
	r := &Report{}
	if err := json.NewDecoder(bytes.NewReader(data)).Decode(r); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	r.Message, r.Reason, r.Kubernetes = Clip(r.Message), Clip(r.Reason), Clip(r.Kubernetes)
	for i := range r.Concerns {
		r.Concerns[i].Reason, r.Concerns[i].Message = Clip(r.Concerns[i].Reason), Clip(r.Concerns[i].Message)
	}
	return r, nil
}

func (r *Report) check() error {
	switch {
	case r.Version != Version:
		return fmt.Errorf("version: %q is not %q: hub and agent are too far apart, upgrade the older one", Clip(r.Version), Version)
	case r.UID == "" || len(r.UID) > 64:
		return errors.New("uid: it must be the UID of the namespace kube-system")
	case r.Nodes < 0:
		return fmt.Errorf("nodes: %d is negative", r.Nodes)
	case len(r.APIs) > MaxAPIs:
		return fmt.Errorf("apis: %d are more than %d", len(r.APIs), MaxAPIs)
	case len(r.Concerns) > MaxConcerns:
		return fmt.Errorf("concerns: %d are more than %d", len(r.Concerns), MaxConcerns)
	case len(r.Properties) > MaxProperties:
		return fmt.Errorf("properties: %d are more than %d", len(r.Properties), MaxProperties)
	}
	for i, a := range r.APIs {
		if a.Version == "" || a.Kind == "" || a.Resource == "" {
			return fmt.Errorf("apis[%d]: version, kind and resource are needed", i)
		}
	}
	for name, text := range r.Properties {
		if len(name)+len(text) > maxText {
			return fmt.Errorf("properties[%s]: it is longer than %d bytes", Clip(name), maxText)
		}
	}
	return r.Capacity.check()
}

func (c *Capacity) check() error {
	if c == nil {
		return nil
	}
	if len(c.FreeSlots) > MaxSlots {
		return fmt.Errorf("capacity.freeSlots: %d are more than %d", len(c.FreeSlots), MaxSlots)
	}
	lists := append([]corev1.ResourceList{c.Allocatable, c.Allocated, c.Used}, c.FreeSlots...)
	for _, list := range lists {
		for name, q := range list {
			// Beyond this, sums over a fleet would overflow.
			if q.Sign() < 0 || q.CmpInt64(1<<52) > 0 {
				return fmt.Errorf("capacity: %s %s is not between 0 and 4Pi", Clip(string(name)), q.String())
			}
		}
	}
	return nil
}

// SameButAmounts says whether two reports differ in amounts of capacity alone,
// which change all the time.
func (r *Report) SameButAmounts(o *Report) bool {
	a, b := *r, *o
	if (a.Capacity == nil) != (b.Capacity == nil) {
		return false
	}
	a.Capacity, b.Capacity = nil, nil
	x, errA := json.Marshal(&a)
	y, errB := json.Marshal(&b)
	return errA == nil && errB == nil && bytes.Equal(x, y)
}

// Clip bounds a text as reports do, and leaves it valid UTF-8.
func Clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	s = s[:maxText]
	for len(s) > 0 && !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s
}
