//go:build unix

package audit

import (
	"errors"
	"os"
	"syscall"
)

// lock makes sure that one process alone writes a chain. The operating system
// drops the lock of a process that dies.
func lock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(errors.New("another process writes this chain: give each a Writer of its own"), err, file.Close())
	}
	return file, nil
}
