package builtin_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tmc-sdk/tmc/transform/transformtest"
)

// The kit defines -update.
var _ = transformtest.TestTransformer

const catalogue = "../../docs/transformers.md"

// TestCatalogue keeps docs/transformers.md what the examples say: each one is
// compiled, and its output checked. go test ./transform/builtin -run
// TestCatalogue -update writes it.
func TestCatalogue(t *testing.T) {
	got := write(t)
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		require.NoError(t, os.MkdirAll(filepath.Dir(catalogue), 0o755)) //nolint:gosec // a folder of documents
		require.NoError(t, os.WriteFile(catalogue, []byte(got), 0o644)) //nolint:gosec // a document
		return
	}
	want, err := os.ReadFile(catalogue)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "run with -update")
}

func write(t *testing.T) string {
	t.Helper()
	files, fset := parseFiles(t)
	docs := map[string]string{"Registries": registriesDoc(t, fset)}
	var tests []*ast.File
	for name, file := range files {
		if strings.HasSuffix(name, "_test.go") {
			tests = append(tests, file)
			continue
		}
		for _, d := range file.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.IsExported() {
				docs[fn.Name.Name] = fn.Doc.Text()
			}
		}
	}
	examples := doc.Examples(tests...)
	slices.SortFunc(examples, func(a, b *doc.Example) int { return strings.Compare(a.Name, b.Name) })

	var out bytes.Buffer
	fmt.Fprint(&out, "# Transformers\n\nThe transformers of `transform/builtin`, with one example each: what is called, and what it\nchanges in an object on its way to cluster eu-1, in region eu. `Registries` is in package\n`transform`, and so are what restricts a transformer, `Match` to objects and clusters and `Within` to parts of\nan object, and `WithPodSpecs`, which shows the transformers of pods those of a CRD. What each makes\nof manifests as widely used software ships them stands in `transform/builtin/testdata/corpus`. The\norder is that of the alphabet; in a pipeline it is yours. This page is written from the examples of the package by\n`go test ./transform/builtin -run TestCatalogue -update`.\n")
	for _, example := range examples {
		if example.Name == "_registries" {
			example.Name = "Registries"
		}
		text, known := docs[example.Name]
		if !known || example.Name == "Must" {
			continue
		}
		block, ok := example.Code.(*ast.BlockStmt)
		require.True(t, ok)
		fmt.Fprintf(&out, "\n## %s\n\n%s\n```go\n%s\n```\n\n```diff\n%s```\n", example.Name, text, code(t, fset, block), example.Output)
		delete(docs, example.Name)
	}
	for _, helper := range []string{"Must", "Expand", "CheckTemplate"} {
		delete(docs, helper)
	}
	require.Empty(t, docs, "every transformer has an example")
	return out.String()
}

// registriesDoc returns the comment of the one that is in package transform.
func registriesDoc(t *testing.T, fset *token.FileSet) string {
	t.Helper()
	file, err := parser.ParseFile(fset, "../images.go", nil, parser.ParseComments)
	require.NoError(t, err)
	for _, d := range file.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Name.Name == "Registries" {
			return fn.Doc.Text()
		}
	}
	t.Fatal("there is no Registries")
	return ""
}

func parseFiles(t *testing.T) (map[string]*ast.File, *token.FileSet) {
	t.Helper()
	names, err := filepath.Glob("*.go")
	require.NoError(t, err)
	fset, files := token.NewFileSet(), map[string]*ast.File{}
	for _, name := range names {
		files[name], err = parser.ParseFile(fset, name, nil, parser.ParseComments)
		require.NoError(t, err)
	}
	return files, fset
}

// code prints the statements of an example, without their output.
func code(t *testing.T, fset *token.FileSet, block *ast.BlockStmt) string {
	t.Helper()
	var out bytes.Buffer
	for _, statement := range block.List {
		require.NoError(t, (&printer.Config{Mode: printer.UseSpaces | printer.TabIndent, Tabwidth: 4}).Fprint(&out, fset, statement))
		out.WriteByte('\n')
	}
	return strings.TrimSpace(out.String())
}
