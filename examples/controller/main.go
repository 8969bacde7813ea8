// Command controller is a TMC controller to deploy: every room of the SDK,
// composed by a configuration file. docs/deploy.md says how to run it, docs/pull.md
// how to run it as the agent of a cluster that nobody reaches from outside, and
// docs/metrics.md how to watch it.
//
// A platform that adds scorers, filters or transformers of its own copies this
// file and puts them into known.
package main

//go:generate go test . -run "TestRoles|TestCatalogueIs" -update

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/tmc-sdk/tmc/examples/controller/config"
)

// known is what configurations can name beside what the SDK has: put your own
// here.
var known config.Known

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// run is the command without the process around it.
func run(ctx context.Context, args []string, out io.Writer) error {
	f, err := parse(args)
	if err != nil {
		return err
	}
	c, err := f.load(known)
	if err != nil {
		return err
	}
	if f.print {
		text, err := c.Encode()
		if err != nil {
			return err
		}
		_, err = out.Write(text)
		return err
	}
	logger, level, err := newLogger(c.Logging, os.Stderr)
	if err != nil {
		return err
	}
	log.SetLogger(logger)
	klog.SetLogger(logger)
	var x *controller
	if c.Mode == config.ModeAgent {
		x, err = composeAgent(ctx, c, f, level, metrics.Registry)
	} else {
		x, err = compose(c, f, level, metrics.Registry)
	}
	if err != nil {
		return err
	}
	logger.Info("Starting", "mode", c.Mode, "installation", c.Installation, "version", version())
	if err := errors.Join(x.mgr.Start(ctx), x.close()); err != nil {
		return fmt.Errorf("controller ended: %w", err)
	}
	logger.Info("Stopped: no call is under way, and another replica may lead")
	return nil
}
