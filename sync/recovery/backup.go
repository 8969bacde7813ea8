package recovery

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Version of the format that Write writes and Read reads.
const Version = "recovery.tmc-sdk.dev/v1"

// Kind of a backup.
const Kind = "Backup"

// Backup is what cannot be recomputed.
type Backup struct {
	metav1.TypeMeta `json:",inline"`

	// Taken is when it was read.
	Taken time.Time `json:"taken"`
	// Platform has the objects of the platform's workspace: PhysicalClusters,
	// and the Secrets of their connections if they were asked for.
	Platform []unstructured.Unstructured `json:"platform"`
	// Workspaces of tenants, sorted by path.
	Workspaces []Workspace `json:"workspaces"`
	// SHA256 of all the rest, in hexadecimal.
	SHA256 string `json:"sha256"`
}

// Workspace is what one workspace holds.
type Workspace struct {
	// Path of the workspace, by which it is found again.
	Path string `json:"path"`
	// Cluster is the name of the logical cluster that it was.
	Cluster string `json:"cluster"`
	// Placements and ClusterPlacements, with status.
	Placements []unstructured.Unstructured `json:"placements"`
	// Originals of the kinds that were asked for, without status.
	Originals []unstructured.Unstructured `json:"originals"`
}

// Write writes a backup with its version and its checksum.
func (b *Backup) Write(w io.Writer) error {
	b.TypeMeta = metav1.TypeMeta{APIVersion: Version, Kind: Kind}
	sum, err := b.sum()
	if err != nil {
		return err
	}
	b.SHA256 = sum
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	if err := e.Encode(b); err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	return nil
}

// sum is the checksum of everything but the checksum.
func (b *Backup) sum() (string, error) {
	without := *b
	without.SHA256 = ""
	data, err := json.Marshal(without)
	if err != nil {
		return "", fmt.Errorf("checksum of backup: %w", err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

// ErrDamaged says that a backup is not what was written.
var ErrDamaged = errors.New("the backup is damaged: its contents do not have its checksum")

// Read reads a backup and verifies it.
func Read(r io.Reader) (*Backup, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read backup: %w", err)
	}
	var what metav1.TypeMeta
	if err := json.Unmarshal(data, &what); err != nil {
		return nil, fmt.Errorf("read backup: it is cut off or no backup: %w", err)
	}
	if what.Kind != Kind || what.APIVersion != Version {
		return nil, fmt.Errorf("read backup: it is a %s of %s; this version reads %s of %s", what.Kind, what.APIVersion, Kind, Version)
	}
	b := &Backup{}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(b); err != nil {
		return nil, fmt.Errorf("read backup: %w", err)
	}
	if sum, err := b.sum(); err != nil || sum != b.SHA256 {
		return nil, ErrDamaged
	}
	return b, nil
}
