package config

import (
	"fmt"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/tmc-sdk/tmc/sync/audit"
)

// Audit is the log that proves what was done on physical clusters.
type Audit struct {
	// Directory of the files: on a volume that outlives the pod.
	Directory string `json:"directory,omitempty"`
	// Writer names the chain of this replica. Default: the name of the host.
	Writer string `json:"writer,omitempty"`
	// OnFailure says what becomes of an event that can't be written: Block (no
	// work goes unrecorded) or Count.
	OnFailure string `json:"onFailure,omitempty"`
	// MaxMegabytes and MaxAge of a file, and how many of them are kept.
	MaxMegabytes int64           `json:"maxMegabytes,omitempty"`
	MaxAge       metav1.Duration `json:"maxAge,omitzero"`
	Keep         int             `json:"keep,omitempty"`
	// DigestKeyFile holds a key for digests of objects, so that those of
	// Secrets can be recorded too.
	DigestKeyFile string `json:"digestKeyFile,omitempty"`
	// Webhook takes the events as well.
	Webhook *AuditWebhook `json:"webhook,omitempty"`
}

// AuditWebhook takes events in batches.
type AuditWebhook struct {
	// URL that events are posted to.
	URL string `json:"url"`
	// Queue holds so many events while the receiver is away. Default: 10,000.
	Queue int `json:"queue,omitempty"`
	// OnFull says what becomes of an event that finds the queue full: Block or
	// Count.
	OnFull string `json:"onFull,omitempty"`
}

// losses by name.
var losses = map[string]audit.Loss{"Block": audit.Block, "Count": audit.Count}

func (a *Audit) defaults() {
	a.OnFailure = or(a.OnFailure, "Block")
	a.MaxMegabytes, a.MaxAge, a.Keep = or(a.MaxMegabytes, 100), or(a.MaxAge, seconds(86400)), or(a.Keep, 30)
	if a.Webhook != nil {
		a.Webhook.Queue, a.Webhook.OnFull = or(a.Webhook.Queue, 10_000), or(a.Webhook.OnFull, "Block")
	}
}

func (a *Audit) validate(at *field.Path) field.ErrorList {
	all := oneOf(at.Child("onFailure"), a.OnFailure, "Block", "Count")
	if a.Directory == "" && a.Webhook == nil {
		all = append(all, field.Required(at.Child("directory"), "name a folder, or a webhook: events must go somewhere"))
	}
	if a.Webhook != nil {
		all = append(all, oneOf(at.Child("webhook", "onFull"), a.Webhook.OnFull, "Block", "Count")...)
		if _, err := audit.NewWebhook(a.Webhook.URL, audit.WebhookOptions{}); err != nil {
			all = append(all, field.Invalid(at.Child("webhook", "url"), a.Webhook.URL, "must be one of http or https"))
		}
	}
	return all
}

// Open opens the log. The webhook is nil where there is none; it is to be
// started.
func (a *Audit) Open(registry prometheus.Registerer) (*audit.Log, *audit.Webhook, error) {
	options := []audit.Option{audit.OnFailure(losses[a.OnFailure]), audit.WithMetrics(registry)}
	if a.Writer != "" {
		options = append(options, audit.Writer(a.Writer))
	}
	if a.Directory != "" {
		options = append(options, audit.Directory(a.Directory, audit.Rotation{MaxBytes: a.MaxMegabytes << 20, MaxAge: a.MaxAge.Duration, Keep: a.Keep}))
	}
	if a.DigestKeyFile != "" {
		key, err := os.ReadFile(a.DigestKeyFile)
		if err != nil {
			return nil, nil, fmt.Errorf("audit.digestKeyFile: %w", err)
		}
		options = append(options, audit.DigestKey(key))
	}
	var webhook *audit.Webhook
	if a.Webhook != nil {
		var err error
		webhook, err = audit.NewWebhook(a.Webhook.URL, audit.WebhookOptions{Queue: a.Webhook.Queue, Full: losses[a.Webhook.OnFull], Registerer: registry})
		if err != nil {
			return nil, nil, err
		}
		options = append(options, audit.To(webhook))
	}
	log, err := audit.Open(options...)
	return log, webhook, err
}
