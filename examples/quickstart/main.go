// Command quickstart shows the main job on real servers: work that tenants
// write in kcp workspaces is placed on physical clusters by score, transformed,
// applied, runs there, and reports back; it moves when its cluster fails, and
// goes without a trace when it is deleted.
//
// It needs nothing but Go: kcp, Kubernetes, etcd and kwok are built on the first
// run and kept in the user's cache.
//
// Exit code 0 means that every stage was verified.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

func main() {
	keep := flag.Bool("keep", false, "leave all running at the end, and print how to look around")
	verbose := flag.Bool("v", false, "show the controller's log")
	flag.Parse()
	if *verbose {
		log.SetLogger(zap.New())
	} else {
		log.SetLogger(logr.Discard())
		klog.SetLogger(logr.Discard())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := show(ctx, *keep); err != nil {
		stop()
		fmt.Fprintf(os.Stderr, "\nfailed: %v\n", err)
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

// show runs the stages, one after the other.
func show(ctx context.Context, keep bool) (err error) {
	began := time.Now()
	say("Starting kcp and %d physical clusters (each server is built once, which takes minutes)", len(sites))
	s, err := startServers(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	ready := time.Now()

	say("Registering the clusters in workspace root:platform")
	platform, err := register(ctx, s)
	if err != nil {
		return err
	}

	say("Starting the controller")
	mgr, fleet, engine, err := compose(s.kcp.Config(platform))
	if err != nil {
		return err
	}
	running, stop := context.WithCancelCause(ctx)
	done := run(running, mgr, func(err error) { stop(fmt.Errorf("controller: %w", err)) })
	defer func() { stop(nil); <-done }()

	p := &play{ctx: running, servers: s, platform: platform, fleet: fleet, engine: engine}
	if err := p.run(); err != nil {
		if cause := context.Cause(running); cause != nil && ctx.Err() == nil {
			err = errors.Join(err, cause)
		}
		return err
	}
	say("Every stage was verified: %.0f s, of which %.0f s to start servers", time.Since(began).Seconds(), ready.Sub(began).Seconds())
	if keep {
		return stay(ctx, s, p)
	}
	return nil
}

// stay leaves everything running until the user has seen enough.
func stay(ctx context.Context, s *servers, p *play) error {
	dir, err := os.MkdirTemp("", "tmc-quickstart-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	say("Everything is left running until Ctrl-C. Look around:")
	for _, t := range p.tenants {
		config, err := s.kcp.Kubeconfig(t.workspace.Path)
		if err != nil {
			return err
		}
		if err := writeHint(dir, t.name, config, "get deployments,placements,configmaps"); err != nil {
			return err
		}
	}
	config, err := s.kcp.Kubeconfig(p.platform)
	if err != nil {
		return err
	}
	if err := writeHint(dir, "platform", config, "get physicalclusters,apiexports"); err != nil {
		return err
	}
	for name, c := range s.clusters {
		config, err := c.Kubeconfig()
		if err != nil {
			return err
		}
		if err := writeHint(dir, name, config, "get deployments,pods --all-namespaces"); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return nil
}

func writeHint(dir, name string, config []byte, command string) error {
	file := dir + "/" + name + ".kubeconfig"
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return err
	}
	fmt.Printf("  kubectl --kubeconfig %s %s\n", file, command)
	return nil
}

// siteClients returns a client for every physical cluster.
func siteClients(s *servers) (map[string]client.Client, error) {
	clients := map[string]client.Client{}
	for name, c := range s.clusters {
		cl, err := c.Client()
		if err != nil {
			return nil, err
		}
		clients[name] = cl
	}
	return clients, nil
}

func say(format string, args ...any) { fmt.Printf("\n▸ "+format+"\n", args...) }
