package envtest

import (
	"bytes"
	"sync"
)

const (
	tailBytes = 64 << 10
	tailLines = 30
)

// tailBuffer keeps the end of what is written to it, and counts lines.
type tailBuffer struct {
	mu    sync.Mutex
	data  []byte
	count int
}

// Write implements io.Writer.
func (b *tailBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count += bytes.Count(p, []byte("\n"))
	b.data = append(b.data, p...)
	if len(b.data) > 2*tailBytes {
		b.data = append([]byte(nil), b.data[len(b.data)-tailBytes:]...)
	}
	return len(p), nil
}

func (b *tailBuffer) lines() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.count
}

func (b *tailBuffer) tail() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return lastLines(b.data, tailLines)
}

// lastLines returns the end of s, for a message.
func lastLines(s []byte, n int) string {
	all := bytes.Split(bytes.TrimRight(s, "\n"), []byte("\n"))
	if len(all) > n {
		all = all[len(all)-n:]
	}
	return string(bytes.Join(all, []byte("\n")))
}
