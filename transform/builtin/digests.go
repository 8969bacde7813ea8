package builtin

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/tmc-sdk/tmc/transform"
)

// Digests pins images, of containers and of volumes: an image that is written
// exactly as a key gets the digest, "sha256:...", behind it. Put it before transform.Registries
// if the keys are written as tenants write them, behind it if as mirrors are.
func Digests(digests map[string]string) (transform.Transformer, error) {
	pinned := maps.Clone(digests)
	for image, digest := range pinned {
		if err := checkDigest(digest); err != nil {
			return nil, refused("Digests", fmt.Sprintf("[%q]=%q", image, digest), err)
		}
		if image == "" || strings.Contains(image, "@") {
			return nil, refused("Digests", fmt.Sprintf("[%q]", image), errors.New("it is empty, or pinned already: write the image with its tag and no digest"))
		}
	}
	return ofPods("Digests", func(_ *transform.Target, pod object) error {
		pin := func(m object, field string) {
			image, _ := m[field].(string)
			if digest, ok := pinned[image]; ok {
				m[field] = image + "@" + digest
			}
		}
		volumes, _ := pod["volumes"].([]any)
		for _, v := range volumes {
			volume, _ := v.(object)
			if source, ok := volume["image"].(object); ok {
				pin(source, "reference")
			}
		}
		return containers(pod, func(container object) error {
			pin(container, "image")
			return nil
		})
	}), nil
}
