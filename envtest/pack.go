package envtest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// pack writes the named folders of dir into one file, which appears when it is
// whole.
func pack(file, dir string, folders []string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(file), unfinished+"*")
	if err != nil {
		return fmt.Errorf("make %s: %w", file, err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	zipped, _ := gzip.NewWriterLevel(f, gzip.BestSpeed) // fails for an unknown level only
	archive := tar.NewWriter(zipped)
	for _, folder := range folders {
		if err := addFolder(archive, dir, folder); err != nil {
			return fmt.Errorf("pack %s: %w", folder, err)
		}
	}
	if err := errors.Join(archive.Close(), zipped.Close(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return os.Rename(f.Name(), file)
}

func addFolder(archive *tar.Writer, dir, folder string) error {
	return filepath.WalkDir(filepath.Join(dir, folder), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		header := &tar.Header{Name: filepath.ToSlash(name), Mode: 0o600, Size: info.Size(), ModTime: info.ModTime()}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close() //nolint:errcheck // only read
		_, err = io.Copy(archive, f)
		return err
	})
}

// unpack lays out in dir what pack wrote.
func unpack(file, dir string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	zipped, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	archive := tar.NewReader(zipped)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", file, err)
		}
		if !filepath.IsLocal(header.Name) {
			return fmt.Errorf("read %s: it names %q, outside of its folder", file, header.Name)
		}
		if err := extract(archive, filepath.Join(dir, header.Name), header.Size); err != nil {
			return fmt.Errorf("unpack %s: %w", header.Name, err)
		}
	}
}

// extract writes one file and leaves holes where it is empty: etcd reserves
// 64 MB for a log that it hardly uses, and our folder may be in memory.
func extract(r io.Reader, path string, size int64) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var block, empty [chunk]byte
	for at := int64(0); at < size; {
		n, err := io.ReadFull(r, block[:min(chunk, size-at)])
		if err != nil {
			return err
		}
		if !bytes.Equal(block[:n], empty[:n]) {
			if _, err := f.WriteAt(block[:n], at); err != nil {
				return err
			}
		}
		at += int64(n)
	}
	return f.Truncate(size)
}
