package envtest

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"time"
)

// A process is a child that does not outlive us, not even if we are killed.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{}
	err    error // how it ended, once exited is closed
}

// startProcess starts cmd. The goroutine that waits for the child holds the
// thread that made it: Linux kills the child when that thread ends, thus when
// this process does, and not before.
func startProcess(cmd *exec.Cmd) (*process, error) {
	prepareSpawn(cmd)
	p := &process{cmd: cmd, exited: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- fmt.Errorf("start %s: %w", cmd.Path, err)
			return
		}
		release, err := guard(cmd)
		if err != nil {
			_ = kill(cmd)
			_ = cmd.Wait()
			started <- fmt.Errorf("guard %s: %w", cmd.Path, err)
			return
		}
		started <- nil
		p.err = cmd.Wait()
		close(p.exited)
		release()
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// kill ends the process at once. It does nothing to one that has ended.
func (p *process) kill() {
	if p.running() {
		_ = kill(p.cmd) // the only possible failure is that it just ended
	}
}

// stop asks the process to end, kills it after grace, and waits.
func (p *process) stop(ctx context.Context, grace time.Duration) {
	if !p.running() {
		return
	}
	_ = thaw(p.cmd) // a frozen process cannot hear
	_ = terminate(p.cmd)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.exited:
		return
	case <-timer.C:
	case <-ctx.Done():
	}
	p.kill()
	<-p.exited
}
