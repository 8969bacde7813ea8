package envtest

import (
	"testing"
)

// NewCluster is StartCluster for a test: it fails the test if the cluster does
// not start, closes it when the test ends, and adds the servers' logs to a test
// that failed.
func NewCluster(t testing.TB, name string, opts ...ClusterOption) *Cluster {
	t.Helper()
	c, err := StartCluster(t.Context(), name, opts...)
	return attend(t, c, err)
}

// NewClusters is StartClusters for a test, as NewCluster is StartCluster.
func NewClusters(t testing.TB, specs ...ClusterSpec) []*Cluster {
	t.Helper()
	clusters, err := StartClusters(t.Context(), specs...)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range clusters {
		attend(t, c, nil)
	}
	return clusters
}

// NewKCP is StartKCP for a test, as NewCluster is StartCluster.
func NewKCP(t testing.TB, opts ...Option) *KCP {
	t.Helper()
	k, err := StartKCP(t.Context(), opts...)
	return attend(t, k, err)
}

// NewEtcd is StartEtcd for a test, as NewCluster is StartCluster.
func NewEtcd(t testing.TB, opts ...Option) *Etcd {
	t.Helper()
	e, err := StartEtcd(t.Context(), opts...)
	return attend(t, e, err)
}

func attend[T interface {
	Logs() string
	Close() error
}](t testing.TB, server T, err error,
) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(server.Logs())
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}
