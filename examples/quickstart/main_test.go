package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

// The program itself verifies every stage; this runs it as a reader would, with
// --keep, looks around by the kubeconfigs that it prints, and ends it by Ctrl-C.
func TestTheShowIsVerifiedKeptAndCleansUp(t *testing.T) {
	if testing.Short() {
		t.Skip("starts servers")
	}
	bin := filepath.Join(t.TempDir(), "quickstart")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, ".")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	program := exec.CommandContext(ctx, bin, "--keep")
	// Interrupted, not killed, should the test give up: it has servers to end.
	program.Cancel = func() error { return program.Process.Signal(os.Interrupt) }
	program.WaitDelay = 30 * time.Second
	program.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	var said bytes.Buffer
	r, w := io.Pipe()
	program.Stdout, program.Stderr = w, w
	require.NoError(t, program.Start())
	kept, read := make(chan map[string]string, 1), make(chan struct{})
	go func() { defer close(read); follow(io.TeeReader(r, &said), kept) }()
	ended := make(chan error, 1)
	go func() {
		err := program.Wait()
		_ = w.Close()
		<-read
		ended <- err
	}()
	select {
	case err := <-ended:
		t.Fatalf("ended before its time: %v\n%s", err, &said)
	case configs := <-kept:
		lookAround(t, configs)
	}

	require.NoError(t, program.Process.Signal(syscall.SIGINT))
	require.NoError(t, <-ended, "exit code 0: every stage was verified\n%s", &said)
	require.Contains(t, said.String(), "Every stage was verified")
	t.Log(said.String())
}

var hint = regexp.MustCompile(`kubectl --kubeconfig (\S+)/(\S+)\.kubeconfig`)

// sightings is how many kubeconfigs are printed: two tenants, the platform, and
// three clusters.
const sightings = 6

// follow reads what the program says, and tells the kubeconfigs once all of them
// have been printed.
func follow(r io.Reader, kept chan<- map[string]string) {
	configs := map[string]string{}
	for lines := bufio.NewScanner(r); lines.Scan(); {
		if m := hint.FindStringSubmatch(lines.Text()); m != nil {
			if configs[m[2]] = m[1] + "/" + m[2] + ".kubeconfig"; len(configs) == sightings {
				kept <- configs
			}
		}
	}
}

func lookAround(t *testing.T, configs map[string]string) {
	t.Helper()
	for name, file := range configs {
		cfg, err := clientcmd.BuildConfigFromFlags("", file)
		require.NoError(t, err)
		scheme := runtime.NewScheme()
		require.NoError(t, clusterv1alpha1.AddToScheme(scheme))
		require.NoError(t, appsv1.AddToScheme(scheme))
		c, err := client.New(cfg, client.Options{Scheme: scheme})
		require.NoError(t, err)
		if name == "platform" {
			var clusters clusterv1alpha1.PhysicalClusterList
			require.NoError(t, c.List(t.Context(), &clusters))
			require.Len(t, clusters.Items, len(sites))
			continue
		}
		var work appsv1.DeploymentList
		require.NoError(t, c.List(t.Context(), &work))
		for _, d := range work.Items {
			require.False(t, strings.HasPrefix(d.Name, "web"), "%s: what was deleted is gone: %s/%s", name, d.Namespace, d.Name)
		}
	}
}
