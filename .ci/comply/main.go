// Command comply answers what a compliance team asks of a program of this
// project, with nothing but the Go toolchain and the modules that it is made of:
//
//	go run ./.ci/comply sbom      ./examples/controller   # CycloneDX 1.5, on standard output
//	go run ./.ci/comply licenses  ./examples/controller   # a table; fails on what is not allowed
//	go run ./.ci/comply reproduce ./examples/controller   # builds twice and compares
//
// The same input gives the same bytes: no date and no path of this machine is in
// what it prints.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "comply:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

var commands = map[string]func(ctx context.Context, target string, out io.Writer) error{
	"sbom": sbom, "licenses": licenses, "reproduce": reproduce,
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) < 2 || commands[args[0]] == nil {
		return errors.New("usage: comply sbom|licenses|reproduce PACKAGE...")
	}
	for _, target := range args[1:] {
		if err := commands[args[0]](ctx, target, out); err != nil {
			return fmt.Errorf("%s %s: %w", args[0], target, err)
		}
	}
	return nil
}
