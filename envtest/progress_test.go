package envtest

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestATerminalSeesOneLine(t *testing.T) {
	var out bytes.Buffer
	p := &progress{w: &out, terminal: true, what: "kcp v1", start: time.Now(), quit: make(chan struct{})}
	var log tailBuffer
	p.say("building")
	p.watch(&log)
	_, _ = log.Write([]byte("one/package\nanother/package\n"))
	p.say("still building")
	p.done("built")
	p.stop()
	assert.Equal(t, "\r\x1b[Ktmc-envtest: kcp v1: building, 0s"+
		"\r\x1b[Ktmc-envtest: kcp v1: still building, 0s, 2 packages"+
		"\r\x1b[Ktmc-envtest: kcp v1: built, 0s\n", out.String())
}
