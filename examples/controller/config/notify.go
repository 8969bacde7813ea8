package config

import (
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/tmc-sdk/tmc/sync/notify"
)

// Notify tells another program of decisions, moves and health, as CloudEvents.
type Notify struct {
	// URL that batches of events are posted to.
	URL string `json:"url"`
	// Source of the events. Default: /tmc/ and the installation.
	Source string `json:"source,omitempty"`
	// Queue holds so many events while the receiver is away. Default: 1,000.
	Queue int `json:"queue,omitempty"`
}

func (n *Notify) validate(at *field.Path) field.ErrorList {
	if _, err := n.Open(nil); err != nil {
		return field.ErrorList{field.Invalid(at.Child("url"), n.URL, "must be one of http or https")}
	}
	if n.Queue < 0 {
		return field.ErrorList{field.Invalid(at.Child("queue"), n.Queue, "must not be negative; leave it out for the default")}
	}
	return nil
}

// Open returns a notifier, to be started.
func (n *Notify) Open(registry prometheus.Registerer) (*notify.Notifier, error) {
	return notify.New(n.URL, notify.Options{Source: n.Source, Queue: n.Queue, Registerer: registry})
}
