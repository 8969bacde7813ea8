package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// files are the files of one writer in a directory. Each is named after the
// writer and the first event in it, so that names sort as the chain does.
type files struct {
	dir, writer string
	rotation    Rotation
	lock        *os.File

	file    *os.File // nil: the next event begins one
	size    int64
	began   time.Time
	flushed time.Time
}

const (
	prefix = "audit-"
	suffix = ".jsonl"
	digits = 20 // of the largest sequence number
)

func fileName(writer string, first uint64) string {
	return fmt.Sprintf("%s%s-%0*d%s", prefix, writer, digits, first, suffix)
}

// parseFileName is the reverse of fileName.
func parseFileName(name string) (writer string, first uint64, ok bool) {
	rest, isOurs := strings.CutPrefix(name, prefix)
	rest, ends := strings.CutSuffix(rest, suffix)
	if !isOurs || !ends || len(rest) < digits+2 || rest[len(rest)-digits-1] != '-' {
		return "", 0, false
	}
	first, err := strconv.ParseUint(rest[len(rest)-digits:], 10, 64)
	return rest[:len(rest)-digits-1], first, err == nil
}

// namesOf returns the names of the files of each writer, in order.
func namesOf(dir string) (map[string][]string, error) {
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return nil, fmt.Errorf("audit: list files: %w", err)
	}
	names := map[string][]string{}
	for _, e := range entries {
		if writer, _, ok := parseFileName(e.Name()); ok && e.Type().IsRegular() {
			names[writer] = append(names[writer], e.Name())
		}
	}
	return names, nil
}

// openFiles locks a writer's chain and finds its head, and the digest of a half
// line behind it, if there is one.
func openFiles(dir, writer string, r Rotation, now time.Time) (*files, Head, string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, Head{}, "", fmt.Errorf("audit: make directory: %w", err)
	}
	held, err := lock(filepath.Join(dir, prefix+writer+".lock"))
	if err != nil {
		return nil, Head{}, "", fmt.Errorf("audit: writer %s in %s: %w", writer, dir, err)
	}
	f := &files{dir: dir, writer: writer, rotation: r, lock: held, flushed: now}
	head, torn, err := f.find()
	if err != nil {
		return nil, Head{}, "", errors.Join(err, held.Close())
	}
	return f, head, torn, nil
}

// find finds the head of the chain from behind, and goes on with the file that
// it is in, if that is whole.
func (f *files) find() (head Head, torn string, err error) {
	names, err := namesOf(f.dir)
	if err != nil {
		return Head{}, "", err
	}
	ours := names[f.writer]
	for i, name := range slices.Backward(ours) {
		path := filepath.Join(f.dir, name)
		end, err := readEnd(path)
		if err != nil {
			return Head{}, "", err
		}
		if len(end.torn) > 0 {
			sum := sha256.Sum256(end.torn)
			torn = hex.EncodeToString(sum[:])
		}
		if end.last == nil {
			continue // nothing but half a line, or nothing at all
		}
		if end.last.Writer != f.writer {
			return Head{}, "", fmt.Errorf("audit: %s ends with an event of writer %q", path, end.last.Writer)
		}
		if i == len(ours)-1 && torn == "" {
			err = f.resume(path)
		}
		return end.last.Head, torn, err
	}
	return Head{Writer: f.writer, Hash: none}, torn, nil
}

// resume goes on with a file that is whole.
func (f *files) resume(path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("audit: open file: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("audit: open file: %w", err), file.Close())
	}
	f.file, f.size, f.began = file, info.Size(), info.ModTime()
	return nil
}

// append writes a line. It returns up to which event rotation removed files;
// zero if it removed none.
func (f *files) append(line []byte, sequence uint64, now time.Time, flushEvery time.Duration) (pruned uint64, err error) {
	full := f.size > 0 && (f.size+int64(len(line)) >= f.rotation.MaxBytes || now.Sub(f.began) >= f.rotation.MaxAge)
	if f.file != nil && full {
		if err := f.end(); err != nil {
			return 0, err
		}
	}
	if f.file == nil {
		if err := f.begin(sequence, now); err != nil {
			return 0, err
		}
		pruned = f.prune()
	}
	n, err := f.file.Write(append(slices.Clip(line), '\n'))
	if err != nil {
		f.undo(n)
		return 0, fmt.Errorf("audit: write: %w", err)
	}
	f.size += int64(n)
	if now.Sub(f.flushed) >= flushEvery {
		f.flushed = now
		if err := f.file.Sync(); err != nil {
			// The event is in the chain; only a crash of the machine could
			// still lose it, and the next flush tries again.
			f.flushed = time.Time{}
		}
	}
	return pruned, nil
}

// undo takes back what was written of a line. If that fails, too, the half line
// stays at the end of its file, and the next line begins another.
func (f *files) undo(n int) {
	if n == 0 || f.file.Truncate(f.size) == nil {
		return
	}
	_ = f.file.Close()
	f.file = nil
}

func (f *files) begin(sequence uint64, now time.Time) error {
	file, err := os.OpenFile(filepath.Join(f.dir, fileName(f.writer, sequence)), os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		// A start died before a line of it was whole. What there is stays.
		err = os.Rename(filepath.Join(f.dir, fileName(f.writer, sequence)), filepath.Join(f.dir, fileName(f.writer, sequence)+".torn-"+strconv.FormatInt(now.UnixNano(), 36)))
		if err == nil {
			return f.begin(sequence, now)
		}
	}
	if err != nil {
		return fmt.Errorf("audit: begin file: %w", err)
	}
	f.file, f.size, f.began = file, 0, now
	return nil
}

func (f *files) end() error {
	err := errors.Join(f.file.Sync(), f.file.Close())
	f.file = nil
	if err != nil {
		return fmt.Errorf("audit: end file: %w", err)
	}
	return nil
}

// prune removes the oldest files beyond those to keep. A file that can't be
// removed now is tried again with the next.
func (f *files) prune() (last uint64) {
	names, err := namesOf(f.dir)
	ours := names[f.writer]
	if err != nil || f.rotation.Keep < 0 {
		return 0
	}
	for i := 0; i < len(ours)-max(1, f.rotation.Keep); i++ {
		if os.Remove(filepath.Join(f.dir, ours[i])) != nil {
			return last
		}
		_, next, _ := parseFileName(ours[i+1])
		last = next - 1
	}
	return last
}

func (f *files) close() error {
	var err error
	if f.file != nil {
		err = f.end()
	}
	return errors.Join(err, f.lock.Close())
}
