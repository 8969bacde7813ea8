package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// ending is how a file ends.
type ending struct {
	last *linked // nil if there is no whole line
	torn []byte  // what follows it
}

// readEnd reads the last whole line of a file, from behind.
func readEnd(path string) (*ending, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("audit: open file: %w", err)
	}
	defer func() { _ = file.Close() }()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, fmt.Errorf("audit: read %s: %w", path, err)
	}
	for length := int64(64 << 10); ; length *= 2 {
		from := max(0, size-length)
		data := make([]byte, size-from)
		if _, err := file.ReadAt(data, from); err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("audit: read %s: %w", path, err)
		}
		whole := data[:bytes.LastIndexByte(data, '\n')+1]
		end := &ending{torn: data[len(whole):]}
		if len(whole) == 0 && from == 0 {
			return end, nil
		}
		if begin := bytes.LastIndexByte(bytes.TrimSuffix(whole, []byte{'\n'}), '\n'); begin >= 0 || from == 0 {
			line := bytes.TrimSuffix(whole[begin+1:], []byte{'\n'})
			if end.last, err = parse(line); err != nil {
				return nil, fmt.Errorf("audit: the last line of %s is broken: %w; move the file away to begin a chain anew, and verify it", path, err)
			}
			return end, nil
		}
	}
}

// headsIn returns the heads of the chains of other writers in a directory, each
// as far as its last whole line.
func headsIn(dir, except string) ([]Head, error) {
	names, err := namesOf(dir)
	if err != nil {
		return nil, err
	}
	var heads []Head
	var errs []error
	for writer, files := range names {
		if writer == except {
			continue
		}
		for _, name := range slices.Backward(files) {
			end, err := readEnd(filepath.Join(dir, name))
			if err == nil && end.last == nil {
				continue
			}
			if err != nil {
				errs = append(errs, err)
			} else {
				heads = append(heads, end.last.Head)
			}
			break
		}
	}
	return sortHeads(heads), errors.Join(errs...)
}
