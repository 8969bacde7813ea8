package envtest

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// The go.mod and go.sum of each server's build. They bear the suffix .txt
// because Go leaves a nested module out of its parent's module zip: as plain
// files they reach everyone who imports this package.
//
//go:embed pins/*/go.mod.txt pins/*/go.sum.txt
var pins embed.FS

var pinFiles = []string{"go.mod", "go.sum"}

// writePins lays out the module in dir that r is built in.
func (r recipe) writePins(dir string) error {
	for _, name := range pinFiles {
		content, err := r.pin(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return fmt.Errorf("write the pinned %s: %w", name, err)
		}
	}
	return nil
}

func (r recipe) pin(name string) ([]byte, error) {
	content, err := pins.ReadFile("pins/" + r.pins + "/" + name + ".txt")
	if err != nil {
		return nil, fmt.Errorf("read the embedded pins of %s: %w", r.pkg, err)
	}
	return content, nil
}

// ldflags returns the linker's flags, always in the same order.
func (r recipe) ldflags() string {
	flags := []string{"-s", "-w"}
	for _, name := range slices.Sorted(maps.Keys(r.stamp)) {
		flags = append(flags, "-X", name+"="+r.stamp[name])
	}
	return strings.Join(flags, " ")
}

// key addresses a build by its content: what goes in and who builds it.
func (r recipe) key() (string, error) {
	h := sha256.New()
	for _, name := range pinFiles {
		content, err := r.pin(name)
		if err != nil {
			return "", err
		}
		h.Write(fmt.Appendf(nil, "%s %d\n%s", name, len(content), content))
	}
	h.Write(fmt.Appendf(nil, "%s\n%s\n%s/%s\n%s\n", r.pkg, r.ldflags(), runtime.GOOS, runtime.GOARCH, runtime.Version()))
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}
