package main

import (
	"fmt"
	"io"

	"github.com/go-logr/logr"
	uberzap "go.uber.org/zap"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/tmc-sdk/tmc/examples/controller/config"
)

// newLogger returns a logger and its level, which may be changed while it runs.
func newLogger(c config.Logging, out io.Writer) (logr.Logger, *uberzap.AtomicLevel, error) {
	level, err := uberzap.ParseAtomicLevel(c.Level)
	if err != nil {
		return logr.Logger{}, nil, fmt.Errorf("logging.level: %w", err)
	}
	encoder := zap.JSONEncoder()
	if c.Format == "text" {
		encoder = zap.ConsoleEncoder()
	}
	return zap.New(zap.WriteTo(out), zap.Level(&level), encoder), &level, nil
}
