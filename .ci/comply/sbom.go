package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"strings"
)

// The parts of CycloneDX 1.5 that are used.
type (
	bom struct {
		Format       string       `json:"bomFormat"`
		Version      string       `json:"specVersion"`
		Serial       string       `json:"serialNumber"`
		Revision     int          `json:"version"`
		Metadata     bomMetadata  `json:"metadata"`
		Components   []component  `json:"components"`
		Dependencies []dependency `json:"dependencies"`
	}
	bomMetadata struct {
		Component component `json:"component"`
	}
	component struct {
		Type     string          `json:"type"`
		Ref      string          `json:"bom-ref"`
		Name     string          `json:"name"`
		Version  string          `json:"version,omitempty"`
		Hashes   []hash          `json:"hashes,omitempty"`
		Licenses []licenseChoice `json:"licenses,omitempty"`
		PURL     string          `json:"purl,omitempty"`
	}
	hash struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	}
	licenseChoice struct {
		Expression string `json:"expression"`
	}
	dependency struct {
		Ref       string   `json:"ref"`
		DependsOn []string `json:"dependsOn,omitempty"`
	}
)

// sbom prints the bill of materials of a program.
func sbom(ctx context.Context, target string, out io.Writer) error {
	modules, err := modulesOf(ctx, target)
	if err != nil {
		return err
	}
	b := bom{
		Format: "CycloneDX", Version: "1.5", Revision: 1,
		Metadata: bomMetadata{component{Type: "application", Ref: "program", Name: path.Base(strings.TrimSuffix(target, "/"))}},
	}
	all := dependency{Ref: "program"}
	for _, m := range modules {
		c, err := m.component()
		if err != nil {
			return err
		}
		b.Components, all.DependsOn = append(b.Components, c), append(all.DependsOn, c.Ref)
	}
	b.Dependencies = []dependency{all}
	// What it is a bill of gives it its number: the same bill has the same one.
	content, err := json.Marshal(b)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	id := hex.EncodeToString(sum[:16])
	b.Serial = fmt.Sprintf("urn:uuid:%s-%s-5%s-8%s-%s", id[:8], id[8:12], id[13:16], id[17:20], id[20:32])
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(b)
}

func (m module) component() (component, error) {
	name := "pkg:golang/" + m.Path
	if m.Version != "" {
		name += "@" + m.Version
	}
	c := component{Type: "library", Ref: name, Name: m.Path, Version: m.Version, PURL: name}
	if m.License != unknown {
		c.Licenses = []licenseChoice{{m.License}}
	}
	if encoded, ok := strings.CutPrefix(m.Sum, "h1:"); ok {
		sum, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return c, fmt.Errorf("%s: hash %q: %w", m.Path, m.Sum, err)
		}
		c.Hashes = []hash{{"SHA-256", hex.EncodeToString(sum)}} // of the module's zip, as dirhash.Hash1 has it
	}
	return c, nil
}
