package envtest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const childVar = "TMC_ENVTEST_TEST_CHILD"

// TestTheChild is no test: it is the process that TestServersDieWithAKilledProcess
// starts and kills.
func TestTheChild(t *testing.T) {
	if os.Getenv(childVar) == "" {
		t.Skip("runs as a child only")
	}
	e := NewEtcd(t)
	// A frozen server must die too.
	require.NoError(t, e.Freeze())
	fmt.Println("child:", e.parts[0].proc.cmd.Process.Pid, e.dir.path)
	_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed, or its parent is gone
}

func TestServersDieWithAKilledProcess(t *testing.T) {
	child := exec.Command(os.Args[0], "-test.run=^TestTheChild$", "-test.v")
	child.Env = append(os.Environ(), childVar+"=1")
	child.Stderr = os.Stderr
	in, err := child.StdinPipe()
	require.NoError(t, err)
	defer in.Close() //nolint:errcheck // its end is all that it is for
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	defer child.Process.Kill() //nolint:errcheck // it is gone already unless the test failed

	var pid int
	var dir string
	for lines := bufio.NewScanner(out); dir == "" && lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "child: "); ok {
			_, err := fmt.Sscan(rest, &pid, &dir)
			require.NoError(t, err)
		}
	}
	require.NotEmpty(t, dir, "the child has said nothing")
	require.True(t, alive(pid))

	require.NoError(t, child.Process.Kill())
	_, _ = child.Process.Wait()
	require.Eventually(t, func() bool { return !alive(pid) }, soon, 10*time.Millisecond)

	require.DirExists(t, dir, "a killed process cannot clean up")
	next, err := newRunDir("next")
	require.NoError(t, err)
	defer next.remove() //nolint:errcheck // a test's folder
	assert.NoDirExists(t, dir, "the next one does")
	assert.DirExists(t, next.path)
}

// alive tells whether a process runs. One that has ended and waits for its
// parent to notice does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}

func TestAFolderInUseIsNotRemoved(t *testing.T) {
	first, err := newRunDir("Ünfit/name that is long")
	require.NoError(t, err)
	second, err := newRunDir("second")
	require.NoError(t, err)
	assert.DirExists(t, first.path)
	require.NoError(t, first.remove())
	require.NoError(t, second.remove())
	assert.NoDirExists(t, first.path)
}

func TestAHeldPortIsNobodyElses(t *testing.T) {
	ports := map[int]bool{}
	for range 50 {
		port, release, err := holdPort()
		require.NoError(t, err)
		defer release()
		assert.False(t, ports[port])
		ports[port] = true
	}
}

func TestAServerThatCannotStartShowsItsLog(t *testing.T) {
	_, err := StartEtcd(t.Context(), WithArgs(ServerEtcd, "--no-such-flag"))
	require.ErrorContains(t, err, "no-such-flag")
	require.ErrorContains(t, err, "its log ends")
}

func TestAServerThatIsNeverReadySaysWhy(t *testing.T) {
	start := time.Now()
	_, err := StartEtcd(t.Context(), WithStartTimeout(300*time.Millisecond), WithArgs(ServerEtcd, "--listen-client-urls=unix://elsewhere:1"))
	require.ErrorContains(t, err, "was not ready within 300ms")
	assert.Less(t, time.Since(start), soon)
}
