package envtest

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// A component is one server of an instance.
type component struct {
	server Server
	path   string
	args   []string
	dir    *runDir
	// ready asks once whether the server is of use; nil asks nothing.
	ready func(ctx context.Context) error

	proc *process
}

const (
	readyPoll = 50 * time.Millisecond
	logLines  = 40
)

func (c *component) logPath() string { return c.dir.file(string(c.server) + ".log") }

// start runs the server, its output added to its log.
func (c *component) start() error {
	log, err := os.OpenFile(c.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the log of %s: %w", c.server, err)
	}
	defer log.Close() //nolint:errcheck // the child has its own handle
	cmd := exec.Command(c.path, c.args...)
	cmd.Dir = c.dir.path
	// A server must not find the user's kubeconfig or configuration.
	cmd.Env = []string{"HOME=" + c.dir.path, "TMPDIR=" + c.dir.path, "PATH=" + os.Getenv("PATH")}
	cmd.Stdout, cmd.Stderr = log, log
	c.proc, err = startProcess(cmd)
	return err
}

// waitReady waits for ready, for the server's end or for the end of ctx.
func (c *component) waitReady(ctx context.Context) error {
	if c.ready == nil {
		return nil
	}
	ticker := time.NewTicker(readyPoll)
	defer ticker.Stop()
	for {
		err := c.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-c.proc.exited:
			return fmt.Errorf("%s ended before it was ready (%s); its log ends:\n%s", c.server, c.state(), c.logTail())
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w; last answer: %w; its log ends:\n%s",
				c.server, context.Cause(ctx), err, c.logTail())
		case <-ticker.C:
		}
	}
}

func (c *component) stop(ctx context.Context) {
	if c.proc != nil {
		c.proc.stop(ctx, stopGrace)
	}
}

func (c *component) freeze() error { return c.signal(freeze) }
func (c *component) thaw() error   { return c.signal(thaw) }

func (c *component) signal(send func(*exec.Cmd) error) error {
	if c.proc == nil || !c.proc.running() {
		return nil
	}
	return send(c.proc.cmd)
}

func (c *component) state() string {
	switch {
	case c.proc == nil:
		return "not started"
	case c.proc.running():
		return "running"
	case c.proc.err != nil:
		return c.proc.err.Error()
	default:
		return "ended"
	}
}

func (c *component) logTail() string {
	f, err := os.Open(c.logPath())
	if err != nil {
		return err.Error()
	}
	defer f.Close() //nolint:errcheck // only read
	if info, err := f.Stat(); err == nil && info.Size() > tailBytes {
		_, _ = f.Seek(-tailBytes, io.SeekEnd)
	}
	content, err := io.ReadAll(f)
	if err != nil {
		return err.Error()
	}
	return lastLines(content, logLines)
}
