package envtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A kcp spends some twenty seconds on its first data, most of them waiting for
// itself. The first kcp of a machine leaves a copy of what it made in the cache:
// its seed, from which later ones start in six.

const seedRoot = "kcp" // kcp's root folder, below its runDir

var seedParts = []string{etcdData, seedRoot}

// startSeeded starts k from the seed, or makes the seed first.
func (k *KCP) startSeeded(ctx context.Context) error {
	seed, err := k.seedPath()
	if err != nil {
		return err
	}
	if k.startFrom(ctx, seed) == nil {
		return nil
	}
	unlock, err := lockFile(ctx, seed+".lock", nil)
	if err != nil {
		return k.startEmpty(ctx) // no cache that can be written: every start is a slow one
	}
	defer unlock()
	if k.startFrom(ctx, seed) == nil {
		return nil // planted while we waited
	}
	if err := k.startEmpty(ctx); err != nil {
		return err
	}
	if err := k.Stop(ctx); err != nil {
		return err
	}
	// Without a seed the next one is slow again, no more.
	_ = pack(seed, k.dir.path, seedParts)
	return k.start(ctx)
}

// startFrom fails, with nothing running and no data, if there is no sound seed.
func (k *KCP) startFrom(ctx context.Context, seed string) error {
	err := unpack(seed, k.dir.path)
	if err == nil {
		err = k.start(ctx)
	}
	if err == nil {
		return nil
	}
	if !os.IsNotExist(err) && ctx.Err() == nil {
		_ = os.Remove(seed)
	}
	return err
}

// startEmpty starts k without any data.
func (k *KCP) startEmpty(ctx context.Context) error {
	if err := k.wipe(); err != nil {
		return err
	}
	return k.start(ctx)
}

// seedPath names the seed after all that it depends on.
func (k *KCP) seedPath() (string, error) {
	cache, err := k.opts.builder.cache()
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, s := range []Server{ServerEtcd, ServerKCP} {
		info, err := os.Stat(k.assets[s])
		if err != nil {
			return "", fmt.Errorf("look at %s: %w", s, err)
		}
		h.Write(fmt.Appendln(nil, s, k.assets[s], info.Size(), info.ModTime().UnixNano(), strings.Join(k.opts.args[s], "\x00")))
	}
	return filepath.Join(cache, "kcp-seed-"+hex.EncodeToString(h.Sum(nil))[:16]+".tar.gz"), nil
}
