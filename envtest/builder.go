package envtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// EnvAssets is the environment variable that names a folder of binaries, each
// called as its Server is. What the folder lacks is looked for further on.
const EnvAssets = "TMC_ENVTEST_ASSETS"

// Assets maps servers to their binaries.
type Assets map[Server]string

// A Builder finds servers, and builds those that it does not find. The zero
// Builder is ready to use.
type Builder struct {
	// Dir is the cache, by default tmc-envtest in the user's cache folder.
	Dir string
	// Progress is told what is being built, by default os.Stderr. A terminal
	// sees one line that counts the time; anything else sees plain lines, and
	// only when something is built.
	Progress io.Writer
}

// Ensure is Ensure of the zero Builder.
func Ensure(ctx context.Context, servers ...Server) (Assets, error) {
	return Builder{}.Ensure(ctx, servers...)
}

// Ensure returns the binary of each server, or of every server if none is
// named. It takes the first of: the server's own environment variable, the
// folder named by TMC_ENVTEST_ASSETS, the cache, a build from pinned modules.
// The first build of everything takes about ten minutes on two cores; processes
// that need the same build at the same time share it.
func (b Builder) Ensure(ctx context.Context, servers ...Server) (Assets, error) {
	if len(servers) == 0 {
		servers = Servers()
	}
	cache, err := b.cache()
	if err != nil {
		return nil, err
	}
	assets := Assets{}
	var missing []Server
	for _, s := range servers {
		path, err := find(cache, s)
		switch {
		case errors.Is(err, errNotCached):
			missing = append(missing, s)
		case err != nil:
			return nil, err
		default:
			assets[s] = path
		}
	}
	if len(missing) == 0 {
		return assets, nil
	}

	progress := b.Progress
	if progress == nil {
		progress = os.Stderr
	}
	// One order for everybody: what builds fast is there early.
	for _, s := range Servers() {
		if !slices.Contains(missing, s) {
			continue
		}
		path, err := build(ctx, cache, s, progress)
		if err != nil {
			return nil, err
		}
		assets[s] = path
	}
	return assets, nil
}

func (b Builder) cache() (string, error) {
	if b.Dir != "" {
		dir, err := filepath.Abs(b.Dir)
		if err != nil {
			return "", fmt.Errorf("make the cache folder's path absolute: %w", err)
		}
		return dir, nil
	}
	if dir, err := os.UserCacheDir(); err == nil {
		return filepath.Join(dir, "tmc-envtest"), nil
	}
	// No home, as in some containers: a folder of this user's is as good.
	return filepath.Join(os.TempDir(), fmt.Sprintf("tmc-envtest-cache-%d", os.Getuid())), nil
}

var errNotCached = errors.New("not in the cache")

// find returns a server that exists already, or errNotCached.
func find(cache string, s Server) (string, error) {
	r, known := recipes[s]
	if !known {
		return "", fmt.Errorf("unknown server %q: use one of %v", s, Servers())
	}
	if path := os.Getenv(s.EnvVar()); path != "" {
		if err := executable(path); err != nil {
			return "", fmt.Errorf("%s names no usable binary; correct or unset it: %w", s.EnvVar(), err)
		}
		return filepath.Abs(path)
	}
	if dir := os.Getenv(EnvAssets); dir != "" {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return "", fmt.Errorf("%s names no folder (%s); correct or unset it", EnvAssets, dir)
		}
		if path := filepath.Join(dir, string(s)); executable(path) == nil {
			return filepath.Abs(path)
		}
	}
	path, err := cached(cache, s, r)
	if err != nil {
		return "", err
	}
	if executable(path) != nil {
		return "", errNotCached
	}
	return path, nil
}

// cached says where the cache has or will have a server.
func cached(cache string, s Server, r recipe) (string, error) {
	key, err := r.key()
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, fmt.Sprintf("%s-%s-%s", s, r.version, key), string(s)), nil
}

func executable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.IsDir() || info.Mode()&0o111 == 0 {
		return fmt.Errorf("%s is not an executable file", path)
	}
	return nil
}
