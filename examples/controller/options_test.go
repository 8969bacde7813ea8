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
	"cluster/workspaces.Options.Retry":          "the default is what the tests with shards that go and come were run with",
	"cluster/workspaces.Options.Scheme":         "everything is unstructured here: it is for platforms that read types of their own",
	"cluster/workspaces.SingleOptions.Scheme":   "as that of Options",
	"cluster/workspaces.SingleOptions.Selector": "the agent's loop sets it",
	"placement/controller.BudgetOptions.Start":  "for tests",
	"sync/audit.WebhookOptions.BatchSize":       "the default is that of kube-apiserver's own webhooks",
	"sync/audit.WebhookOptions.BatchWait":       "the default is what the webhook's tests were run with",
	"sync/audit.WebhookOptions.Client":          "an http.Client is code; proxies are taken from the environment",
	"sync/audit.WebhookOptions.Drain":           "it has to end within shutdown.grace, as its default does",
	"sync/audit.WebhookOptions.Retry":           "the default is what the webhook's tests were run with",
	"sync/notify.Options.Batch":                 "the default is what the notifier's tests were run with",
	"sync/notify.Options.Client":                "an http.Client is code; proxies are taken from the environment",
	"sync/notify.Options.Now":                   "for tests",
	"sync/notify.Options.Retry":                 "the default is what the notifier's tests were run with",
	"cluster.DescribeWith":                      "its function is code, for platforms that build providers of their own",
	"cluster.RemoveIf":                          "its function is code, for platforms that build providers of their own",
	"cluster/operations.Abandon":                "Remove is no command: who deletes a PhysicalCluster uses kubectl, and fleet.removal keeps it until work has left",
	"cluster/operations.Wait":                   "kubectl tmc drain --wait waits for decisions, which is what it then tells of",
	"cluster/operations.WithEvents":             "it writes to events.k8s.io, which workspaces of kcp do not serve; a release is in the controller's log",
	"cluster/publish.WithCache":                 "the publisher has a cache of its own; this shares it with importers that a platform runs",
	"cluster/publish.WithDescriptions":          "kcp would hold schemas eight times as large for each binding: the publisher leaves them out",
	"cluster/pull.Holder":                       "the agent's loop sets it",
	"placement/controller.WithClock":            "for tests",
	"placement/placementtest.WithRequests":      "for tests",
	"placement/placementtest.WithStates":        "for tests",
	"sync.RelatedFrom":                          "related kinds are listed: the claims of the export are made of that list, and not the other way round",
	"sync.WithPlacement":                        "its decider is code; Placements decide here, and the agent's loop sets its own",
	"sync/agent.WithTransport":                  "for tests",
	"sync/audit.Clock":                          "for tests",
	"sync/audit.FlushEvery":                     "the default is what crash tests were run with",
	"sync/audit.Heads":                          "for verifying, which kubectl tmc audit verify does by files",
	"sync/audit.RetryEvery":                     "the default is what the webhook's tests were run with",
	"transform.Finish":                          "the loop seals renderings by it",
}

// TestEveryOptionIsReachable lists what the rooms can be built with, and finds what a
// platform team that runs the two programs as they are could not have.
func TestEveryOptionIsReachable(t *testing.T) {
	used := map[string]bool{}
	for _, program := range []string{".", "../kubectl-tmc"} {
		everyFile(t, program, func(_ string, file *ast.File) { uses(file, used) })
	}
	exported := map[string]bool{}
	fields, given := map[string][]string{}, map[string]bool{}
	for _, room := range []string{"cluster", "placement", "sync", "transform"} {
		everyFile(t, "../../"+room, func(folder string, file *ast.File) {
			folder = strings.TrimPrefix(filepath.ToSlash(folder), "../../")
			if strings.Contains(folder, "internal") {
				return
			}
			for _, option := range optionsIn(file) {
				exported[folder+"."+option] = true
			}
			structsIn(file, folder, fields, given)
		})
	}
	for name, option := range given {
		if !option {
			continue
		}
		for _, field := range fields[name] {
			exported[name+"."+field] = true
		}
	}
	require.Greater(t, len(exported), 110, "the options are found at all")
	require.True(t, exported["placement/controller.DecisionOptions.ClusterNamespace"], "fields of structs are options, too")
	for _, option := range slices.Sorted(maps.Keys(exported)) {
		_, excused := unreachable[option]
		reached := used[option]
		if parts := strings.Split(option[strings.LastIndex(option, "/")+1:], "."); len(parts) == 3 {
			reached = reached || used[strings.TrimSuffix(option, parts[1]+"."+parts[2])+"*."+parts[2]]
		}
		switch {
		case reached && excused:
			t.Errorf("%s can be reached, and need not be excused", option)
		case !reached && !excused:
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

// structsIn notes the exported fields of the structs of a file, and which structs are
// options: those that are called so, or policies, and those that an option of their
// package takes.
func structsIn(file *ast.File, folder string, fields map[string][]string, given map[string]bool) {
	for _, declared := range file.Decls {
		if fn, ok := declared.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.IsExported() && len(optionsIn(&ast.File{Decls: []ast.Decl{fn}})) > 0 {
			for _, p := range fn.Type.Params.List {
				at := p.Type
				if star, ok := at.(*ast.StarExpr); ok {
					at = star.X
				}
				if name, ok := at.(*ast.Ident); ok && name.IsExported() {
					given[folder+"."+name.Name] = true
				}
			}
		}
		types, ok := declared.(*ast.GenDecl)
		if !ok || types.Tok != token.TYPE {
			continue
		}
		for _, spec := range types.Specs {
			named := spec.(*ast.TypeSpec)
			is, ok := named.Type.(*ast.StructType)
			if !ok || !named.Name.IsExported() {
				continue
			}
			name := folder + "." + named.Name.Name
			called := strings.HasSuffix(named.Name.Name, "Options") || strings.HasSuffix(named.Name.Name, "Policy")
			given[name] = given[name] || called && !strings.HasSuffix(folder, "/v1alpha1") // an API is for tenants
			for _, f := range is.Fields.List {
				for _, n := range f.Names { // an embedded one is told of by its own
					if n.IsExported() {
						fields[name] = append(fields[name], n.Name)
					}
				}
			}
		}
	}
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
		if literal, ok := n.(*ast.CompositeLit); ok {
			usesFields(literal, imported, used)
		}
		if set, ok := n.(*ast.AssignStmt); ok {
			for _, at := range set.Lhs { // of which struct can't be told here: of any of ours
				if selector, ok := at.(*ast.SelectorExpr); ok {
					for _, folder := range imported {
						used[folder+".*."+selector.Sel.Name] = true
					}
				}
			}
		}
		if selector, ok := n.(*ast.SelectorExpr); ok {
			if pkg, ok := selector.X.(*ast.Ident); ok && imported[pkg.Name] != "" {
				used[imported[pkg.Name]+"."+selector.Sel.Name] = true
			}
		}
		return true
	})
}

// usesFields notes the fields that a literal of a struct of ours sets.
func usesFields(literal *ast.CompositeLit, imported map[string]string, used map[string]bool) {
	selector, ok := literal.Type.(*ast.SelectorExpr)
	if !ok {
		return
	}
	pkg, ok := selector.X.(*ast.Ident)
	if !ok || imported[pkg.Name] == "" {
		return
	}
	for _, element := range literal.Elts {
		if pair, ok := element.(*ast.KeyValueExpr); ok {
			if key, ok := pair.Key.(*ast.Ident); ok {
				used[imported[pkg.Name]+"."+selector.Sel.Name+"."+key.Name] = true
			}
		}
	}
}
