package audit_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/tmc-sdk/tmc/sync/audit"
)

func TestAChainGoesOnAfterRestarts(t *testing.T) {
	dir := t.TempDir()
	for range 3 {
		written(t, dir, "a", 4)
	}
	report, err := audit.VerifyDirectory(dir)
	require.NoError(t, err)
	require.Len(t, report.Chains, 1)
	require.Equal(t, uint64(15), report.Chains[0].Head.Sequence, "3 starts and 12 entries")
	require.Equal(t, 3, report.Chains[0].Starts)
	require.Len(t, files(t, dir), 1, "a restart begins no file")
}

func TestAHalfLineIsReportedAndTheChainGoesOn(t *testing.T) {
	for name, half := range map[string]string{
		"a piece of a line":          `{"annotations":{"audit.tm`,
		"a line without its newline": "",
		"zeros":                      "\x00\x00\x00\x00",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			written(t, dir, "a", 2)
			file := files(t, dir)[0]
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			if half == "" {
				data = data[:len(data)-1]
			}
			require.NoError(t, os.WriteFile(file, append(data, half...), 0o600))

			report, err := audit.VerifyDirectory(dir)
			require.NoError(t, err)
			require.Len(t, report.Torn, 1)

			written(t, dir, "a", 2)
			require.Len(t, files(t, dir), 2, "what is torn stays as it is")
			report, err = audit.VerifyDirectory(dir)
			require.NoError(t, err)
			require.Len(t, report.Torn, 1)
			found := 0
			for _, name := range files(t, dir) {
				for ev := range events(t, name) {
					if ev.Annotations[audit.AnnotationTorn] != "" {
						found++
					}
				}
			}
			require.Equal(t, 1, found, "the start says that it found half a line")
		})
	}
}

func TestAProcessThatDiesAtItsFirstLineLeavesAChainThatBegins(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "audit-a-00000000000000000001.jsonl"), []byte(`{"ann`), 0o600))
	written(t, dir, "a", 1)
	report, err := audit.VerifyDirectory(dir)
	require.NoError(t, err)
	require.Equal(t, uint64(2), report.Chains[0].Head.Sequence)
}

func TestABrokenLastLineIsNotContinued(t *testing.T) {
	dir := t.TempDir()
	written(t, dir, "a", 2)
	file := files(t, dir)[0]
	lines := linesOf(t, file)
	put(t, file, append(lines, "{}\n"))
	_, err := audit.Open(audit.Writer("a"), audit.Directory(dir, audit.Rotation{}))
	require.ErrorContains(t, err, "is broken")
}

func TestTwoProcessesCannotWriteOneChain(t *testing.T) {
	dir := t.TempDir()
	log := open(t, dir, "a")
	_, err := audit.Open(audit.Writer("a"), audit.Directory(dir, audit.Rotation{}))
	require.ErrorContains(t, err, "another process writes this chain")
	require.NoError(t, log.Close())
	require.ErrorIs(t, log.Record(t.Context(), entry(1)), audit.ErrClosed)
	written(t, dir, "a", 1)
}

func TestRotationKeepsTheChainAndSaysWhatItRemoved(t *testing.T) {
	dir, at := t.TempDir(), newClock()
	log := open(t, dir, "a", audit.Clock(at.Now), audit.Directory(dir, audit.Rotation{MaxBytes: 4000, MaxAge: time.Hour, Keep: 3}))
	record(t, log, 1, 40)
	require.Len(t, files(t, dir), 3)
	at.now = at.now.Add(2 * time.Hour)
	before := files(t, dir)[2]
	record(t, log, 41, 41)
	require.NotEqual(t, before, files(t, dir)[2], "an old file is ended")
	require.NoError(t, log.Close())

	report, err := audit.VerifyDirectory(dir)
	require.NoError(t, err)
	require.Greater(t, report.Chains[0].First, uint64(20))

	require.NoError(t, os.Remove(files(t, dir)[0]))
	_, err = audit.VerifyDirectory(dir)
	require.ErrorContains(t, err, "no event says that rotation removed them")
}

