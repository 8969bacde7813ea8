package envtest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWhatIsPackedIsUnpacked(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	hollow := make([]byte, 3*chunk+7) // etcd's log: a little at both ends, nothing between
	hollow[0], hollow[len(hollow)-1] = 1, 2
	files := map[string][]byte{"a/deep/log": hollow, "a/empty": {}, "b/zeros": make([]byte, chunk), "b/text": []byte("text")}
	for name, content := range files {
		path := filepath.Join(from, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, content, 0o600))
	}
	file := filepath.Join(t.TempDir(), "packed")
	require.NoError(t, pack(file, from, []string{"a", "b"}))
	require.NoError(t, unpack(file, to))
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(to, name))
		require.NoError(t, err)
		assert.True(t, bytes.Equal(want, got), name)
	}
}

func TestNothingIsUnpackedElsewhere(t *testing.T) {
	var buf bytes.Buffer
	zipped := gzip.NewWriter(&buf)
	archive := tar.NewWriter(zipped)
	require.NoError(t, archive.WriteHeader(&tar.Header{Name: "../outside", Mode: 0o600, Size: 1}))
	_, err := archive.Write([]byte("x"))
	require.NoError(t, err)
	require.NoError(t, archive.Close())
	require.NoError(t, zipped.Close())
	file := filepath.Join(t.TempDir(), "packed")
	require.NoError(t, os.WriteFile(file, buf.Bytes(), 0o600))
	require.ErrorContains(t, unpack(file, t.TempDir()), "outside")
}

func TestAFailedPackLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	require.Error(t, pack(filepath.Join(dir, "packed"), dir, []string{"missing"}))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestABrokenSeedIsThrownAway(t *testing.T) {
	dir, err := newRunDir("kcp")
	require.NoError(t, err)
	k := &KCP{opts: newOptions(nil), instance: &instance{name: "kcp", dir: dir}}
	require.NoError(t, k.prepare())
	defer k.Close() //nolint:errcheck // a test's folder
	seed := filepath.Join(t.TempDir(), "seed")
	require.ErrorIs(t, k.startFrom(t.Context(), seed), os.ErrNotExist)
	require.NoError(t, os.WriteFile(seed, []byte("not packed by us"), 0o600))
	require.Error(t, k.startFrom(t.Context(), seed))
	assert.NoFileExists(t, seed)
}
