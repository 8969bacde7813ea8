package audit

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
)

// Log records entries in a chain. Make one with Open; it is safe for concurrent
// use.
type Log struct {
	opts    options
	metrics *metrics

	// lost counts the events that are missing and that the chain does not yet
	// say so of.
	lost atomic.Uint64
	// stuck says that an event waits until it can be written.
	stuck atomic.Bool

	// turn is held by whoever appends: a mutex that a context can end the wait
	// for. It guards what follows.
	turn   chan struct{}
	head   Head
	files  *files            // nil without a directory
	headed time.Time         // when other heads were last recorded
	heads  map[string]uint64 // what was recorded of them
	closed bool
}

// ErrClosed is returned by Record after Close.
var ErrClosed = errors.New("audit: the log is closed")

// Open makes a Log that continues the chain of its writer, and records that it
// did. It fails if another process writes the same chain.
func Open(opts ...Option) (*Log, error) {
	o := defaults()
	for _, opt := range opts {
		opt(&o)
	}
	if err := o.validate(); err != nil {
		return nil, err
	}
	m, err := newMetrics(o.registerer)
	if err != nil {
		return nil, err
	}
	l := &Log{opts: o, metrics: m, turn: make(chan struct{}, 1), heads: map[string]uint64{}}
	l.head = Head{Writer: o.writer, Hash: none}
	start := Entry{Verb: VerbStart, Cause: "Started", Time: o.now()}
	torn := ""
	if o.directory != "" {
		if l.files, l.head, torn, err = openFiles(o.directory, o.writer, o.rotation, o.now()); err != nil {
			return nil, err
		}
	} else {
		l.head.Writer += "." + strconv.FormatInt(o.now().UnixNano(), 36) // a chain of its own
	}
	ev := start.event(l.head.Writer, nil)
	if torn != "" {
		ev.Annotations[AnnotationTorn] = torn
	}
	err = l.append(context.Background(), ev, Count)
	if err == nil && l.lost.Load() > 0 {
		err = errors.New("the file can't be written")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("audit: record the start: %w", err), l.Close())
	}
	return l, nil
}

// Record appends an entry to the chain. With Block it returns when the event is
// in the file, or the context ended; then the event is counted as lost. With
// Count it returns nil if the event was counted instead.
func (l *Log) Record(ctx context.Context, e Entry) error {
	if err := l.take(ctx); err != nil {
		l.lose()
		return err
	}
	defer l.release()
	if e.Time.IsZero() {
		e.Time = l.opts.now()
	}
	if err := l.recordHeads(ctx); err != nil {
		return err
	}
	return l.append(ctx, e.event(l.head.Writer, l.opts.key), l.opts.loss)
}

// Head returns the head of the chain.
func (l *Log) Head() Head {
	l.turn <- struct{}{}
	defer l.release()
	return l.head
}

// Close flushes and closes the file. Sinks are not closed.
func (l *Log) Close() error {
	l.turn <- struct{}{}
	defer l.release()
	l.closed = true
	if l.files == nil {
		return nil
	}
	return l.files.close()
}

func (l *Log) take(ctx context.Context) error {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("audit: wait to record: %w", context.Cause(ctx))
	}
	if l.closed {
		l.release()
		return ErrClosed
	}
	return nil
}

func (l *Log) release() { <-l.turn }

// append writes an event, or counts it. What was lost before is told first.
func (l *Log) append(ctx context.Context, ev *Event, loss Loss) error {
	err := l.tellLost(ctx, loss)
	if err == nil {
		err = l.write(ctx, ev, loss)
	}
	if err != nil {
		l.lose()
	}
	if errors.Is(err, errNotWritten) {
		return nil
	}
	return err
}

// tellLost writes into the chain how many events are missing.
func (l *Log) tellLost(ctx context.Context, loss Loss) error {
	n := l.lost.Load()
	if n == 0 {
		return nil
	}
	ev := (&Entry{Verb: VerbLost, Cause: "EventsLost", Time: l.opts.now()}).event(l.head.Writer, nil)
	ev.Annotations[AnnotationCount] = strconv.FormatUint(n, 10)
	if err := l.write(ctx, ev, loss); err != nil {
		return err
	}
	l.lost.Add(-n)
	return nil
}

