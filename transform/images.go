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

// Registries returns a transformer that rewrites the images of all containers,
// and of volumes that are images, in all pod specs, by the first mirror whose From
// the image begins with, the longest first. Tags and digests stay.
func Registries(mirrors ...Mirror) (Transformer, error) {
	from := map[string]bool{}
	for i, m := range mirrors {
		for field, text := range map[string]string{"From": m.From, "To": m.To} {
			if err := checkRegistry(text); err != nil {
				return nil, fmt.Errorf("transform: mirrors[%d].%s %q: %w", i, field, text, err)
			}
		}
		if first, _, _ := strings.Cut(m.From, "/"); !isRegistry(first) {
			return nil, fmt.Errorf("transform: mirrors[%d].From %q matches no image: begin with the registry, as in docker.io/%s", i, m.From, m.From)
		}
		if from[m.From] {
			return nil, fmt.Errorf("transform: mirrors[%d].From %q is that of another mirror: have each once", i, m.From)
		}
		from[m.From] = true
	}
	sorted := slices.Clone(mirrors)
	slices.SortStableFunc(sorted, func(a, b Mirror) int { return len(b.From) - len(a.From) })
	return registries(sorted), nil
}

// checkRegistry says what is wrong with a registry, or registry and path.
func checkRegistry(text string) error {
	switch {
	case text == "":
		return errors.New("it is needed: name a registry, as docker.io")
	case strings.Contains(text, "://"):
		return errors.New("images have no scheme: leave it out")
	case strings.HasPrefix(text, "/") || strings.HasSuffix(text, "/"):
		return errors.New("leave out the slash at its end or beginning")
	case strings.ContainsAny(text, "@ \t\r\n"):
		return errors.New("it is no registry: leave out digests and blanks")
	}
	return nil
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
	volumes, _ := spec["volumes"].([]any)
	for _, v := range volumes {
		volume, _ := v.(map[string]any)
		source, _ := volume["image"].(map[string]any)
		if image, ok := source["reference"].(string); ok && image != "" {
			source["reference"] = r.rewrite(image)
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

// qualified completes an image as container runtimes do: docker.io is where an
// image without a registry is, and index.docker.io another name of it.
func qualified(image string) string {
	first, rest, slash := strings.Cut(image, "/")
	switch {
	case !slash || !isRegistry(first):
		first, rest = "docker.io", image
	case first == "index.docker.io":
		first = "docker.io"
	}
	if first != "docker.io" {
		return image
	}
	if !strings.Contains(rest, "/") {
		rest = "library/" + rest
	}
	return first + "/" + rest
}

// isRegistry tells the first part of an image that is a registry from one that is
// a path.
func isRegistry(first string) bool {
	return first == "localhost" || strings.ContainsAny(first, ".:") || strings.ToLower(first) != first
}
