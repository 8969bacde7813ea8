package transform_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tmc-sdk/tmc/transform"
)

func ExampleOverride_Validate() {
	fmt.Println(transform.Override{MergePatch: []byte(`{"spec": {"paused": true}}`)}.Validate())
	fmt.Println(transform.Override{MergePatch: []byte(`{"kind": "Secret"}`)}.Validate())
	// Output:
	// <nil>
	// kind may not be changed
}

func TestValidateOverride(t *testing.T) {
	for name, tc := range map[string]struct {
		reason      string
		json, merge string
		want        string
	}{
		"json":             {"", `[{"op":"add","path":"/spec/x","value":1}]`, "", ""},
		"merge":            {"", "", `{"metadata":{"labels":{"a":"b"}}}`, ""},
		"neither":          {"", "", "", "exactly one"},
		"both":             {"", "[]", "{}", "exactly one"},
		"no list":          {"", `{}`, "", "jsonPatch"},
		"null":             {"", "", `null`, "mergePatch is no object"},
		"text":             {"", "", `"x"`, "mergePatch"},
		"status":           {"it is the cluster's", "", `{"status":{}}`, "status may not be changed"},
		"metadata":         {"", "", `{"metadata":null}`, "metadata may not be replaced"},
		"finalizers":       {"they could hold the copy", "", `{"metadata":{"finalizers":["a/b"]}}`, "metadata.finalizers"},
		"name":             {"", `[{"op":"replace","path":"/metadata/name","value":"x"}]`, "", "labels and annotations alone"},
		"kind":             {"", `[{"op":"replace","path":"/kind","value":"x"}]`, "", "kind may not"},
		"escaped kind":     {"a pointer has escapes", `[{"op":"replace","path":"/~0/kind","value":"x"}]`, "", ""},
		"all":              {"the whole is not a field", `[{"op":"replace","path":"","value":{}}]`, "", "not that of a field"},
		"move":             {"moving the name away is changing it", `[{"op":"move","from":"/metadata/name","path":"/spec/x"}]`, "", "labels and annotations alone"},
		"copy of the name": {"reading it is not", `[{"op":"copy","from":"/metadata/name","path":"/spec/x"}]`, "", ""},
		"test":             {"", `[{"op":"test","path":"/metadata/name","value":"x"}]`, "", ""},
		"no value":         {"", `[{"op":"add","path":"/spec/x"}]`, "", "missing value"},
		"unknown":          {"", `[{"op":"invent","path":"/spec/x"}]`, "", "unsupported operation"},
		"no path":          {"", `[{"op":"remove"}]`, "", "missing path"},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.merge != "" && tc.json == "" && tc.want != "exactly one" { // what a merge patch may, a strategic one may
				err := transform.Override{StrategicMergePatch: []byte(tc.merge)}.Validate()
				require.Equal(t, tc.want == "", err == nil, "%v", err)
			}
			o := transform.Override{}
			if tc.json != "" {
				o.JSONPatch = []byte(tc.json)
			}
			if tc.merge != "" {
				o.MergePatch = []byte(tc.merge)
			}
			err := o.Validate()
			if tc.want == "" {
				require.NoError(t, err, tc.reason)
				return
			}
			require.ErrorContains(t, err, tc.want, tc.reason)
		})
	}
}

// FuzzValidateOverride: no patch makes it panic.
func FuzzValidateOverride(f *testing.F) {
	f.Add([]byte(`[{"op":"add","path":"/spec/x","value":1}]`), 0)
	f.Add([]byte(`{"metadata":{"labels":null}}`), 1)
	f.Add([]byte(`{"spec":{"$setElementOrder/containers":[{"name":"x"}]}}`), 2)
	f.Fuzz(func(_ *testing.T, patch []byte, form int) {
		o := transform.Override{MergePatch: patch}
		switch form {
		case 0:
			o = transform.Override{JSONPatch: patch}
		case 1:
			o = transform.Override{StrategicMergePatch: patch}
		}
		_ = o.Validate() // it must return
	})
}
