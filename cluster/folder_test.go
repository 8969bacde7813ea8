package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// recorder notes what a source reports.
type recorder struct{ said []string }

func (r *recorder) Set(reg Registration) {
	host := ""
	if reg.Config != nil {
		host = reg.Config.Host
	}
	r.said = append(r.said, fmt.Sprintf("set %s %s %v", reg.Name, host, reg.Err != nil))
}
func (r *recorder) Remove(name string) { r.said = append(r.said, "remove "+name) }
func (r *recorder) Synced()            { r.said = append(r.said, "synced") }

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	s, known := &folder{dir: dir}, map[string]bool{}
	read := func() ([]string, error) {
		r := &recorder{}
		err := s.read(r, known)
		slices.Sort(r.said)
		return r.said, err
	}
	write := func(name, data string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600))
	}
	write("eu-1.yaml", kubeconfig("", `"token":"t"`))
	write("us-1", "nonsense")
	write(".hidden", "x")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder"), 0o700))
	said, err := read()
	require.NoError(t, err)
	if diff := cmp.Diff([]string{"set eu-1 https://example.com:6443 false", "set us-1  true"}, said); diff != "" {
		t.Errorf("at first (-want +got):\n%s", diff)
	}
	require.NoError(t, os.Remove(filepath.Join(dir, "us-1")))
	said, err = read()
	require.NoError(t, err)
	require.Contains(t, said, "remove us-1")

	require.NoError(t, os.Remove(filepath.Join(dir, "eu-1.yaml")))
	said, err = read()
	require.ErrorContains(t, err, "is it mounted?")
	require.Empty(t, said, "an empty folder removes nothing")
	s.dir = filepath.Join(dir, "nowhere")
	_, err = read()
	require.ErrorContains(t, err, "list folder")
}
