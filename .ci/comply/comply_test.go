package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLicensesAreTold(t *testing.T) {
	for name, tt := range map[string]struct{ reason, text, want string }{
		"apache":  {"", "                                 Apache License\n                           Version 2.0, January 2004\n", "Apache-2.0"},
		"gpl":     {"must never pass for something else", "GNU GENERAL PUBLIC LICENSE\nVersion 3", "GPL"},
		"bsd":     {"", "Redistribution and use in source and binary\nforms, with or without ...\n * Neither the name of", "BSD-3-Clause"},
		"mit":     {"", "Permission is hereby granted, free of charge, to any\nperson ... THE SOFTWARE IS PROVIDED \"AS IS\"", "MIT"},
		"nothing": {"what can't be told is not allowed", "All rights reserved.", unknown},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tt.want, classify(tt.text), tt.reason) })
	}
}

func TestAModuleHasAllOfItsLicenses(t *testing.T) {
	dir := t.TempDir()
	id, _, err := licenseOf(dir)
	require.NoError(t, err)
	require.Equal(t, unknown, id)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "LICENSE"), []byte("Apache License Version 2.0"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "LICENSE.libfoo"), []byte("mine"), 0o600))
	id, files, err := licenseOf(dir)
	require.NoError(t, err)
	require.Equal(t, "Apache-2.0 AND unknown", id)
	require.Equal(t, []string{"LICENSE", "LICENSE.libfoo"}, files)
}

// Every program of the project is made of modules that may be used, and its bill
// names each with its hash; the same bill comes out twice.
func TestTheProjectsPrograms(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	for _, target := range []string{"./examples/controller", "./examples/kubectl-tmc"} {
		var table, bill, again bytes.Buffer
		require.NoError(t, run(t.Context(), []string{"licenses", target}, &table))
		require.NoError(t, run(t.Context(), []string{"sbom", target}, &bill))
		require.NoError(t, run(t.Context(), []string{"sbom", target}, &again))
		require.Equal(t, bill.String(), again.String())
		var b bom
		require.NoError(t, json.Unmarshal(bill.Bytes(), &b))
		require.Len(t, b.Components, strings.Count(table.String(), "\n")-1)
		for _, c := range b.Components {
			if c.Name != "std" && !strings.HasPrefix(c.Name, "github.com/tmc-sdk/") {
				require.Len(t, c.Hashes, 1, c.Name)
			}
			require.NotEmpty(t, c.Licenses, c.Name)
		}
	}
}
