package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// block is a fenced block of a page.
type block struct {
	language, section, text string
}

// blocksOf returns the fenced blocks of a page, in order.
func blocksOf(t *testing.T, path string) []block {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	var blocks []block
	var section string
	var open *block
	for line := range strings.Lines(string(data)) {
		switch fence, isFence := strings.CutPrefix(strings.TrimSpace(line), "```"); {
		case isFence && open == nil:
			open = &block{language: fence, section: section}
		case isFence:
			blocks = append(blocks, *open)
			open = nil
		case open != nil:
			open.text += line
		case strings.HasPrefix(line, "## "):
			section = strings.TrimSpace(line[3:])
		}
	}
	require.Nil(t, open, "a fence is not closed")
	return blocks
}

// shell runs the blocks of a page in one bash, as a reader would.
type shell struct {
	t      *testing.T
	in     io.WriteCloser
	lines  chan string
	blocks int
}

// newShell starts bash in the repository, with kubectl on its path.
func newShell(t *testing.T, env map[string]string) *shell {
	t.Helper()
	bash, err := exec.LookPath("bash")
	require.NoError(t, err)
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), bash, "-euo", "pipefail", "-s")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "PATH="+filepath.Dir(kubectl(t))+":"+plugin(t)+":"+os.Getenv("PATH"))
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	s := &shell{t: t, lines: make(chan string, 100)}
	s.in, err = cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = cmd.Stdout
	require.NoError(t, cmd.Start())
	go func() {
		defer close(s.lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			s.lines <- scanner.Text()
		}
	}()
	t.Cleanup(func() {
		_ = s.in.Close()
		for range s.lines { // until it has ended
			continue
		}
		_ = cmd.Wait()
	})
	return s
}

// run runs a block and returns what it printed.
func (s *shell) run(b block) string {
	s.t.Helper()
	s.blocks++
	began := time.Now()
	end := fmt.Sprintf("::end of block %d::", s.blocks)
	_, err := io.WriteString(s.in, b.text+"\nprintf '\\n%s\\n' '"+end+"'\n")
	require.NoError(s.t, err, "the shell has ended")
	var out strings.Builder
	for line := range s.lines {
		if line == end {
			s.t.Logf("%s, block %d: ran in %s", b.section, s.blocks, time.Since(began).Round(100*time.Millisecond))
			return strings.TrimSpace(out.String())
		}
		out.WriteString(line + "\n")
	}
	require.FailNow(s.t, "a block of the page failed", "%s\n\nprinted:\n%s", b.text, out.String())
	return ""
}

// plugin builds kubectl-tmc, and returns the folder that it is in.
func plugin(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", dir, "../kubectl-tmc").CombinedOutput()
	require.NoError(t, err, string(out))
	return dir
}

// kubectl finds kubectl, or builds it of the sources that the test servers are
// built of.
func kubectl(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("kubectl"); err == nil {
		return path
	}
	dir := t.TempDir()
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join("..", "..", "envtest", "pins", "kubernetes", name+".txt"))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	path := filepath.Join(dir, "kubectl")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-mod=mod", "-o", path, "k8s.io/kubernetes/cmd/kubectl")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return path
}
