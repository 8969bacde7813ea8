package placement

import (
	"fmt"

	"github.com/blang/semver/v4"
)

// versionRange compiles a range of semantic versions, such as
// ">=1.34.0 <1.37.0 || 1.33.7" (the syntax of github.com/blang/semver). A
// version, with or without a leading "v", lies in it or not; what is no
// semantic version does not.
func versionRange(text string) (func(version string) bool, error) {
	within, err := semver.ParseRange(text)
	if err != nil {
		return nil, fmt.Errorf("%q is no range of semantic versions: %w", text, err)
	}
	return func(version string) bool {
		v, err := semver.ParseTolerant(version)
		return err == nil && within(v)
	}, nil
}
