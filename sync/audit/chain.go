package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Head is the last event of a chain, or of a part of it.
type Head struct {
	// Writer of the chain.
	Writer string
	// Sequence number of the event; the first is 1.
	Sequence uint64
	// Hash of the event.
	Hash string
}

// String writes a head as "writer=sequence:hash"; ParseHead reads it.
func (h Head) String() string { return fmt.Sprintf("%s=%d:%s", h.Writer, h.Sequence, h.Hash) }

// ParseHead reads what Head.String wrote.
func ParseHead(text string) (Head, error) {
	writer, rest, ok := strings.Cut(text, "=")
	number, hash, ok2 := strings.Cut(rest, ":")
	sequence, err := strconv.ParseUint(number, 10, 64)
	if !ok || !ok2 || err != nil || !validWriter(writer) || !validHash(hash) {
		return Head{}, fmt.Errorf("audit: head %q is not of the form writer=sequence:hash", text)
	}
	return Head{Writer: writer, Sequence: sequence, Hash: hash}, nil
}

func validHash(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == sha256.Size
}

// validWriter says whether a name can be that of a writer: it is part of names
// of files and of heads.
func validWriter(s string) bool {
	if s == "" || len(s) > 128 || s[0] == '.' {
		return false
	}
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return true
}

// none is what the first event of a chain has for the hash before it.
var none = strings.Repeat("0", 2*sha256.Size)

// link gives an event its place behind a head and returns its line, without
// the newline, and the new head.
func link(ev *Event, behind Head) ([]byte, Head, error) {
	if ev.Annotations == nil {
		ev.Annotations = map[string]string{}
	}
	delete(ev.Annotations, AnnotationHash)
	head := Head{Writer: behind.Writer, Sequence: behind.Sequence + 1}
	ev.Annotations[AnnotationWriter] = head.Writer
	ev.Annotations[AnnotationSequence] = strconv.FormatUint(head.Sequence, 10)
	ev.Annotations[AnnotationPrevious] = behind.Hash
	data, err := json.Marshal(ev)
	if err != nil {
		return nil, Head{}, fmt.Errorf("audit: encode event: %w", err)
	}
	fields, err := decode(data)
	if err != nil {
		return nil, Head{}, err
	}
	annotations := fields["annotations"].(map[string]any) // it was set above
	if head.Hash, err = hashOf(fields); err != nil {
		return nil, Head{}, err
	}
	annotations[AnnotationHash], ev.Annotations[AnnotationHash] = head.Hash, head.Hash
	line, err := json.Marshal(fields)
	if err != nil {
		return nil, Head{}, fmt.Errorf("audit: encode event: %w", err)
	}
	return line, head, nil
}

// linked is what a line says of its place in the chain.
type linked struct {
	Head
	previous    string
	verb        string
	annotations map[string]any
}

var (
	errNotCanonical = errors.New("it is not written as the log writes it")
	errHash         = errors.New("its contents do not have its hash: it was changed")
)

// parse reads a line and checks that it has the hash that it says it has.
func parse(line []byte) (*linked, error) {
	fields, err := decode(line)
	if err != nil {
		return nil, err
	}
	same, err := json.Marshal(fields)
	if err != nil || !bytes.Equal(same, line) {
		return nil, errNotCanonical
	}
	annotations, _ := fields["annotations"].(map[string]any)
	text := func(name string) string { s, _ := annotations[name].(string); return s }
	l := &linked{Head: Head{Writer: text(AnnotationWriter), Hash: text(AnnotationHash)}, previous: text(AnnotationPrevious), annotations: annotations}
	l.verb, _ = fields["verb"].(string)
	l.Sequence, err = strconv.ParseUint(text(AnnotationSequence), 10, 64)
	if err != nil || l.Sequence == 0 || !validWriter(l.Writer) || !validHash(l.Hash) || !validHash(l.previous) {
		return nil, errors.New("it says nothing of its place in a chain")
	}
	delete(annotations, AnnotationHash)
	if sum, err := hashOf(fields); err != nil || sum != l.Hash {
		return nil, errHash
	}
	return l, nil
}

// text returns an annotation.
func (l *linked) text(name string) string { s, _ := l.annotations[name].(string); return s }

func decode(line []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	var fields map[string]any
	if err := d.Decode(&fields); err != nil {
		return nil, fmt.Errorf("it is no JSON object: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	return fields, nil
}

func hashOf(fields map[string]any) (string, error) {
	data, err := json.Marshal(fields) // sorts keys
	if err != nil {
		return "", fmt.Errorf("audit: encode event: %w", err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

// Line returns an event that a Sink was given, or a webhook received, as the
// line that the log wrote: what Verify reads.
func Line(ev *Event) ([]byte, error) {
	data, err := json.Marshal(ev)
	if err != nil {
		return nil, fmt.Errorf("audit: encode event: %w", err)
	}
	fields, err := decode(data)
	if err != nil {
		return nil, err
	}
	return json.Marshal(fields)
}
