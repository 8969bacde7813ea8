package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
)

const unknown = "unknown"

// allowed are the licenses under which this project takes what it is made of.
var allowed = []string{"Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "Unlicense", "CC0-1.0", "0BSD"}

// texts tell a license from the words that it alone has, spaces and case aside.
// The first that fits counts, so those that contain others come first.
var texts = []struct {
	id    string
	words []string
}{
	{"Apache-2.0", []string{"apache license", "version 2.0"}},
	{"MPL-2.0", []string{"mozilla public license version 2.0"}},
	{"AGPL-3.0", []string{"gnu affero general public license"}},
	{"LGPL", []string{"gnu lesser general public license"}},
	{"GPL", []string{"gnu general public license"}},
	{"BSD-3-Clause", []string{"redistribution and use in source and binary forms", "neither the name"}},
	{"BSD-3-Clause", []string{"redistribution and use in source and binary forms", "names of its contributors may not be used"}},
	{"BSD-2-Clause", []string{"redistribution and use in source and binary forms", "redistributions in binary form must reproduce"}},
	{"MIT", []string{"permission is hereby granted, free of charge", "the software is provided \"as is\""}},
	{"ISC", []string{"permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted, provided that the above copyright notice"}},
	{"ISC", []string{"permission to use, copy, modify, and distribute this software for any purpose with or without fee is hereby granted, provided that the above copyright notice"}},
	{"0BSD", []string{"permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted"}},
	{"Unlicense", []string{"this is free and unencumbered software released into the public domain"}},
	{"CC0-1.0", []string{"cc0 1.0 universal"}},
}

var (
	spaces    = regexp.MustCompile(`[\s*#/]+`)
	fileNames = regexp.MustCompile(`(?i)^(un)?(licen[cs]e|copying)([.-].*)?$`)
)

// classify returns the license of a text.
func classify(text string) string {
	text = strings.ToLower(spaces.ReplaceAllString(text, " "))
	for _, t := range texts {
		if !slices.ContainsFunc(t.words, func(w string) bool { return !strings.Contains(text, spaces.ReplaceAllString(w, " ")) }) {
			return t.id
		}
	}
	return unknown
}

// licenseOf returns the licenses in the root of a module, joined by AND, as all
// of them must be kept to.
func licenseOf(dir string) (id string, files []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", nil, err
	}
	var ids []string
	for _, e := range entries {
		if e.IsDir() || !fileNames.MatchString(e.Name()) || strings.HasSuffix(e.Name(), ".go") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return "", nil, err
		}
		ids, files = append(ids, classify(string(text))), append(files, e.Name())
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) == 0 {
		return unknown, nil, nil
	}
	return strings.Join(ids, " AND "), files, nil
}

// licenses prints which modules are under which license. It fails if one is not
// allowed, or not known.
func licenses(ctx context.Context, target string, out io.Writer) error {
	modules, err := modulesOf(ctx, target)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(table, "LICENSE\tMODULE\tVERSION\tFILES\n")
	var bad []string
	for _, m := range modules {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", m.License, m.Path, m.Version, strings.Join(m.Files, " "))
		for id := range strings.SplitSeq(m.License, " AND ") {
			if !slices.Contains(allowed, id) {
				bad = append(bad, m.Path+" ("+id+")")
			}
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(bad) > 0 {
		return fmt.Errorf("not under one of %s: %s; take the module out, or allow its license in .ci/comply/license.go", strings.Join(allowed, ", "), strings.Join(bad, ", "))
	}
	return nil
}
