package builtin

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tmc-sdk/tmc/transform"
)

// EnvVar is an environment variable for every container.
type EnvVar struct {
	// Name of the variable.
	Name string
	// Value; ${cluster.region} and the like stand for the target's (see
	// Substitute).
	Value string
	// Force puts it in the place of one that the tenant has set.
	Force bool
}

// Env sets environment variables in every container.
func Env(vars ...EnvVar) (transform.Transformer, error) {
	vars = slices.Clone(vars)
	isStatic := true
	for i, v := range vars {
		if v.Name == "" || strings.ContainsAny(v.Name, "=\x00") {
			return nil, refused("Env", fmt.Sprintf("vars[%d].Name %q", i, v.Name), errors.New("a name is needed, without ="))
		}
		if err := CheckTemplate(v.Value); err != nil {
			return nil, refused("Env", v.Name, err)
		}
		isStatic = isStatic && static(map[string]string{"": v.Value})
	}
	b := ofPods("Env", func(t *transform.Target, pod object) error {
		return containers(pod, func(container object) error {
			for _, v := range vars {
				value, err := Expand(t, v.Value)
				if err != nil {
					return fmt.Errorf("variable %s: %w", v.Name, err)
				}
				setVar(container, v, value)
			}
			return nil
		})
	})
	b.independent = isStatic
	return b, nil
}

func setVar(container object, v EnvVar, value string) {
	there, has := container["env"]
	list, ok := there.([]any)
	if has && there != nil && !ok {
		return
	}
	for i, item := range list {
		if name(item) == v.Name {
			if v.Force {
				list[i] = object{"name": v.Name, "value": value}
			}
			return
		}
	}
	container["env"] = append(list, object{"name": v.Name, "value": value})
}
