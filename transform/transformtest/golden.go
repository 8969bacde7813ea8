package transformtest

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pmezard/go-difflib/difflib"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/tmc-sdk/tmc/transform"
)

func init() {
	if flag.Lookup("update") == nil {
		flag.Bool("update", false, "write the golden files")
	}
}

// updating says whether the golden files are to be written.
func updating() bool {
	f := flag.Lookup("update")
	return f != nil && f.Value.String() == "true"
}

// TestGolden runs a transformer on the file in.yaml of each directory below
// dir, and compares the result with want.yaml. The directories are named by what
// they show. A file target.yaml, with the fields of transform.Target, takes the
// place of the target given.
//
//	go test ./... -run TestMine -update
//
// writes the files.
func TestGolden(t *testing.T, dir string, step transform.Transformer, target *transform.Target) {
	t.Helper()
	inputs, err := filepath.Glob(filepath.Join(dir, "*", "in.yaml"))
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no in.yaml below %s: %v", dir, err)
	}
	for _, in := range inputs {
		t.Run(filepath.Base(filepath.Dir(in)), func(t *testing.T) { golden(t, filepath.Dir(in), step, target) })
	}
}

func golden(t *testing.T, dir string, step transform.Transformer, target *transform.Target) {
	t.Helper()
	obj, err := load(filepath.Join(dir, "in.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "target.yaml")); err == nil {
		target = &transform.Target{}
		if err := yaml.UnmarshalStrict(data, target); err != nil {
			t.Fatalf("target.yaml: %v", err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	got := ""
	if err := step.Transform(t.Context(), cloneTarget(target), obj); err != nil {
		got = "# error: " + strings.ReplaceAll(err.Error(), "\n", "\n# ") + "\n"
	} else {
		data, err := yaml.Marshal(obj.Object)
		if err != nil {
			t.Fatal(err)
		}
		got = string(data)
	}
	file := filepath.Join(dir, "want.yaml")
	if updating() {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("-want +got:\n%s", unified(string(want), got, "want", "got"))
	}
}

// load reads one object from a YAML file.
func load(file string) (*unstructured.Unstructured, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return parse(data)
}

func parse(data []byte) (*unstructured.Unstructured, error) {
	data, err := yaml.YAMLToJSON(data)
	if err != nil {
		return nil, err
	}
	obj := &unstructured.Unstructured{}
	return obj, obj.UnmarshalJSON(data)
}

func unified(from, to, fromName, toName string) string {
	text, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: lines(from), B: lines(to), FromFile: fromName, ToFile: toName, Context: 3,
	})
	if err != nil {
		return err.Error()
	}
	return text
}

func lines(text string) []string {
	return slices.DeleteFunc(strings.SplitAfter(text, "\n"), func(line string) bool { return line == "" })
}
