package builtin

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tmc-sdk/tmc/transform"
)

// Substitute replaces ${...} in the texts that the paths lead to, by values of
// the target: cluster.name, cluster.region, cluster.zone, cluster.provider,
// cluster.version, cluster.labels.KEY, cluster.properties.KEY,
// origin.workspace, origin.namespace, origin.name. $${ stands for ${. Nothing
// else of the object is looked at: a tenant's text elsewhere is data.
//
// A value that the target lacks is an error: half a host name is worse than
// none.
func Substitute(paths ...string) (transform.Transformer, error) {
	parsed := make([]transform.Path, 0, len(paths))
	for i, text := range paths {
		p, err := transform.ParsePath(text)
		if err != nil {
			return nil, refused("Substitute", fmt.Sprintf("paths[%d]", i), err)
		}
		parsed = append(parsed, p)
	}
	return &built{name: "Substitute", fn: func(t *transform.Target, obj *unstructured.Unstructured) error {
		for _, p := range parsed {
			err := p.Update(obj.Object, func(value any) (any, error) {
				text, ok := value.(string)
				if !ok {
					return value, nil
				}
				return Expand(t, text)
			})
			if err != nil {
				return fmt.Errorf("%s: %w", p, err)
			}
		}
		return nil
	}}, nil
}

// maxExpanded bounds what a text of a few references becomes.
const maxExpanded = 64 << 10

// Expand replaces ${...} in a text by values of the target, as Substitute does.
func Expand(t *transform.Target, text string) (string, error) {
	if !strings.Contains(text, "${") {
		return text, nil
	}
	var out strings.Builder
	for rest := text; rest != ""; {
		before, after, found := strings.Cut(rest, "${")
		out.WriteString(before)
		if !found {
			break
		}
		if strings.HasSuffix(before, "$") { // $${ was written
			out.WriteString("{")
			rest = after
			continue
		}
		name, behind, closed := strings.Cut(after, "}")
		if !closed {
			return "", fmt.Errorf("${%s is not closed", name)
		}
		value, ok := lookup(t, name)
		if !ok {
			return "", fmt.Errorf("cluster %s has no %s", t.Cluster, name)
		}
		out.WriteString(value)
		if out.Len() > maxExpanded {
			return "", fmt.Errorf("the text becomes longer than %d bytes", maxExpanded)
		}
		rest = behind
	}
	return out.String(), nil
}

// CheckTemplate says what no target can mend in a text for Expand.
func CheckTemplate(text string) error {
	for rest := text; ; {
		before, after, found := strings.Cut(rest, "${")
		if !found {
			return nil
		}
		rest = after
		if strings.HasSuffix(before, "$") {
			continue
		}
		name, behind, closed := strings.Cut(after, "}")
		if !closed {
			return fmt.Errorf("${%s is not closed: write }, or $${ for a ${ that is meant", name)
		}
		if !known(name) {
			return fmt.Errorf("there is no value ${%s}: there are %s, cluster.labels.KEY and cluster.properties.KEY", name, strings.Join(values, ", "))
		}
		rest = behind
	}
}

// values are those that have no key.
var values = []string{
	"cluster.name", "cluster.region", "cluster.zone", "cluster.provider", "cluster.version",
	"origin.workspace", "origin.namespace", "origin.name",
}

func known(name string) bool {
	for _, of := range [...]string{"cluster.labels.", "cluster.properties."} {
		if key, is := strings.CutPrefix(name, of); is {
			return key != ""
		}
	}
	return slices.Contains(values, name)
}

func lookup(t *transform.Target, name string) (value string, ok bool) {
	if key, is := strings.CutPrefix(name, "cluster.labels."); is {
		value, ok = t.Labels[key]
		return value, ok
	}
	if key, is := strings.CutPrefix(name, "cluster.properties."); is {
		value, ok = t.Properties[key]
		return value, ok
	}
	switch name {
	case "cluster.name":
		value = t.Cluster
	case "cluster.region":
		value = t.Region
	case "cluster.zone":
		value = t.Zone
	case "cluster.provider":
		value = t.Provider
	case "cluster.version":
		value = t.Version
	case "origin.workspace":
		value = t.Origin.LogicalCluster
	case "origin.namespace":
		value = t.Origin.Namespace
	case "origin.name":
		value = t.Origin.Name
	}
	return value, value != ""
}
