package audit

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Source is a file, or whatever else events were kept in, to be verified.
type Source struct {
	// Name for messages.
	Name string
	// Reader of the lines.
	Reader io.Reader
}

// Chain is what was found of the events of one writer.
type Chain struct {
	// Writer of the chain.
	Writer string
	// First is the number of the first event that is there. What was before it
	// was removed by rotation.
	First uint64
	// Head is the last event. Keep it: as an Anchor it proves to the next
	// Verify that nothing was cut off.
	Head Head
	// Lost is how many events the chain itself says were lost.
	Lost uint64
	// Starts counts how often a process began to write.
	Starts int
	// Duplicates counts events that were there more than once, all the same.
	Duplicates int
}

// Place is a line of a source.
type Place struct {
	// Source and the number of the line in it, from 1.
	Source string
	Line   int
}

// String writes a place as "source:line".
func (p Place) String() string { return fmt.Sprintf("%s:%d", p.Source, p.Line) }

// Report is what Verify found.
type Report struct {
	// Chains, sorted by writer.
	Chains []Chain
	// Torn are half lines at the ends of sources: a process died there.
	Torn []Place
}

// BrokenError says where a chain is broken first.
type BrokenError struct {
	Place

	// Problem there.
	Problem string
}

// Error implements error.
func (e *BrokenError) Error() string { return "audit: " + e.String() + ": " + e.Problem }

// Verifier verifies chains. The zero value is ready for use.
type Verifier struct {
	// Anchors are heads that are known from elsewhere. Each chain must contain
	// those of its writer, unless rotation removed them.
	Anchors []Head
}

// Verify is Verifier.Verify without anchors.
func Verify(sources ...Source) (*Report, error) { return (&Verifier{}).Verify(sources...) }

// VerifyDirectory verifies all files that Logs wrote in a directory.
func VerifyDirectory(dir string) (*Report, error) { return (&Verifier{}).VerifyDirectory(dir) }

// VerifyDirectory verifies all files that Logs wrote in a directory.
func (v *Verifier) VerifyDirectory(dir string) (*Report, error) {
	names, err := namesOf(dir)
	if err != nil {
		return nil, err
	}
	w := newWalk()
	for _, writer := range slices.Sorted(maps.Keys(names)) {
		for _, name := range names[writer] {
			if err := w.file(filepath.Join(dir, name)); err != nil {
				return w.report(), err
			}
		}
	}
	return w.report(), w.conclude(v.Anchors)
}

// Verify reads sources and proves that no event in them was changed, added,
// taken out or moved. A *BrokenError names the first line where that fails;
// what the Report says then is what was read until there. The sources of one
// writer should come in order; chains may be mixed in a source.
func (v *Verifier) Verify(sources ...Source) (*Report, error) {
	w := newWalk()
	for _, s := range sources {
		if err := w.source(s); err != nil {
			return w.report(), err
		}
	}
	return w.report(), w.conclude(v.Anchors)
}

// walk is what Verify remembers on its way.
type walk struct {
	chains map[string]*chain
	claims []claim
	torn   []Place
}

// chain is all that was read of one writer.
type chain struct {
	parts []*part
	Chain
	pruned uint64
}

// claim is what an event, or an anchor, says of another chain.
type claim struct {
	Head
	at Place
}

func newWalk() *walk { return &walk{chains: map[string]*chain{}} }

func (w *walk) file(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("audit: open file: %w", err)
	}
	defer func() { _ = file.Close() }()
	return w.source(Source{Name: path, Reader: file})
}

func (w *walk) source(s Source) error {
	r := bufio.NewReaderSize(s.Reader, 64<<10)
	open := map[string]*part{} // of this source, by writer
	for at := (Place{s.Name, 1}); ; at.Line++ {
		line, err := r.ReadBytes('\n')
		switch {
		case errors.Is(err, io.EOF) && len(line) == 0:
			return nil
		case errors.Is(err, io.EOF):
			w.torn = append(w.torn, at)
			return nil
		case err != nil:
			return fmt.Errorf("audit: read %s: %w", at, err)
		}
		l, err := parse(bytes.TrimSuffix(line, []byte{'\n'}))
		if err != nil {
			return &BrokenError{at, err.Error()}
		}
		if err := w.line(open, at, l); err != nil {
			return err
		}
	}
}

