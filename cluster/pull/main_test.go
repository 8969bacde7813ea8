package pull_test

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
)

// servers are shared by the tests of the package: one kcp.
var servers struct{ kcp *tmcenvtest.KCP }

var startServers = sync.OnceValue(func() (err error) {
	servers.kcp, err = tmcenvtest.StartKCP(context.Background()) // it outlives the test
	return err
})

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	code := m.Run()
	if servers.kcp != nil {
		_ = servers.kcp.Close()
	}
	os.Exit(code)
}
