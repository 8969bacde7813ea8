//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package envtest

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

func prepareSpawn(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}

// guard starts a shell that waits for the end of a pipe that we hold, which
// comes when we die however we die, and then kills the server's group.
func guard(cmd *exec.Cmd) (release func(), err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("open a pipe: %w", err)
	}
	group := strconv.Itoa(cmd.Process.Pid)
	watch := exec.Command("/bin/sh", "-c", "read line || kill -9 -"+group)
	watch.Stdin = r
	watch.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = watch.Start()
	_ = r.Close()
	if err != nil {
		_ = w.Close()
		return nil, fmt.Errorf("start the watchdog: %w", err)
	}
	return func() {
		_, _ = w.WriteString("released\n")
		_ = w.Close()
		_ = watch.Wait()
	}, nil
}

// memoryDir finds no file system in memory here.
func memoryDir() string { return "" }
