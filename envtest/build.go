package envtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// A BuildError says that a server could not be built, with the end of what the
// build printed.
type BuildError struct {
	Server Server
	Log    string // the last lines
	Err    error
}

// Error implements error.
func (e *BuildError) Error() string {
	return fmt.Sprintf("build %s: %v; mend what the log below says, or set %s to a binary of your own:\n%s",
		e.Server, e.Err, e.Server.EnvVar(), e.Log)
}

// Unwrap returns the build's own error.
func (e *BuildError) Unwrap() error { return e.Err }

// build makes s in the cache, one build at a time over all processes, and
// returns its path.
func build(ctx context.Context, cache string, s Server, w io.Writer) (string, error) {
	r := recipes[s]
	target, err := cached(cache, s, r)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("make the cache folder; set Builder.Dir or %s to one that can be written: %w", EnvAssets, err)
	}

	p := startProgress(w, fmt.Sprintf("%s %s", s, r.version))
	defer p.stop()
	unlock, err := lockFile(ctx, filepath.Join(cache, "build.lock"), func() { p.say("waiting for another build") })
	if err != nil {
		return "", fmt.Errorf("wait for the build lock: %w", err)
	}
	defer unlock()
	if executable(target) == nil {
		return target, nil // built by the process that we waited for
	}

	removeStale(cache)
	dir, err := os.MkdirTemp(cache, unfinished)
	if err != nil {
		return "", fmt.Errorf("make a build folder: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // the next build removes what is left
	p.say("building (once, about " + r.duration + " on two cores)")
	if log, err := compile(ctx, dir, filepath.Join(dir, "bin", string(s)), r, p); err != nil {
		if ctx.Err() != nil {
			return "", fmt.Errorf("build %s: %w", s, context.Cause(ctx))
		}
		return "", &BuildError{Server: s, Log: log, Err: err}
	}
	// The folder appears with the binary in it, or not at all.
	if err := os.RemoveAll(filepath.Dir(target)); err != nil {
		return "", fmt.Errorf("install %s: %w", s, err)
	}
	if err := os.Rename(filepath.Join(dir, "bin"), filepath.Dir(target)); err != nil {
		return "", fmt.Errorf("install %s: %w", s, err)
	}
	p.done("built")
	return target, nil
}

const unfinished = "unfinished-"

// removeStale removes what killed builds left. The caller holds the lock.
func removeStale(cache string) {
	stale, _ := filepath.Glob(filepath.Join(cache, unfinished+"*"))
	for _, dir := range stale {
		_ = os.RemoveAll(dir)
	}
}

// compile runs the Go compiler. On failure it returns the end of its output.
func compile(ctx context.Context, dir, out string, r recipe, p *progress) (string, error) {
	if err := r.writePins(dir); err != nil {
		return "", err
	}
	goTool, err := findGo()
	if err != nil {
		return "", err
	}
	var log tailBuffer
	p.watch(&log)
	cmd := exec.Command(goTool, "build", "-v", "-mod=readonly", "-trimpath", "-buildvcs=false",
		"-ldflags="+r.ldflags(), "-o", out, r.pkg)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GO111MODULE=on", "GOFLAGS=-mod=readonly",
		"GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH, "PWD="+dir)
	cmd.Stdout, cmd.Stderr = &log, &log
	proc, err := startProcess(cmd)
	if err != nil {
		return "", fmt.Errorf("run the Go compiler: %w", err)
	}
	select {
	case <-proc.exited:
	case <-ctx.Done():
		proc.kill()
		<-proc.exited
	}
	return log.tail(), proc.err
}

// findGo looks where the go command that runs us would look.
func findGo() (string, error) {
	if path, err := exec.LookPath("go"); err == nil {
		return path, nil
	}
	if root := os.Getenv("GOROOT"); root != "" {
		if path := filepath.Join(root, "bin", "go"); executable(path) == nil {
			return path, nil
		}
	}
	return "", errors.New("no go command found: put Go's bin folder on PATH")
}
