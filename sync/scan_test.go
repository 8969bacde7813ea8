package syncer_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// seeds are the values of all Secrets that tests of the package make,
// plain and in base64. No log, at any level, and no span may hold one; the run
// fails if one does.
var seeds = []string{"swordfish", "c3dvcmRmaXNo", "seeded-secret", "c2VlZGVkLXNlY3JldA"}

// leaks are the lines of logs and the spans in which a seed was found.
var leaks struct {
	mu    sync.Mutex
	found []string
	lines int
	spans int
}

// scan looks for seeds in what is about to leave the process.
func scan(what, text string) {
	leaks.mu.Lock()
	defer leaks.mu.Unlock()
	if what == "log" {
		leaks.lines++
	} else {
		leaks.spans++
	}
	if slices.ContainsFunc(seeds, func(s string) bool { return strings.Contains(text, s) }) {
		leaks.found = append(leaks.found, what+": "+text)
	}
}

// scanned is a logger at the highest level in use, whose lines are scanned.
func scanned() logr.Logger {
	return funcr.New(func(prefix, args string) { scan("log", prefix+args) }, funcr.Options{Verbosity: 1})
}

// scanner is a SpanExporter whose spans are scanned.
type scanner struct{}

func (scanner) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	for _, s := range tracetest.SpanStubsFromReadOnlySpans(spans) {
		scan("span", fmt.Sprintf("%+v", s))
	}
	return nil
}

func (scanner) Shutdown(context.Context) error { return nil }

// leaked prints what was found, at the end of the run.
func leaked() bool {
	leaks.mu.Lock()
	defer leaks.mu.Unlock()
	fmt.Printf("%d lines of logs and %d spans were scanned for the values of Secrets\n", leaks.lines, leaks.spans)
	for _, leak := range leaks.found {
		fmt.Println("LEAK:", leak)
	}
	return len(leaks.found) > 0
}
