package audit_test

import (
	"iter"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tmc-sdk/tmc/sync/audit"
)

func events(t *testing.T, file string) iter.Seq[*audit.Event] {
	t.Helper()
	data, err := os.Open(file)
	require.NoError(t, err)
	return func(yield func(*audit.Event) bool) {
		defer func() { _ = data.Close() }()
		for ev, err := range audit.Read(audit.Source{Name: file, Reader: data}) {
			if err == nil && !yield(ev) {
				return
			}
		}
	}
}

func TestVerifyNamesTheFirstBrokenLine(t *testing.T) {
	for name, c := range map[string]struct {
		reason string
		change func(lines []string) []string
		want   string
	}{
		"changed": {
			"a value in a line is another",
			func(l []string) []string { l[2] = strings.Replace(l[2], "eu-1", "eu-2", 1); return l },
			"x:3: its contents do not have its hash",
		},
		"rehashed": {
			"a line takes the place of another one with its hash",
			func(l []string) []string { l[2] = l[3]; return l },
			"x:3: events 3 to 3 of writer a are missing",
		},
		"taken out": {
			"a line is missing",
			func(l []string) []string { return append(l[:2], l[3:]...) },
			"x:3: events 3 to 3 of writer a are missing",
		},
		"first taken out": {
			"the chain does not begin",
			func(l []string) []string { return l[1:] },
			"x:1: events 1 to 1 of writer a are missing, and no event says",
		},
		"swapped": {
			"two lines change places",
			func(l []string) []string { l[2], l[3] = l[3], l[2]; return l },
			"x:3: events 3 to 3",
		},
		"spaced": {
			"a line reads the same and is written otherwise",
			func(l []string) []string { l[1] = strings.Replace(l[1], `":`, `": `, 1); return l },
			"x:2: it is not written as the log writes it",
		},
		"hidden": {
			"a key stands twice, and readers differ on which one counts",
			func(l []string) []string {
				l[1] = strings.Replace(l[1], `"verb":`, `"verb":"get","verb":`, 1)
				return l
			},
			"x:2: it is not written as the log writes it",
		},
		"nonsense": {
			"a line in the middle is no JSON",
			func(l []string) []string { l[1] = "half a li\n"; return l },
			"x:2: it is no JSON object",
		},
		"no chain": {
			"an event that no log wrote",
			func(l []string) []string { l[1] = "{\"kind\":\"Event\"}\n"; return l },
			"x:2: it says nothing of its place",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			written(t, dir, "a", 5)
			text := strings.Join(c.change(linesOf(t, files(t, dir)[0])), "") + "\n"
			_, err := audit.Verify(audit.Source{Name: "x", Reader: strings.NewReader(text)})
			require.ErrorContains(t, err, c.want, c.reason)
			broken := &audit.BrokenError{}
			require.ErrorAs(t, err, &broken)
		})
	}
}

func TestAnchorsFindAnEndThatWasCutOff(t *testing.T) {
	dir := t.TempDir()
	written(t, dir, "a", 5)
	report, err := audit.VerifyDirectory(dir)
	require.NoError(t, err)
	v := audit.Verifier{Anchors: []audit.Head{report.Chains[0].Head}}
	_, err = v.VerifyDirectory(dir)
	require.NoError(t, err)

	lines := linesOf(t, files(t, dir)[0])
	put(t, files(t, dir)[0], lines[:4])
	_, err = audit.VerifyDirectory(dir)
	require.NoError(t, err, "nothing in the chain itself tells")
	_, err = v.VerifyDirectory(dir)
	require.ErrorContains(t, err, "anchor a:1: event 6 of writer a was seen here, and its chain ends with 4")
}

func TestAHeadIsReadAsItIsWritten(t *testing.T) {
	head := audit.Head{Writer: "a-1", Sequence: 3, Hash: strings.Repeat("ab", 32)}
	got, err := audit.ParseHead(head.String())
	require.NoError(t, err)
	require.Equal(t, head, got)
	for _, text := range []string{"", "a", "a=1", "a=x:" + head.Hash, "=1:" + head.Hash, "a=1:zz"} {
		_, err := audit.ParseHead(text)
		require.Error(t, err, text)
	}
}

// Whatever is done to the lines, Verify finds it, but for an end that was cut
// off, of which no one knows.
func TestNoChangeOfLinesGoesUnnoticed(t *testing.T) {
	dir := t.TempDir()
	written(t, dir, "a", 6)
	lines := linesOf(t, files(t, dir)[0])
	lines[len(lines)-1] += "\n"
	rapid.Check(t, func(r *rapid.T) {
		order := rapid.SliceOfN(rapid.IntRange(0, len(lines)-1), 1, 2*len(lines)).Draw(r, "order")
		var text strings.Builder
		seen, next, intact := map[int]bool{}, 0, true
		for _, i := range order {
			text.WriteString(lines[i])
			switch {
			case i == next:
				next++
			case !seen[i]:
				intact = false // neither the next one nor a duplicate
			}
			seen[i] = true
		}
		report, err := audit.Verify(audit.Source{Name: "x", Reader: strings.NewReader(text.String())})
		if intact != (err == nil) {
			r.Fatalf("order %v: %v", order, err)
		}
		if intact && report.Chains[0].Head.Sequence != uint64(next) {
			r.Fatalf("order %v: head %v", order, report.Chains[0].Head)
		}
	})
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte(`{"annotations":{"audit.tmc-sdk.dev/hash":"00","audit.tmc-sdk.dev/sequence":"1","audit.tmc-sdk.dev/writer":"a"}}` + "\n"))
	f.Add([]byte("{}\n{}\n"))
	f.Add([]byte("null\n"))
	f.Add([]byte(`{"annotations":[]}` + "\n"))
	dir := f.TempDir()
	log, err := audit.Open(audit.Writer("a"), audit.Directory(dir, audit.Rotation{}))
	require.NoError(f, err)
	require.NoError(f, log.Record(f.Context(), entry(1)))
	require.NoError(f, log.Close())
	good, err := os.ReadFile(dir + "/audit-a-00000000000000000001.jsonl")
	require.NoError(f, err)
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Fuzz(func(t *testing.T, data []byte) {
		report, err := audit.Verify(audit.Source{Name: "x", Reader: strings.NewReader(string(data))})
		if err != nil {
			return
		}
		for _, c := range report.Chains {
			if c.Head.Sequence < c.First || c.First == 0 {
				t.Errorf("a chain from %d to %d", c.First, c.Head.Sequence)
			}
		}
		for ev, err := range audit.Read(audit.Source{Name: "x", Reader: strings.NewReader(string(data))}) {
			if len(report.Chains) > 0 && (err != nil || ev == nil) {
				t.Errorf("verified and not readable: %v", err)
			}
		}
	})
}