func TestSeveralWritersRecordEachOthersHeads(t *testing.T) {
	dir, at := t.TempDir(), newClock()
	a, b := open(t, dir, "a", audit.Clock(at.Now)), open(t, dir, "b", audit.Clock(at.Now))
	record(t, a, 1, 5)
	record(t, b, 1, 5)
	at.now = at.now.Add(time.Hour)
	record(t, a, 6, 6)
	require.NoError(t, errors.Join(a.Close(), b.Close()))
	_, err := audit.VerifyDirectory(dir)
	require.NoError(t, err)

	names := files(t, dir)
	whole := linesOf(t, names[1])
	put(t, names[1], whole[:3])
	_, err = audit.VerifyDirectory(dir)
	require.ErrorContains(t, err, "its chain ends with 3: the end was cut off")

	require.NoError(t, os.Remove(names[1]))
	_, err = audit.VerifyDirectory(dir)
	require.ErrorContains(t, err, "there is nothing of that writer")

	written(t, dir, "b", 9)
	_, err = audit.VerifyDirectory(dir)
	require.ErrorContains(t, err, "was written anew")
}

func TestHeadsFromElsewhereAreRecordedAndHold(t *testing.T) {
	dir := t.TempDir()
	other := audit.Head{Writer: "far", Sequence: 7, Hash: fmt.Sprintf("%064d", 7)}
	log := open(t, dir, "a", audit.Heads(func(context.Context) ([]audit.Head, error) { return []audit.Head{other}, nil }, time.Minute))
	record(t, log, 1, 2)
	require.NoError(t, log.Close())
	_, err := audit.VerifyDirectory(dir)
	require.ErrorContains(t, err, "event 7 of writer far was seen here")
}

func TestManyRecordersMakeOneChain(t *testing.T) {
	dir := t.TempDir()
	log := open(t, dir, "a")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for n := range 50 {
				_ = log.Record(context.Background(), entry(n))
			}
		})
	}
	wg.Wait()
	head := log.Head()
	require.NoError(t, log.Close())
	report, err := audit.VerifyDirectory(dir)
	require.NoError(t, err)
	if diff := cmp.Diff(head, report.Chains[0].Head); diff != "" {
		t.Errorf("head (-log +verified):\n%s", diff)
	}
	require.Equal(t, uint64(401), head.Sequence)
}

// fill makes writing to the directory fail, as a full disk does, until undone.
func fill(t *testing.T, dir string) (undo func()) {
	t.Helper()
	require.NoError(t, os.Rename(dir, dir+"-away"))
	return func() { require.NoError(t, os.Rename(dir+"-away", dir)) }
}

func TestCountGoesOnAndSaysHowManyAreMissing(t *testing.T) {
	dir, metrics := filepath.Join(t.TempDir(), "log"), prometheus.NewRegistry()
	log := open(t, dir, "a", audit.Directory(dir, audit.Rotation{MaxBytes: 1}), audit.OnFailure(audit.Count), audit.WithMetrics(metrics))
	record(t, log, 1, 2)
	undo := fill(t, dir)
	record(t, log, 3, 5)
	undo()
	record(t, log, 6, 6)
	require.NoError(t, log.Close())
	report, err := audit.VerifyDirectory(dir)
	require.NoError(t, err)
	require.Equal(t, uint64(3), report.Chains[0].Lost)
	require.Equal(t, uint64(5), report.Chains[0].Head.Sequence, "start, 2 entries, what was lost, 1 entry")
	require.Equal(t, 3.0, counted(t, metrics, "tmc_audit_lost_total"))
}

func TestBlockWaitsUntilItCanWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	log := open(t, dir, "a", audit.Directory(dir, audit.Rotation{MaxBytes: 1}), audit.RetryEvery(time.Millisecond))
	record(t, log, 1, 1)
	undo := fill(t, dir)

	ctx, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error)
	go func() { gaveUp <- log.Record(ctx, entry(2)) }()
	cancel()
	require.ErrorIs(t, <-gaveUp, context.Canceled)

	done := make(chan error)
	go func() { done <- log.Record(t.Context(), entry(3)) }()
	undo()
	require.NoError(t, <-done)
	require.NoError(t, log.Close())
	report, err := audit.VerifyDirectory(dir)
	require.NoError(t, err)
	require.Equal(t, uint64(1), report.Chains[0].Lost, "who gave up is counted")
}

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	for name, opts := range map[string][]audit.Option{
		"a writer that is no name":   {audit.Writer("a/b"), audit.Directory(t.TempDir(), audit.Rotation{})},
		"events that go nowhere":     {audit.Writer("a")},
		"no clock":                   {audit.Directory(t.TempDir(), audit.Rotation{}), audit.Clock(nil)},
		"a directory that is a file": {audit.Directory(os.Args[0], audit.Rotation{})},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := audit.Open(opts...)
			require.Error(t, err)
		})
	}
}
