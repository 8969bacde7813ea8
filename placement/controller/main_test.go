package controller_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/tmc-sdk/tmc/envtest"
)

// All tests of this package share one kcp: each has workspaces of its own.
var shared struct {
	sync.Once
	kcp *envtest.KCP
	err error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.kcp != nil {
		if err := shared.kcp.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

func sharedKCP(tb testing.TB) *envtest.KCP {
	tb.Helper()
	if testing.Short() {
		tb.Skip("needs kcp")
	}
	shared.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute) // it may have to be built
		defer cancel()
		shared.kcp, shared.err = envtest.StartKCP(ctx)
	})
	if shared.err != nil {
		tb.Fatal(shared.err)
	}
	tb.Cleanup(func() {
		if tb.Failed() && os.Getenv("TMC_TEST_LOGS") != "" {
			tb.Log(shared.kcp.Logs())
		}
	})
	return shared.kcp
}
