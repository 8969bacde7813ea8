package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestItPrintsWhereTheServersAre(t *testing.T) {
	etcd := filepath.Join(t.TempDir(), "etcd")
	require.NoError(t, os.WriteFile(etcd, nil, 0o755)) //nolint:gosec // it stands for a binary
	t.Setenv("TMC_ENVTEST_ETCD", etcd)
	for name, tc := range map[string]struct {
		reason string
		args   []string
		want   string
	}{
		"plain": {"for people and for cut", []string{"etcd"}, "etcd\t" + etcd + "\n"},
		"env":   {"for eval in a shell", []string{"-env", "etcd"}, "export TMC_ENVTEST_ETCD='" + etcd + "'\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, progress bytes.Buffer
			require.NoError(t, run(t.Context(), tc.args, &out, &progress), tc.reason)
			assert.Equal(t, tc.want, out.String(), tc.reason)
			assert.Empty(t, progress.String())
		})
	}
}

func TestItNamesWhatItDoesNotKnow(t *testing.T) {
	var out, progress bytes.Buffer
	require.ErrorContains(t, run(t.Context(), []string{"kubelet"}, &out, &progress), "kubelet")
	require.Error(t, run(t.Context(), []string{"-no-such-flag"}, &out, &progress))
	assert.Contains(t, progress.String(), "usage: tmc-envtest")
	assert.Empty(t, out.String())
}
