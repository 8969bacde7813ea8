package builtin

import (
	"fmt"
	"maps"
	"strings"

	"github.com/tmc-sdk/tmc/transform"
)

// Digests pins images: an image that is written exactly as a key gets the
// digest, "sha256:...", behind it. Put it before transform.Registries if the keys are
// written as tenants write them, behind it if as mirrors are.
func Digests(digests map[string]string) (transform.Transformer, error) {
	pinned := maps.Clone(digests)
	for image, digest := range pinned {
		if !strings.HasPrefix(digest, "sha256:") || strings.Contains(image, "@") {
			return nil, fmt.Errorf("builtin: image %q can't be pinned to digest %q", image, digest)
		}
	}
	return ofPods("Digests", func(_ *transform.Target, pod object) error {
		return containers(pod, func(container object) error {
			image, _ := container["image"].(string)
			if digest, ok := pinned[image]; ok {
				container["image"] = image + "@" + digest
			}
			return nil
		})
	}), nil
}
