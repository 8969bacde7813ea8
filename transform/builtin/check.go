package builtin

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// refused says which field of which transformer's rules is wrong, and why.
func refused(transformer, field string, err error) error {
	return fmt.Errorf("builtin: %s: %s: %w", transformer, field, err)
}

// first makes an error of the first of several problems.
func first(problems []string) error {
	if len(problems) == 0 {
		return nil
	}
	return errors.New(problems[0])
}

// checkLabels refuses what no API server takes for labels.
func checkLabels(labels map[string]string) error {
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if err := first(slices.Concat(validation.IsQualifiedName(key), validation.IsValidLabelValue(labels[key]))); err != nil {
			return fmt.Errorf("[%q]=%q: %w", key, labels[key], err)
		}
	}
	return nil
}

// oneOf refuses what is none of a closed set.
func oneOf[T ~string](value T, all ...T) error {
	if slices.Contains(all, value) {
		return nil
	}
	return fmt.Errorf("%q is not known: it is one of %q", value, all)
}

func checkToleration(t corev1.Toleration) error {
	if err := oneOf(t.Operator, "", corev1.TolerationOpExists, corev1.TolerationOpEqual, corev1.TolerationOpLt, corev1.TolerationOpGt); err != nil {
		return fmt.Errorf("operator: %w", err)
	}
	if err := oneOf(t.Effect, "", corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute); err != nil {
		return fmt.Errorf("effect: %w", err)
	}
	switch {
	case t.Key == "" && t.Operator != corev1.TolerationOpExists:
		return errors.New("without a key, which tolerates every taint, the operator must be Exists")
	case t.Value != "" && t.Operator == corev1.TolerationOpExists:
		return errors.New("the operator Exists takes no value: leave it out")
	case t.Key != "":
		return first(validation.IsQualifiedName(t.Key))
	}
	return nil
}

func checkSpread(c corev1.TopologySpreadConstraint) error {
	if err := oneOf(c.WhenUnsatisfiable, corev1.DoNotSchedule, corev1.ScheduleAnyway); err != nil {
		return fmt.Errorf("whenUnsatisfiable: %w", err)
	}
	switch {
	case c.MaxSkew < 1:
		return errors.New("maxSkew must be at least 1")
	case c.TopologyKey == "":
		return errors.New("topologyKey is needed: name a label of nodes, as topology.kubernetes.io/zone")
	}
	return nil
}

// check refuses what would make every pod one that the API server refuses.
func (i Injection) check() error {
	for field, list := range map[string][]corev1.Container{"InitContainers": i.InitContainers, "Containers": i.Containers} {
		for n, c := range list {
			if err := first(validation.IsDNS1123Label(c.Name)); err != nil {
				return refused("Inject", fmt.Sprintf("%s[%d].name %q", field, n, c.Name), err)
			}
			if c.Image == "" {
				return refused("Inject", fmt.Sprintf("%s[%d].image", field, n), errors.New("it is needed"))
			}
		}
	}
	for n, v := range i.Volumes {
		if err := first(validation.IsDNS1123Label(v.Name)); err != nil {
			return refused("Inject", fmt.Sprintf("Volumes[%d].name %q", n, v.Name), err)
		}
	}
	for n, m := range i.Mounts {
		if m.Name == "" || !strings.HasPrefix(m.MountPath, "/") && !strings.Contains(m.MountPath, `:\`) {
			return refused("Inject", fmt.Sprintf("Mounts[%d]", n), errors.New("the name of a volume and an absolute mountPath are both needed"))
		}
	}
	return nil
}

// checkDigest refuses what pins nothing.
func checkDigest(digest string) error {
	for algorithm, length := range map[string]int{"sha256:": 64, "sha512:": 128} {
		if hex, ok := strings.CutPrefix(digest, algorithm); ok && len(hex) == length && strings.Trim(hex, "0123456789abcdef") == "" {
			return nil
		}
	}
	return errors.New("it is no digest: write sha256: and 64 hexadecimal digits")
}