func (w *walk) line(open map[string]*part, at Place, l *linked) error {
	c := w.chains[l.Writer]
	if c == nil {
		c = &chain{Chain: Chain{Writer: l.Writer}}
		w.chains[l.Writer] = c
	}
	p := open[l.Writer]
	if p == nil {
		p = &part{at: at, first: l.Sequence, previous: l.previous}
		open[l.Writer] = p
		c.parts = append(c.parts, p)
	}
	again, problem := p.add(l)
	if problem != "" {
		return &BrokenError{at, problem}
	}
	if again {
		c.Duplicates++
		return nil
	}
	return w.note(c, at, l)
}

// note takes in what a log says of itself and others.
func (w *walk) note(c *chain, at Place, l *linked) error {
	switch l.verb {
	case VerbStart:
		c.Starts++
	case VerbLost, VerbPrune:
		n, err := strconv.ParseUint(l.text(AnnotationCount), 10, 64)
		if err != nil {
			return &BrokenError{at, "it does not say how many"}
		}
		if l.verb == VerbLost {
			c.Lost += n
		} else {
			c.pruned = max(c.pruned, n)
		}
	case VerbHeads:
		for text := range strings.SplitSeq(l.text(AnnotationHeads), ",") {
			h, err := ParseHead(text)
			if err != nil {
				return &BrokenError{at, err.Error()}
			}
			w.claims = append(w.claims, claim{h, at})
		}
	}
	return nil
}

// conclude joins the parts of each chain and compares it with what others say.
func (w *walk) conclude(anchors []Head) error {
	for _, writer := range slices.Sorted(maps.Keys(w.chains)) {
		if err := w.chains[writer].join(); err != nil {
			return err
		}
	}
	for _, a := range anchors {
		w.claims = append(w.claims, claim{a, Place{Source: "anchor " + a.Writer, Line: 1}})
	}
	for _, said := range w.claims {
		if problem := w.chains[said.Writer].contradicts(said.Head); problem != "" {
			return &BrokenError{said.at, problem}
		}
	}
	return nil
}

// contradicts says what is wrong with a chain if a head of it was seen; empty
// for nothing. The chain may be nil.
func (c *chain) contradicts(h Head) string {
	switch {
	case c == nil:
		return fmt.Sprintf("event %d of writer %s was seen here, and there is nothing of that writer", h.Sequence, h.Writer)
	case h.Sequence > c.Head.Sequence:
		return fmt.Sprintf("event %d of writer %s was seen here, and its chain ends with %d: the end was cut off", h.Sequence, h.Writer, c.Head.Sequence)
	}
	for _, p := range c.parts {
		if hash, ok := p.hash(h.Sequence); ok && hash != h.Hash {
			return fmt.Sprintf("event %d of writer %s was seen here with another hash: its chain was written anew", h.Sequence, h.Writer)
		}
	}
	return ""
}

func (w *walk) report() *Report {
	r := &Report{Torn: w.torn}
	for _, writer := range slices.Sorted(maps.Keys(w.chains)) {
		c := w.chains[writer]
		slices.SortStableFunc(c.parts, func(a, b *part) int { return cmp.Compare(a.first, b.first) })
		c.First = c.parts[0].first
		for _, p := range c.parts {
			if last := p.last(); last >= c.Head.Sequence {
				hash, _ := p.hash(last)
				c.Head = Head{Writer: writer, Sequence: last, Hash: hash}
			}
		}
		r.Chains = append(r.Chains, c.Chain)
	}
	return r
}

func sortHeads(heads []Head) []Head {
	slices.SortFunc(heads, func(a, b Head) int { return cmp.Compare(a.Writer, b.Writer) })
	return heads
}
