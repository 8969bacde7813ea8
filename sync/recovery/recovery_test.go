package recovery_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"pgregory.net/rapid"

	"github.com/tmc-sdk/tmc/sync/recovery"
	"github.com/tmc-sdk/tmc/transform"
)

func backup() *recovery.Backup {
	web := unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"namespace": "default", "name": "web", "uid": "u1"},
		"spec": map[string]any{"replicas": int64(2)},
	}}
	return &recovery.Backup{
		Taken:      time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC),
		Platform:   []unstructured.Unstructured{},
		Workspaces: []recovery.Workspace{{Path: "root:team-a", Cluster: "2abc", Placements: []unstructured.Unstructured{}, Originals: []unstructured.Unstructured{web}}},
	}
}

func TestABackupIsReadAsItWasWritten(t *testing.T) {
	var file bytes.Buffer
	b := backup()
	require.NoError(t, b.Write(&file))
	got, err := recovery.Read(&file)
	require.NoError(t, err)
	if diff := cmp.Diff(b, got); diff != "" {
		t.Errorf("backup (-written +read):\n%s", diff)
	}
}

func TestAnythingElseIsRefused(t *testing.T) {
	var file bytes.Buffer
	require.NoError(t, backup().Write(&file))
	whole := file.String()
	for name, c := range map[string]struct{ text, want string }{
		"changed":         {strings.Replace(whole, `"replicas": 2`, `"replicas": 3`, 1), "is damaged"},
		"cut off":         {whole[:len(whole)/2], "cut off"},
		"another version": {strings.Replace(whole, recovery.Version, "recovery.tmc-sdk.dev/v9", 1), "this version reads"},
		"another kind":    {`{"kind":"Pod","apiVersion":"v1"}`, "it is a Pod of v1"},
		"unknown field":   {strings.Replace(whole, `"taken"`, `"more": 1, "taken"`, 1), "unknown field"},
		"nothing":         {"", "no backup"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := recovery.Read(strings.NewReader(c.text))
			require.ErrorContains(t, err, c.want)
		})
	}
	_, err := recovery.Read(io.MultiReader(strings.NewReader("{"), brokenReader{}))
	require.ErrorIs(t, err, errBroken)
}

var errBroken = errors.New("broken")

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errBroken }

func FuzzRead(f *testing.F) {
	var file bytes.Buffer
	require.NoError(f, backup().Write(&file))
	f.Add(file.Bytes())
	f.Add([]byte(`{"kind":"Backup","apiVersion":"recovery.tmc-sdk.dev/v1"}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := recovery.Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := b.Write(&again); err != nil {
			t.Errorf("read and not written: %v", err)
		}
		if _, err := recovery.Read(&again); err != nil {
			t.Errorf("written and not read: %v", err)
		}
	})
}

func TestCopiesStayWhereTheyStood(t *testing.T) {
	first := recovery.Renamed{Clusters: map[string]string{"one": "two", "same": "same"}}
	second := recovery.Renamed{Clusters: map[string]string{"two": "three", "same": "same"}}
	kind := appsv1.SchemeGroupVersion.WithKind("Deployment")
	at := func(n transform.Naming, cluster string) string {
		namespace, name := n.Locate(kind, transform.Origin{LogicalCluster: cluster, Namespace: "default", Name: "web"})
		return namespace + "/" + name
	}
	want := at(transform.HashedNaming{}, "one")
	once, err := recovery.KeepNames(transform.HashedNaming{}, first)
	require.NoError(t, err)
	require.Equal(t, want, at(once, "two"))
	require.Equal(t, at(transform.HashedNaming{}, "same"), at(once, "same"))
	require.Equal(t, at(transform.HashedNaming{}, "new"), at(once, "new"))
	twice, err := recovery.KeepNames(once, second)
	require.NoError(t, err)
	require.Equal(t, want, at(twice, "three"), "after a second recovery, too")
	_, err = recovery.KeepNames(once, recovery.Renamed{Clusters: map[string]string{"a": "x", "b": "x"}})
	require.Error(t, err)
}

// Two workspaces that are never get one place, whatever was renamed.
func TestKeptNamesDoNotCollide(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		before := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]{3}`), 1, 20, rapid.ID).Draw(r, "before")
		now := recovery.Renamed{Clusters: map[string]string{}}
		for i, name := range before {
			if i%3 != 0 {
				now.Clusters[name] = name + "-now"
			} else {
				now.Clusters[name] = name
			}
		}
		naming, err := recovery.KeepNames(transform.HashedNaming{}, now)
		if err != nil {
			r.Fatal(err)
		}
		places := map[string]string{}
		for _, after := range now.Clusters {
			namespace, _ := naming.Locate(appsv1.SchemeGroupVersion.WithKind("Deployment"), transform.Origin{LogicalCluster: after, Namespace: "default", Name: "web"})
			if other, taken := places[namespace]; taken {
				r.Fatalf("%s and %s both in %s", other, after, namespace)
			}
			places[namespace] = after
		}
	})
}

func TestReadoptNeedsToKnowWhoseCopies(t *testing.T) {
	_, err := recovery.Readopt(context.Background(), &rest.Config{}, recovery.Copies{}, recovery.Renamed{})
	require.ErrorContains(t, err, "whose copies?")
}
