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
	// OTLP takes the events as logs of OpenTelemetry as well; its URL is that of a
	// collector's logs, as "http://collector:4318/v1/logs".
	OTLP *AuditWebhook `json:"otlp,omitempty"`
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
	for _, w := range []*AuditWebhook{a.Webhook, a.OTLP} {
		if w != nil {
			w.Queue, w.OnFull = or(w.Queue, 10_000), or(w.OnFull, "Block")
		}
	}
}

func (a *Audit) validate(at *field.Path) field.ErrorList {
	all := oneOf(at.Child("onFailure"), a.OnFailure, "Block", "Count")
	if a.Directory == "" && a.Webhook == nil && a.OTLP == nil {
		all = append(all, field.Required(at.Child("directory"), "name a folder, a webhook or a collector: events must go somewhere"))
	}
	all = append(all, a.Webhook.validate(at.Child("webhook"))...)
	return append(all, a.OTLP.validate(at.Child("otlp"))...)
}

func (w *AuditWebhook) validate(at *field.Path) field.ErrorList {
	if w == nil {
		return nil
	}
	all := oneOf(at.Child("onFull"), w.OnFull, "Block", "Count")
	if _, err := audit.NewWebhook(w.URL, audit.WebhookOptions{}); err != nil {
		all = append(all, field.Invalid(at.Child("url"), w.URL, "must be one of http or https"))
	}
	return all
}

func (w *AuditWebhook) options(registry prometheus.Registerer) audit.WebhookOptions {
	return audit.WebhookOptions{Queue: w.Queue, Full: losses[w.OnFull], Registerer: registry}
}

// Open opens the log. The senders that it returns are to be started.
func (a *Audit) Open(installation string, registry prometheus.Registerer) (*audit.Log, []*audit.Webhook, error) {
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
	senders, err := a.senders(installation, registry)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range senders {
		options = append(options, audit.To(s))
	}
	log, err := audit.Open(options...)
	return log, senders, err
}

// senders are what takes the events beside the files.
func (a *Audit) senders(installation string, registry prometheus.Registerer) ([]*audit.Webhook, error) {
	var senders []*audit.Webhook
	if a.Webhook != nil {
		webhook, err := audit.NewWebhook(a.Webhook.URL, a.Webhook.options(registry))
		if err != nil {
			return nil, err
		}
		senders = append(senders, webhook)
	}
	if a.OTLP != nil {
		collector, err := audit.NewOTLP(a.OTLP.URL, audit.OTLPOptions{
			WebhookOptions: a.OTLP.options(registry),
			Resource:       map[string]string{"service.name": "tmc-controller", "tmc.installation": installation},
		})
		if err != nil {
			return nil, err
		}
		senders = append(senders, collector)
	}
	return senders, nil
}
