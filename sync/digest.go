package syncer

import (
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/cespare/xxhash/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tmc-sdk/tmc/transform"
)

// seal writes the digest of a rendered object into its annotations. A copy
// with the same digest was applied from the same rendering: what the rendering
// no longer has is gone from the copy, too.
func seal(rendered *unstructured.Unstructured) error {
	data, err := json.Marshal(rendered.Object) // sorts keys
	if err != nil {
		return fmt.Errorf("digest of rendered %s: %w", rendered.GetKind(), err)
	}
	annotations := rendered.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[transform.AnnotationDigest] = hash(data)
	rendered.SetAnnotations(annotations)
	return nil
}

func digestOf(obj *unstructured.Unstructured) string {
	// Not by GetAnnotations, which copies all of them.
	digest, _ := at(obj.Object, "metadata", "annotations")[transform.AnnotationDigest].(string)
	return digest
}

// fieldsOf returns a digest of the fields of a copy that are ours by its
// managed fields; empty if none are. It changes when another takes one over.
func fieldsOf(copied *unstructured.Unstructured, manager string) string {
	for _, entry := range copied.GetManagedFields() {
		if entry.Manager == manager && entry.Operation == metav1.ManagedFieldsOperationApply && entry.FieldsV1 != nil {
			return hash(entry.FieldsV1.GetRawBytes())
		}
	}
	return ""
}

func hash(data []byte) string {
	var sum [8]byte
	h := xxhash.Sum64(data)
	for i := range sum {
		sum[i] = byte(h >> (56 - 8*i))
	}
	return hex.EncodeToString(sum[:])
}
