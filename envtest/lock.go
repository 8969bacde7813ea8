package envtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

const lockPoll = 200 * time.Millisecond

// lockFile locks path against other processes and returns how to unlock it.
// The operating system drops the lock of a process that dies. waiting is called
// once, if somebody else has the lock.
func lockFile(ctx context.Context, path string, waiting func()) (unlock func(), err error) {
	ticker := time.NewTicker(lockPoll)
	defer ticker.Stop()
	for {
		f, err := tryLock(path)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, errLocked) {
			return nil, err
		}
		if waiting != nil {
			waiting()
			waiting = nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

var errLocked = errors.New("locked by another process")

// tryLock opens path and locks it until the file is closed, or fails at once.
func tryLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the lock file: %w", err)
	}
	if err := flock(f); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}
