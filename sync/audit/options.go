package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Sink takes events that have their place in the chain, in order. An error
// means that none of them was taken.
type Sink interface {
	// Name of the sink, for metrics and messages.
	Name() string
	// Write takes events; it must not change them.
	Write(ctx context.Context, events ...*Event) error
}

// Loss says what becomes of an event that cannot be taken now.
type Loss int

const (
	// Block waits until it can be taken, or the caller's context ends: no work
	// goes unrecorded, and work stops while nothing can be recorded.
	Block Loss = iota
	// Count goes on without it, counts it, and has the chain say so.
	Count
)

// Rotation says when a Log begins a new file and how many it keeps.
type Rotation struct {
	// MaxBytes of a file. Default: 100 MiB.
	MaxBytes int64
	// MaxAge of a file. Default: 24 hours.
	MaxAge time.Duration
	// Keep so many files of this writer, the current one included. Default: 30.
	// Negative: all.
	Keep int
}

// Option configures a Log.
type Option func(*options)

type options struct {
	writer     string
	directory  string
	rotation   Rotation
	sinks      []Sink
	loss       Loss
	heads      func(context.Context) ([]Head, error)
	headsEvery time.Duration
	flushEvery time.Duration
	key        []byte
	now        func() time.Time
	registerer prometheus.Registerer
	retry      time.Duration
}

func defaults() options {
	name, err := os.Hostname()
	if err != nil || !validWriter(name) {
		name = "tmc"
	}
	return options{writer: name, headsEvery: 10 * time.Minute, flushEvery: time.Second, now: time.Now, retry: time.Second}
}

// Writer names the chain: one per process that writes at a time, and the same
// after a restart. Default: the name of the host.
func Writer(name string) Option { return func(o *options) { o.writer = name } }

// Directory has the log write to files there, and continue the chain that it
// finds there. Without one, a chain begins anew with every start.
func Directory(path string, r Rotation) Option {
	return func(o *options) { o.directory, o.rotation = path, r }
}

// To adds sinks. They take events after the file did.
func To(sinks ...Sink) Option { return func(o *options) { o.sinks = append(o.sinks, sinks...) } }

// OnFailure says what becomes of an event that the file cannot take. Default:
// Block. Each Sink has a rule of its own.
func OnFailure(l Loss) Option { return func(o *options) { o.loss = l } }

// Heads gives the heads of chains that are not in the directory, to be recorded
// at each start and every so often with those that are. Default: none, and ten
// minutes.
func Heads(others func(context.Context) ([]Head, error), every time.Duration) Option {
	return func(o *options) { o.heads, o.headsEvery = others, every }
}

// FlushEvery bounds how long an event may be in the hands of the operating
// system before it is on the disk. Zero flushes each. Default: a second.
func FlushEvery(d time.Duration) Option { return func(o *options) { o.flushEvery = d } }

// DigestKey keys the digests of all objects, so that those of Secrets can be
// recorded as well. Keep it the same for digests to be comparable.
func DigestKey(key []byte) Option { return func(o *options) { o.key = key } }

// Clock tells the time by another clock. Default: time.Now.
func Clock(now func() time.Time) Option { return func(o *options) { o.now = now } }

// WithMetrics registers the metrics tmc_audit_* of the log.
func WithMetrics(r prometheus.Registerer) Option { return func(o *options) { o.registerer = r } }

func (o *options) validate() error {
	switch {
	case !validWriter(o.writer):
		return fmt.Errorf("audit: writer %q: up to 128 letters, digits, '-', '_' and '.', not beginning with a '.'", o.writer)
	case o.directory == "" && len(o.sinks) == 0:
		return errors.New("audit: events go nowhere: pass Directory or To")
	case o.now == nil:
		return errors.New("audit: Clock takes no nil: leave it out for the default")
	}
	if o.rotation.MaxBytes <= 0 {
		o.rotation.MaxBytes = 100 << 20
	}
	if o.rotation.MaxAge <= 0 {
		o.rotation.MaxAge = 24 * time.Hour
	}
	if o.rotation.Keep == 0 {
		o.rotation.Keep = 30
	}
	return nil
}

// RetryEvery sets the pause between tries to write, with Block. Default: a
// second.
func RetryEvery(d time.Duration) Option { return func(o *options) { o.retry = d } }
