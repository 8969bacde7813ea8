package envtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const runPrefix = "tmc-envtest-"

// A runDir holds what a server writes: data, certificates, logs. It is locked
// while its process lives, so that a later process can remove what a killed one
// left behind.
type runDir struct {
	path string
	lock *os.File
}

// newRunDir makes a folder where writing is cheap: in memory if there is room.
func newRunDir(name string) (*runDir, error) {
	base := memoryDir()
	if base == "" {
		base = os.TempDir()
	}
	removeOrphans(base)
	path, err := os.MkdirTemp(base, runPrefix+short(name)+"-")
	if err != nil {
		return nil, fmt.Errorf("make a data folder: %w", err)
	}
	// The file gets its name once it is locked: removeOrphans never meets one
	// that is not.
	lock, err := tryLock(filepath.Join(path, "lock.new"))
	if err == nil {
		err = os.Rename(lock.Name(), filepath.Join(path, "lock"))
	}
	if err != nil {
		_ = os.RemoveAll(path)
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	return &runDir{path: path, lock: lock}, nil
}

// removeOrphans removes the folders of processes that are gone. A folder
// without a lock file is being made right now.
func removeOrphans(base string) {
	locks, _ := filepath.Glob(filepath.Join(base, runPrefix+"*", "lock"))
	for _, path := range locks {
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			continue
		}
		if lock, err := tryLock(path); err == nil {
			_ = os.RemoveAll(filepath.Dir(path))
			_ = lock.Close()
		}
	}
}

func (d *runDir) file(elem ...string) string {
	return filepath.Join(append([]string{d.path}, elem...)...)
}

// write stores a file that only this user may read.
func (d *runDir) write(name string, content []byte) (path string, err error) {
	path = d.file(name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return "", fmt.Errorf("write %s: %w", name, err)
	}
	return path, nil
}

func (d *runDir) remove() error {
	if err := os.RemoveAll(d.path); err != nil {
		return fmt.Errorf("remove the data folder: %w", err)
	}
	return d.lock.Close()
}

// short makes a name fit for a folder: the path of a socket may have only about
// a hundred bytes.
func short(name string) string {
	name = strings.Map(func(r rune) rune {
		if r == '-' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, name)
	return name[:min(len(name), nameLimit)]
}

const nameLimit = 12
