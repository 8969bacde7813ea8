// Command tmc-envtest builds the servers that package envtest runs, ahead of
// the tests that need them, and prints where they are:
//
//	go run github.com/tmc-sdk/tmc/envtest/cmd/tmc-envtest
//	go run github.com/tmc-sdk/tmc/envtest/cmd/tmc-envtest etcd kube-apiserver
//	eval "$(go run github.com/tmc-sdk/tmc/envtest/cmd/tmc-envtest -env)"
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "tmc-envtest:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("tmc-envtest", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		_, _ = fmt.Fprintf(stderr, "usage: tmc-envtest [flags] [server ...]\n\nservers: %v, all by default\n\n", tmcenvtest.Servers())
		flags.PrintDefaults()
	}
	dir := flags.String("dir", "", "cache `folder` (default tmc-envtest in the user's cache folder)")
	env := flags.Bool("env", false, "print export lines for a shell")
	if err := flags.Parse(args); err != nil {
		return err
	}
	servers := tmcenvtest.Servers()
	if flags.NArg() > 0 {
		servers = servers[:0]
		for _, name := range flags.Args() {
			servers = append(servers, tmcenvtest.Server(name))
		}
	}
	assets, err := tmcenvtest.Builder{Dir: *dir, Progress: stderr}.Ensure(ctx, servers...)
	if err != nil {
		return err
	}
	for _, s := range servers {
		line := fmt.Sprintf("%s\t%s\n", s, assets[s])
		if *env {
			line = fmt.Sprintf("export %s='%s'\n", s.EnvVar(), assets[s])
		}
		if _, err := io.WriteString(stdout, line); err != nil {
			return fmt.Errorf("print the paths: %w", err)
		}
	}
	return nil
}
