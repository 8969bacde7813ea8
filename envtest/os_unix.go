//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package envtest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// flock locks an open file, or returns errLocked.
func flock(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return errLocked
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return nil
}

// signals to a process group, so that a server's own children get them too.
func terminate(cmd *exec.Cmd) error { return signalGroup(cmd, unix.SIGTERM) }
func freeze(cmd *exec.Cmd) error    { return signalGroup(cmd, unix.SIGSTOP) }
func thaw(cmd *exec.Cmd) error      { return signalGroup(cmd, unix.SIGCONT) }
func kill(cmd *exec.Cmd) error      { return signalGroup(cmd, unix.SIGKILL) }

func signalGroup(cmd *exec.Cmd, s unix.Signal) error {
	if err := unix.Kill(-cmd.Process.Pid, s); err != nil {
		return fmt.Errorf("send %s to %s: %w", unix.SignalName(s), cmd.Path, err)
	}
	return nil
}

// holdPort takes a free port of the loopback interface and keeps it from
// everybody but servers that are told to share it (--permit-port-sharing): no
// other program gets it, also while the server is down. The socket does not
// listen, so that clients of a server that is down are refused.
func holdPort() (port int, release func(), err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return 0, nil, fmt.Errorf("open a socket: %w", err)
	}
	unix.CloseOnExec(fd)
	release = func() { _ = unix.Close(fd) }
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		release()
		return 0, nil, fmt.Errorf("share a port: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte(net.IPv4(127, 0, 0, 1).To4())}); err != nil {
		release()
		return 0, nil, fmt.Errorf("take a free port: %w", err)
	}
	addr, err := unix.Getsockname(fd)
	if err != nil {
		release()
		return 0, nil, fmt.Errorf("learn which port was taken: %w", err)
	}
	inet, ok := addr.(*unix.SockaddrInet4)
	if !ok {
		release()
		return 0, nil, fmt.Errorf("learn which port was taken: unexpected address %T", addr)
	}
	return inet.Port, release, nil
}

// sharePort lets a listener of ours use a port that we hold.
func sharePort(_, _ string, c syscall.RawConn) error {
	var failure error
	err := c.Control(func(fd uintptr) {
		failure = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	})
	return errors.Join(err, failure)
}
