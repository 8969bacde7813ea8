package config

import (
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	syncer "github.com/tmc-sdk/tmc/sync"
)

// Deletion says what becomes of copies when their original is deleted.
type Deletion struct {
	// Default where neither the original nor its Placement asks for anything:
	// Background, Foreground or Orphan.
	Default syncer.Deletion `json:"default,omitempty"`
	// Allowed is what else tenants may ask for by the annotation
	// tmc-sdk.dev/deletion. Left out: Background and Foreground. Orphan lets
	// tenants leave work on clusters that no workspace shows.
	Allowed []syncer.Deletion `json:"allowed,omitempty"`
}

func (d *Deletion) defaults() {
	d.Default = or(d.Default, syncer.DeletionBackground)
	if d.Allowed == nil {
		d.Allowed = []syncer.Deletion{syncer.DeletionBackground, syncer.DeletionForeground}
	}
}

func (d *Deletion) validate(at *field.Path) field.ErrorList {
	known := []syncer.Deletion{syncer.DeletionBackground, syncer.DeletionForeground, syncer.DeletionOrphan}
	var all field.ErrorList
	if !slices.Contains(known, d.Default) {
		all = append(all, field.NotSupported(at.Child("default"), d.Default, known))
	}
	for i, asked := range d.Allowed {
		if !slices.Contains(known, asked) {
			all = append(all, field.NotSupported(at.Child("allowed").Index(i), asked, known))
		}
	}
	return all
}

// Tombstones are kept for originals whose deletion did not wait for a lost cluster
// (releaseLostAfter), so that their copies go should it return, also when their
// workspace is gone by then.
type Tombstones struct {
	// Connection to the server that keeps them as ConfigMaps. Empty: that of the
	// lease.
	Connection `json:",inline"`
	// Namespace there. Left out: that of the lease.
	Namespace string `json:"namespace,omitempty"`
}

func (t *Tombstones) defaults(l *LeaderElection) {
	if t.Connection == (Connection{}) {
		t.Connection = l.Connection
	}
	t.Namespace = or(t.Namespace, l.Namespace)
}