// lose counts an event that is missing.
func (l *Log) lose() {
	l.lost.Add(1)
	l.metrics.lost.WithLabelValues("file").Inc()
}

// errNotWritten says that an event was not written and is to be counted.
var errNotWritten = errors.New("not written")

// write writes one event to the file, as often as it takes, then to the sinks.
func (l *Log) write(ctx context.Context, ev *Event, loss Loss) error {
	line, head, err := link(ev, l.head)
	if err != nil {
		return err
	}
	defer l.stuck.Store(false)
	for l.files != nil {
		pruned, err := l.files.append(line, head.Sequence, l.opts.now(), l.opts.flushEvery)
		if err == nil {
			defer l.recordPruned(ctx, pruned)
			break
		}
		l.metrics.failures.Inc()
		logr.FromContextOrDiscard(ctx).Error(err, "Failed to write to the audit log")
		if loss == Count {
			return errNotWritten
		}
		l.stuck.Store(true)
		if err := pause(ctx, l.opts.retry); err != nil {
			return fmt.Errorf("audit: write to %s: %w", l.opts.directory, err)
		}
	}
	l.head = head
	l.metrics.written.Inc()
	var errs []error
	for _, sink := range l.opts.sinks {
		if err := sink.Write(ctx, ev); err != nil {
			l.metrics.lost.WithLabelValues(sink.Name()).Inc()
			errs = append(errs, fmt.Errorf("audit: sink %s: %w", sink.Name(), err))
		}
	}
	if len(errs) > 0 && l.files == nil {
		return errors.Join(errs...)
	}
	for _, err := range errs { // the event is in the file
		logr.FromContextOrDiscard(ctx).Error(err, "An audit event was not taken")
	}
	return nil
}

// recordPruned records that rotation removed events up to one.
func (l *Log) recordPruned(ctx context.Context, last uint64) {
	if last == 0 {
		return
	}
	ev := (&Entry{Verb: VerbPrune, Cause: "Rotated", Time: l.opts.now()}).event(l.head.Writer, nil)
	ev.Annotations[AnnotationCount] = strconv.FormatUint(last, 10)
	if err := l.write(ctx, ev, Count); err != nil {
		l.lose()
	}
}

// recordHeads records, every so often, the heads of other chains that grew.
func (l *Log) recordHeads(ctx context.Context) error {
	now := l.opts.now()
	if !l.headed.IsZero() && now.Sub(l.headed) < l.opts.headsEvery {
		return nil
	}
	l.headed = now
	others, err := l.otherHeads(ctx)
	if err != nil {
		logr.FromContextOrDiscard(ctx).Error(err, "Failed to read the heads of other audit logs")
	}
	var news []string
	for _, h := range others {
		if h.Writer != l.head.Writer && l.heads[h.Writer] < h.Sequence {
			news = append(news, h.String())
			l.heads[h.Writer] = h.Sequence
		}
	}
	if len(news) == 0 {
		return nil
	}
	ev := (&Entry{Verb: VerbHeads, Cause: "Observed", Time: now}).event(l.head.Writer, nil)
	ev.Annotations[AnnotationHeads] = strings.Join(news, ",")
	return l.append(ctx, ev, l.opts.loss)
}

func (l *Log) otherHeads(ctx context.Context) ([]Head, error) {
	var all []Head
	var errs []error
	if l.files != nil {
		heads, err := headsIn(l.opts.directory, l.opts.writer)
		all, errs = append(all, heads...), append(errs, err)
	}
	if l.opts.heads != nil {
		heads, err := l.opts.heads(ctx)
		all, errs = append(all, heads...), append(errs, err)
	}
	return all, errors.Join(errs...)
}

// pause waits; it returns an error when the context ended.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
