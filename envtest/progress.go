package envtest

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// progress tells a person what takes so long: one line that renews itself on a
// terminal, a plain line now and then elsewhere.
type progress struct {
	w        io.Writer
	terminal bool
	what     string
	start    time.Time
	quit     chan struct{}
	wg       sync.WaitGroup

	mu    sync.Mutex
	doing string
	log   *tailBuffer
	wrote bool
}

const (
	progressTick  = time.Second
	progressPlain = 30 // ticks between plain lines
)

func startProgress(w io.Writer, what string) *progress {
	p := &progress{w: w, terminal: isTerminal(w), what: what, start: time.Now(), quit: make(chan struct{})}
	p.wg.Go(p.run)
	return p
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (p *progress) run() {
	ticker := time.NewTicker(progressTick)
	defer ticker.Stop()
	for n := 1; ; n++ {
		select {
		case <-p.quit:
			return
		case <-ticker.C:
		}
		p.mu.Lock()
		if p.doing != "" && (p.terminal || n%progressPlain == 0) {
			p.write(p.doing)
		}
		p.mu.Unlock()
	}
}

// say replaces what is being done, and shows it at once.
func (p *progress) say(doing string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.doing != doing {
		p.doing = doing
		p.write(doing)
	}
}

// watch counts the packages that a compiler has named in log so far.
func (p *progress) watch(log *tailBuffer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log = log
}

// done shows the last word. stop follows it or stands alone.
func (p *progress) done(word string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doing, p.log = word, nil
	p.write(word)
}

func (p *progress) stop() {
	close(p.quit)
	p.wg.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.terminal && p.wrote {
		_, _ = fmt.Fprintln(p.w)
	}
}

func (p *progress) write(doing string) {
	line := fmt.Sprintf("tmc-envtest: %s: %s, %s", p.what, doing, time.Since(p.start).Round(time.Second))
	if p.log != nil {
		if n := p.log.lines(); n > 0 {
			line += fmt.Sprintf(", %d packages", n)
		}
	}
	p.wrote = true
	if p.terminal {
		_, _ = fmt.Fprintf(p.w, "\r\x1b[K%s", line)
	} else {
		_, _ = fmt.Fprintln(p.w, line)
	}
}
