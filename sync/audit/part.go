package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// part is a run of events of one writer in one source.
type part struct {
	at       Place // of the first event
	first    uint64
	previous string
	hashes   [][sha256.Size]byte
}

// last returns the number of the last event.
func (p *part) last() uint64 { return p.first + uint64(len(p.hashes)) - 1 }

// hash returns the hash of an event, if it is in this part.
func (p *part) hash(sequence uint64) (string, bool) {
	if sequence < p.first || sequence > p.last() {
		return "", false
	}
	return hex.EncodeToString(p.hashes[sequence-p.first][:]), true
}

// add takes the next event. It says whether the very event is there already,
// or what is wrong with it.
func (p *part) add(l *linked) (again bool, problem string) {
	if len(p.hashes) > 0 {
		last, _ := p.hash(p.last())
		if hash, there := p.hash(l.Sequence); there {
			return hash == l.Hash, forked(l.Head, hash)
		}
		if problem := follows(l.Head, l.previous, Head{l.Writer, p.last(), last}); problem != "" {
			return false, problem
		}
	}
	var sum [sha256.Size]byte
	if _, err := hex.Decode(sum[:], []byte(l.Hash)); err != nil {
		return false, err.Error()
	}
	p.hashes = append(p.hashes, sum)
	return false, ""
}

// follows says what is wrong if an event comes behind another.
func follows(h Head, previous string, behind Head) string {
	switch {
	case h.Sequence > behind.Sequence+1:
		return fmt.Sprintf("events %d to %d of writer %s are missing before it", behind.Sequence+1, h.Sequence-1, h.Writer)
	case h.Sequence <= behind.Sequence:
		return fmt.Sprintf("event %d of writer %s comes behind event %d", h.Sequence, h.Writer, behind.Sequence)
	case previous != behind.Hash:
		return fmt.Sprintf("event %d of writer %s does not follow the event before it: one of the two is another than was written", h.Sequence, h.Writer)
	}
	return ""
}

func forked(h Head, hash string) string {
	if hash == h.Hash {
		return ""
	}
	return fmt.Sprintf("there are two events %d of writer %s: two processes wrote the chain, or one event was made up", h.Sequence, h.Writer)
}

// join checks that the parts, sorted, make one chain.
func (c *chain) join() error {
	head := Head{Writer: c.Writer, Hash: none}
	for i, p := range c.parts {
		if i == 0 && p.first > 1 {
			if c.pruned < p.first-1 {
				return &BrokenError{p.at, fmt.Sprintf("events 1 to %d of writer %s are missing, and no event says that rotation removed them", p.first-1, c.Writer)}
			}
			head = Head{Writer: c.Writer, Sequence: p.first - 1, Hash: p.previous}
		}
		if p.first <= head.Sequence {
			if err := c.overlap(i); err != nil {
				return err
			}
		} else if problem := follows(Head{Writer: c.Writer, Sequence: p.first}, p.previous, head); problem != "" {
			return &BrokenError{p.at, problem}
		}
		if p.last() > head.Sequence {
			hash, _ := p.hash(p.last())
			head = Head{Writer: c.Writer, Sequence: p.last(), Hash: hash}
		}
	}
	return nil
}

// overlap checks a part that begins within those before it: the events that
// both have must be the same.
func (c *chain) overlap(i int) error {
	p := c.parts[i]
	for _, before := range c.parts[:i] {
		for n := p.first; n <= min(p.last(), before.last()); n++ {
			a, ok := before.hash(n)
			b, _ := p.hash(n)
			if ok && a != b {
				return &BrokenError{Place{p.at.Source, p.at.Line + int(n-p.first)}, forked(Head{c.Writer, n, b}, a)}
			}
		}
	}
	return nil
}
