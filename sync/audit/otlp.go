package audit

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// OTLPOptions configure an export as OpenTelemetry logs.
type OTLPOptions struct {
	// WebhookOptions say how records are batched, retried and, at last, lost. The
	// metrics are tmc_audit_otlp_*.
	WebhookOptions
	// Resource are attributes of the resource that all records come from, beside
	// service.name, which is "tmc" unless it is given here.
	Resource map[string]string
}

// NewOTLP returns a sink that sends events as log records of OpenTelemetry, by
// OTLP over HTTP in JSON; add it to the manager, or call Start. The URL is that of
// a collector's logs, as "http://collector:4318/v1/logs".
//
// The body of a record is the line of the event, with its place in the chain, so
// that Verify works on what the collector kept; attributes say the same for
// queries. Back-pressure and retries are those of a Webhook, not those of the
// OpenTelemetry SDK, which drops records when its queue is full. What the collector
// refuses of a batch is counted and not sent again.
func NewOTLP(target string, opts OTLPOptions) (*Webhook, error) {
	resource := map[string]string{"service.name": "tmc"}
	maps.Copy(resource, opts.Resource)
	encode := func(batch []*Event) ([]byte, error) { return encodeOTLP(resource, batch) }
	return newSender(&Webhook{name: "otlp", url: target, encode: encode, refused: partlyRefused}, opts.WebhookOptions)
}

// The parts of opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest
// that are used, as its JSON has them.
type (
	otlpRequest struct {
		ResourceLogs []otlpResourceLogs `json:"resourceLogs"`
	}
	otlpResourceLogs struct {
		Resource  otlpResource    `json:"resource"`
		ScopeLogs []otlpScopeLogs `json:"scopeLogs"`
	}
	otlpResource struct {
		Attributes []otlpAttribute `json:"attributes"`
	}
	otlpScopeLogs struct {
		Scope      otlpScope    `json:"scope"`
		LogRecords []otlpRecord `json:"logRecords"`
	}
	otlpScope struct {
		Name string `json:"name"`
	}
	otlpRecord struct {
		TimeUnixNano         string          `json:"timeUnixNano"`
		ObservedTimeUnixNano string          `json:"observedTimeUnixNano"`
		SeverityNumber       int             `json:"severityNumber"`
		SeverityText         string          `json:"severityText"`
		EventName            string          `json:"eventName"`
		Body                 otlpValue       `json:"body"`
		Attributes           []otlpAttribute `json:"attributes"`
	}
	otlpAttribute struct {
		Key   string    `json:"key"`
		Value otlpValue `json:"value"`
	}
	otlpValue struct {
		StringValue string `json:"stringValue"`
	}
)

func encodeOTLP(resource map[string]string, batch []*Event) ([]byte, error) {
	records := make([]otlpRecord, 0, len(batch))
	for _, ev := range batch {
		line, err := Line(ev)
		if err != nil {
			return nil, err
		}
		number, text := severity(ev)
		at := nanos(ev.StageTimestamp.Time)
		records = append(records, otlpRecord{
			TimeUnixNano: at, ObservedTimeUnixNano: at, SeverityNumber: number, SeverityText: text,
			EventName: domain + ev.Verb, Body: otlpValue{strings.TrimSuffix(string(line), "\n")}, Attributes: attributesOf(ev),
		})
	}
	return json.Marshal(otlpRequest{[]otlpResourceLogs{{
		Resource:  otlpResource{otlpAttributes(resource)},
		ScopeLogs: []otlpScopeLogs{{otlpScope{"github.com/tmc-sdk/tmc/sync/audit"}, records}},
	}}})
}

// severity tells what somebody should look at from what is as it should be.
func severity(ev *Event) (number int, text string) {
	switch {
	case ev.Verb == VerbLost, ev.ResponseStatus != nil && ev.ResponseStatus.Code >= 500:
		return 17, "ERROR"
	case ev.Verb == VerbRefuse, ev.Verb == VerbRelease, ev.ResponseStatus != nil && ev.ResponseStatus.Code >= 400:
		return 13, "WARN"
	}
	return 9, "INFO"
}

// attributesOf are what one asks for: the annotations under their names, and who
// did what to what.
func attributesOf(ev *Event) []otlpAttribute {
	all := maps.Clone(ev.Annotations)
	if all == nil {
		all = map[string]string{}
	}
	all["audit.verb"], all["enduser.id"], all["url.path"] = ev.Verb, ev.User.Username, ev.RequestURI
	if ref := ev.ObjectRef; ref != nil {
		all["k8s.namespace.name"], all["k8s.object.name"], all["k8s.object.resource"] = ref.Namespace, ref.Name, ref.Resource
	}
	if s := ev.ResponseStatus; s != nil {
		all["http.response.status_code"] = strconv.Itoa(int(s.Code))
	}
	return otlpAttributes(all)
}

// otlpAttributes are sorted, and none is empty.
func otlpAttributes(m map[string]string) []otlpAttribute {
	list := make([]otlpAttribute, 0, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if m[key] != "" {
			list = append(list, otlpAttribute{key, otlpValue{m[key]}})
		}
	}
	return list
}

func nanos(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

// partlyRefused reads from an answer how many records were refused.
func partlyRefused(answer []byte) (n int, why string) {
	var told struct {
		PartialSuccess struct {
			RejectedLogRecords json.Number `json:"rejectedLogRecords"`
			ErrorMessage       string      `json:"errorMessage"`
		} `json:"partialSuccess"`
	}
	if json.Unmarshal(answer, &told) != nil {
		return 0, ""
	}
	refused, err := told.PartialSuccess.RejectedLogRecords.Int64()
	if err != nil {
		return 0, ""
	}
	return int(refused), "the collector says: " + told.PartialSuccess.ErrorMessage
}
