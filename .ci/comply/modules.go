package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// module is one that is compiled into a program.
type module struct {
	Path, Version, Dir string
	// Sum is the h1 hash of go.sum; empty for the main module.
	Sum string
	// License is an SPDX identifier; unknown if it could not be told.
	License string
	// Files are those of its license.
	Files []string
}

// static is how programs are built here, as in the Dockerfile.
func static() []string { return append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly") }

// modulesOf returns the modules of which packages are compiled into a program,
// sorted, and the standard library as the module std. Tests are no part of it.
func modulesOf(ctx context.Context, target string) ([]module, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-json=Standard,Module", target)
	cmd.Env, cmd.Stderr = static(), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list packages: %w", err)
	}
	std, err := standard(ctx)
	if err != nil {
		return nil, err
	}
	known := map[string]module{"std": std}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var pkg struct {
			Module *struct {
				Path, Version, Dir, Sum string
				Replace                 *struct{ Path, Version, Dir, Sum string }
			}
		}
		if err := decoder.Decode(&pkg); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("read go list: %w", err)
		}
		if m := pkg.Module; m != nil {
			made := module{Path: m.Path, Version: m.Version, Dir: m.Dir, Sum: m.Sum}
			if r := m.Replace; r != nil {
				made = module{Path: r.Path, Version: r.Version, Dir: r.Dir, Sum: r.Sum}
			}
			known[m.Path] = made
		}
	}
	return licensed(known)
}

// licensed finds the licenses.
func licensed(known map[string]module) ([]module, error) {
	all := make([]module, 0, len(known))
	for _, m := range known {
		var err error
		if m.License, m.Files, err = licenseOf(m.Dir); err != nil {
			return nil, fmt.Errorf("%s: %w", m.Path, err)
		}
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b module) int { return cmp.Compare(a.Path, b.Path) })
	return all, nil
}

// standard is the standard library.
func standard(ctx context.Context) (module, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT", "GOVERSION").Output()
	if err != nil {
		return module{}, fmt.Errorf("ask for the Go version: %w", err)
	}
	root, version, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	dir := filepath.Clean(root)
	if _, err := os.Stat(filepath.Join(dir, "LICENSE")); err != nil {
		dir = filepath.Join(dir, "..") // as some distributions lay it out
	}
	return module{Path: "std", Version: strings.TrimPrefix(version, "go"), Dir: dir}, nil
}
