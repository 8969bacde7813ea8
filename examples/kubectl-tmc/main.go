// Command kubectl-tmc is the platform team's hand on a fleet: what runs where
// and why, what a change would do, what is wrong and how to mend it. Put it on
// the PATH and call it as "kubectl tmc".
//
// The current context leads to the workspace with the PhysicalClusters; name
// another with --platform. A tenant's workspace is named with --workspace, by
// its path or its logical cluster.
//
// It speaks kubectl's flags by client-go's clientcmd alone: cli-runtime would
// bring kustomize into the dependencies of a library.
//
// Exit codes: 0 all is well, 1 it failed, 2 it worked and what it found is not
// well.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// errFindings says that a command did its work and found something wrong, of
// which it has told.
var errFindings = errors.New("findings")

func main() {
	log.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newRoot(&session{in: os.Stdin, out: os.Stdout, errOut: os.Stderr}).ExecuteContext(ctx)
	stop()
	os.Exit(exitCode(err))
}

func exitCode(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errFindings):
		return 2
	}
	fmt.Fprintln(os.Stderr, "error: "+err.Error())
	return 1
}
