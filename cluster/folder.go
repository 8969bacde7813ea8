package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"
)

// FromFolder returns a source of the kubeconfigs in a folder, such as a volume
// that a Secret is mounted as. Each file is a cluster, whose name is that of
// the file without ".yaml", ".yml", ".conf" or ".kubeconfig"; files whose names
// begin with a dot are left out. The folder is read again every ten seconds.
//
// A file that is gone removes its cluster, unless all are gone: an empty
// folder is taken for one that is not mounted. The kubeconfigs may do what
// trust allows.
func FromFolder(dir string, trust Trust) Source {
	return &folder{dir: dir, trust: trust, every: 10 * time.Second}
}

type folder struct {
	dir   string
	trust Trust
	every time.Duration
}

var _ Source = (*folder)(nil)

// Name implements Source.
func (*folder) Name() string { return "folder" }

// Run implements Source.
func (s *folder) Run(ctx context.Context, sink Sink) error {
	known := map[string]bool{}
	for synced := false; ctx.Err() == nil; {
		switch err := s.read(sink, known); {
		case err != nil:
			log.FromContext(ctx).Error(err, "reading kubeconfigs failed; the clusters that are known stay")
		case !synced:
			synced = true
			sink.Synced()
		}
		sleep(ctx, s.every)
	}
	return nil
}

// read registers what is in the folder, and removes what was and no longer is.
func (s *folder) read(sink Sink, known map[string]bool) error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("list folder: %w", err)
	}
	found := map[string]bool{}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		path := filepath.Join(s.dir, e.Name())
		// A mounted Secret has links: what they lead to counts.
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			continue
		}
		name := clusterName(e.Name())
		found[name], known[name] = true, true
		sink.Set(s.registration(name, path))
	}
	if len(found) == 0 && len(known) > 0 {
		return errors.New("the folder is empty, though there were kubeconfigs: is it mounted?")
	}
	for name := range known {
		if !found[name] {
			delete(known, name)
			sink.Remove(name)
		}
	}
	return nil
}

func (s *folder) registration(name, path string) Registration {
	reg := Registration{Name: name}
	data, err := os.ReadFile(path)
	if err == nil {
		reg.Config, err = LoadKubeconfig(data, s.trust)
	}
	if err != nil {
		reg.Err = fmt.Errorf("file %s: %w", filepath.Base(path), err)
	}
	return reg
}

func clusterName(file string) string {
	for _, ext := range []string{".yaml", ".yml", ".conf", ".kubeconfig"} {
		if name, ok := strings.CutSuffix(file, ext); ok && name != "" {
			return name
		}
	}
	return file
}
