package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/tmc-sdk/tmc/"

// unreachable are the options of the rooms that neither a configuration nor a command
// reaches, each with the reason.
var unreachable = map[string]string{
	"cluster.DescribeWith":                 "its function is code, for platforms that build providers of their own",
	"cluster.RemoveIf":                     "its function is code, for platforms that build providers of their own",
	"cluster/operations.Abandon":           "Remove is no command: who deletes a PhysicalCluster uses kubectl, and fleet.removal keeps it until work has left",
	"cluster/operations.OfTenant":          "kubectl tmc evict has no flag for it; the taint with a workspace can be written by kubectl (docs/clusters.md)",
	"cluster/operations.Wait":              "kubectl tmc drain --wait waits for decisions, which is what it then tells of",
	"cluster/operations.WithEvents":        "it writes to events.k8s.io, which workspaces of kcp do not serve; a release is in the controller's log",
	"cluster/publish.WithCache":            "the publisher has a cache of its own; this shares it with importers that a platform runs",
	"cluster/publish.WithDescriptions":     "kcp would hold schemas eight times as large for each binding: the publisher leaves them out",
	"cluster/pull.Holder":                  "the agent's loop sets it",
	"placement/controller.WithClock":       "for tests",
	"placement/placementtest.WithRequests": "for tests",
	"placement/placementtest.WithStates":   "for tests",
	"sync.RelatedFrom":                     "related kinds are listed: the claims of the export are made of that list, and not the other way round",
	"sync.WithPlacement":                   "its decider is code; Placements decide here, and the agent's loop sets its own",
	"sync/agent.WithTransport":             "for tests",
	"sync/audit.Clock":                     "for tests",
	"sync/audit.FlushEvery":                "the default is what crash tests were run with",
	"sync/audit.Heads":                     "for verifying, which kubectl tmc audit verify does by files",
	"sync/audit.RetryEvery":                "the default is what the webhook's tests were run with",
	"transform.Finish":                     "the loop seals renderings by it",
}

// TestEveryOptionIsReachable lists what the rooms can be built with, and finds what a
// platform team that runs the two programs as they are could not have.
func TestEveryOptionIsReachable(t *testing.T) {
	used := map[string]bool{}
	for _, program := range []string{".", "../kubectl-tmc"} {
		everyFile(t, program, func(_ string, file *ast.File) { uses(file, used) })
	}
	exported := map[string]bool{}
	for _, room := range []string{"cluster", "placement", "sync", "transform"} {
		everyFile(t, "../../"+room, func(folder string, file *ast.File) {
			folder = strings.TrimPrefix(filepath.ToSlash(folder), "../../")
			if strings.Contains(folder, "internal") {
				return
			}
			for _, option := range optionsIn(file) {
				exported[folder+"."+option] = true
			}
		})
	}
	require.Greater(t, len(exported), 80, "the options are found at all")
	for _, option := range slices.Sorted(maps.Keys(exported)) {
		_, excused := unreachable[option]
		switch {
		case used[option] && excused:
			t.Errorf("%s can be reached, and need not be excused", option)
		case !used[option] && !excused:
			t.Errorf("%s can't be reached: give the configuration a setting for it, or unreachable a reason", option)
		}
	}
	for option := range unreachable {
		require.True(t, exported[option], "there is no %s", option)
	}
}

// everyFile parses the files below a folder that are no tests.
func everyFile(t *testing.T, root string, do func(folder string, file *ast.File)) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err == nil {
			do(filepath.Dir(name), file)
		}
		return err
	}))
}

// optionsIn are the exported functions that return an option.
func optionsIn(file *ast.File) (names []string) {
	for _, declared := range file.Decls {
		fn, ok := declared.(*ast.FuncDecl)
		if !ok || fn.Recv != nil || !fn.Name.IsExported() || fn.Type.Results == nil || len(fn.Type.Results.List) != 1 {
			continue
		}
		if result, ok := fn.Type.Results.List[0].Type.(*ast.Ident); ok && result.IsExported() && strings.HasSuffix(result.Name, "Option") {
			names = append(names, fn.Name.Name)
		}
	}
	return names
}

// uses notes what of the module's packages a file names.
func uses(file *ast.File, used map[string]bool) {
	imported := map[string]string{}
	for _, spec := range file.Imports {
		from, _ := strconv.Unquote(spec.Path.Value)
		folder, ours := strings.CutPrefix(from, module)
		if !ours {
			continue
		}
		name := path.Base(folder)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		imported[name] = folder
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if selector, ok := n.(*ast.SelectorExpr); ok {
			if pkg, ok := selector.X.(*ast.Ident); ok && imported[pkg.Name] != "" {
				used[imported[pkg.Name]+"."+selector.Sel.Name] = true
			}
		}
		return true
	})
}
