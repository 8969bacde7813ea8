package envtest

import (
	"testing"
)

// NewCluster is StartCluster for a test: it fails the test if the cluster does
// not start, closes it when the test ends, and adds the servers' logs to a test
// that failed.
func NewCluster(tb testing.TB, name string, opts ...ClusterOption) *Cluster {
	tb.Helper()
	c, err := StartCluster(tb.Context(), name, opts...)
	return attend(tb, c, err)
}

// NewClusters is StartClusters for a test, as NewCluster is StartCluster.
func NewClusters(tb testing.TB, specs ...ClusterSpec) []*Cluster {
	tb.Helper()
	clusters, err := StartClusters(tb.Context(), specs...)
	if err != nil {
		tb.Fatal(err)
	}
	for _, c := range clusters {
		attend(tb, c, nil)
	}
	return clusters
}

// NewKCP is StartKCP for a test, as NewCluster is StartCluster.
func NewKCP(tb testing.TB, opts ...Option) *KCP {
	tb.Helper()
	k, err := StartKCP(tb.Context(), opts...)
	return attend(tb, k, err)
}

// NewEtcd is StartEtcd for a test, as NewCluster is StartCluster.
func NewEtcd(tb testing.TB, opts ...Option) *Etcd {
	tb.Helper()
	e, err := StartEtcd(tb.Context(), opts...)
	return attend(tb, e, err)
}

func attend[T interface {
	Logs() string
	Close() error
}](tb testing.TB, server T, err error,
) T {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Log(server.Logs())
		}
		if err := server.Close(); err != nil {
			tb.Error(err)
		}
	})
	return server
}
