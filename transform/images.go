package transform

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Mirror rewrites the images of one registry, or of a path below it.
type Mirror struct {
	// From is the registry, or registry and path, as it stands in images:
	// "docker.io", "registry.example/team". Images without a registry are of
	// "docker.io"; those without a path there are of "docker.io/library".
	From string
	// To takes its place.
	To string
}

// Registries returns a transformer that rewrites the images of all containers
// in all pod specs, by the first mirror whose From the image begins with, the
// longest first. Tags and digests stay.
func Registries(mirrors ...Mirror) (Transformer, error) {
	for i, m := range mirrors {
		if m.From == "" || m.To == "" {
			return nil, fmt.Errorf("transform: mirror %d: From and To are both needed", i)
		}
	}
	sorted := slices.Clone(mirrors)
	slices.SortStableFunc(sorted, func(a, b Mirror) int { return len(b.From) - len(a.From) })
	return registries(sorted), nil
}

type registries []Mirror

var (
	_ Transformer       = registries{}
	_ TargetIndependent = registries{}
	_ JSONOnly          = registries{}
)

// Name implements Transformer.
func (registries) Name() string { return "Registries" }

// TargetIndependent implements TargetIndependent.
func (registries) TargetIndependent() bool { return true }

// JSONOnly implements JSONOnly.
func (registries) JSONOnly() bool { return true }

// Transform implements Transformer.
func (r registries) Transform(_ context.Context, t *Target, obj *unstructured.Unstructured) error {
	for _, spec := range t.PodSpecs(obj) {
		if err := r.pod(spec); err != nil {
			return err
		}
	}
	return nil
}

func (r registries) pod(spec map[string]any) error {
	for _, list := range []string{"initContainers", "containers", "ephemeralContainers"} {
		containers, _ := spec[list].([]any)
		for _, c := range containers {
			container, ok := c.(map[string]any)
			if !ok {
				return errors.New(list + " is not a list of containers")
			}
			if image, ok := container["image"].(string); ok && image != "" {
				container["image"] = r.rewrite(image)
			}
		}
	}
	return nil
}

func (r registries) rewrite(image string) string {
	for _, m := range r {
		if strings.HasPrefix(image, m.To+"/") {
			return image // so that twice is once
		}
	}
	full := qualified(image)
	for _, m := range r {
		if rest, ok := strings.CutPrefix(full, m.From+"/"); ok {
			return m.To + "/" + rest
		}
	}
	return image
}

// qualified completes an image as container runtimes do.
func qualified(image string) string {
	first, _, slash := strings.Cut(image, "/")
	switch {
	case !slash:
		return "docker.io/library/" + image
	case !strings.ContainsAny(first, ".:") && first != "localhost":
		return "docker.io/" + image
	}
	return image
}
