package placement

import (
	"fmt"

	"github.com/blang/semver/v4"
)

// versionRange parses a range of semantic versions, such as
// ">=1.34.0 <1.37.0 || 1.33.7" (the syntax of github.com/blang/semver).
func versionRange(text string) (semver.Range, error) {
	r, err := semver.ParseRange(text)
	if err != nil {
		return nil, fmt.Errorf("%q is no range of semantic versions: %w", text, err)
	}
	return r, nil
}

// withinVersions says whether a version, with or without a leading "v", lies in
// a range; one that is no semantic version lies in none.
func withinVersions(text, version string) (bool, error) {
	r, err := versionRange(text)
	if err != nil {
		return false, err
	}
	v, err := semver.ParseTolerant(version)
	return err == nil && r(v), nil
}
