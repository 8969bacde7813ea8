package config

import (
	"context"
	"fmt"
	"net/url"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Tracing sends spans of the five steps to a collector.
type Tracing struct {
	// Endpoint takes OTLP over HTTP, as "http://collector:4318/v1/traces".
	Endpoint string `json:"endpoint"`
	// SampleRatio of the versions of objects whose traces are kept, whole: 0.1 is
	// one in ten. Every replica keeps the same ones. Default: 1.
	SampleRatio *float64 `json:"sampleRatio,omitempty"`
}

func (t *Tracing) defaults() { t.SampleRatio = or(t.SampleRatio, new(1.0)) }

func (t *Tracing) validate(at *field.Path) field.ErrorList {
	var all field.ErrorList
	if u, err := url.Parse(t.Endpoint); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		all = append(all, field.Invalid(at.Child("endpoint"), t.Endpoint, "must be an http or https URL, as http://collector:4318/v1/traces"))
	}
	if *t.SampleRatio < 0 || *t.SampleRatio > 1 {
		all = append(all, field.Invalid(at.Child("sampleRatio"), *t.SampleRatio, "must be between 0 and 1"))
	}
	return all
}

// Open returns a provider, to be shut down at the end. It calls no server yet.
// The ids of traces are the same in every process, so sampling is by id alone.
func (t *Tracing) Open(ctx context.Context, installation, version string) (*sdktrace.TracerProvider, error) {
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(t.Endpoint))
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	return sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithSampler(sdktrace.TraceIDRatioBased(*t.SampleRatio)),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "tmc-controller"), attribute.String("service.version", version),
			attribute.String("tmc.installation", installation),
		))), nil
}
