package envtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// A Snapshot is the data of a KCP, a Cluster or an Etcd as it was at one moment.
// It goes with what it was taken of.
type Snapshot struct {
	of   *instance
	file string
}

// Snapshot keeps the data as it is now, for RestartFrom. The servers go on: for
// as long as it takes to copy the data, they are frozen, so that it is what a
// snapshot of their disk would hold. A cluster that shares an etcd has no data of
// its own: give it an etcd of its own (StartCluster does), or take a snapshot of
// the Etcd.
func (i *instance) Snapshot() (_ *Snapshot, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.data) == 0 {
		return nil, fmt.Errorf("snapshot of %s: it shares an etcd: take one of that, or start the cluster with one of its own", i.name)
	}
	i.snapshots++
	s := &Snapshot{of: i, file: i.dir.file(fmt.Sprintf("snapshot-%d.tar.gz", i.snapshots))}
	defer func() {
		for _, c := range i.parts {
			err = errors.Join(err, c.thaw())
		}
	}()
	for _, c := range i.parts {
		if err := c.freeze(); err != nil {
			return nil, fmt.Errorf("snapshot of %s: %w", i.name, err)
		}
	}
	if err := pack(s.file, i.dir.path, i.data); err != nil {
		return nil, fmt.Errorf("snapshot of %s: %w", i.name, err)
	}
	return s, nil
}

// RestartFrom kills what runs and starts it again, at the same address, with the
// data of a snapshot that was taken of it; all that was written since is lost. As
// with etcdutl's restore without --bump-revision, resourceVersions go back, too.
func (i *instance) RestartFrom(ctx context.Context, s *Snapshot) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if s == nil || s.of != i {
		return fmt.Errorf("restart %s: the snapshot is of another server", i.name)
	}
	i.kill()
	for _, folder := range i.data {
		if err := os.RemoveAll(filepath.Join(i.dir.path, folder)); err != nil {
			return fmt.Errorf("lose the data of %s: %w", i.name, err)
		}
	}
	if err := unpack(s.file, i.dir.path); err != nil {
		return fmt.Errorf("restore the data of %s: %w", i.name, err)
	}
	return i.start(ctx)
}
