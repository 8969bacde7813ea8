package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// reproduce builds a program twice as the Dockerfile does, the second time of a
// copy of the sources in another folder, and compares. With COMPLY_FROM_SCRATCH
// set, the second build has an empty build cache, too, which takes minutes.
func reproduce(ctx context.Context, target string, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "comply-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("find the module: %w", err)
	}
	elsewhere := filepath.Join(dir, "elsewhere")
	if err := copySources(ctx, strings.TrimSpace(string(root)), elsewhere); err != nil {
		return err
	}
	first, err := buildOne(ctx, strings.TrimSpace(string(root)), target, filepath.Join(dir, "first"))
	if err != nil {
		return err
	}
	var scratch []string
	if os.Getenv("COMPLY_FROM_SCRATCH") != "" {
		scratch = []string{"GOCACHE=" + filepath.Join(dir, "cache")}
	}
	second, err := buildOne(ctx, elsewhere, target, filepath.Join(dir, "second"), scratch...)
	if err != nil {
		return err
	}
	if first != second {
		return fmt.Errorf("two builds differ: %s and %s", first, second)
	}
	_, err = fmt.Fprintf(out, "%s  %s\n", first, target)
	return err
}

func buildOne(ctx context.Context, dir, target, file string, env ...string) (sum string, err error) {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", file, target)
	cmd.Dir, cmd.Stderr, cmd.Env = dir, os.Stderr, append(static(), env...)
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("build: %w", err)
	}
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// copySources copies what git knows of, as it is in the folder.
func copySources(ctx context.Context, from, to string) error {
	cmd := exec.CommandContext(ctx, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = from
	list, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("list sources: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		text, err := os.ReadFile(filepath.Join(from, name))
		if errors.Is(err, os.ErrNotExist) {
			continue // it was deleted and that is not committed
		}
		if err != nil {
			return err
		}
		path := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return err
		}
	}
	return nil
}
