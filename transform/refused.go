package transform

import (
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// ErrKindRefused is the error for kinds whose copies can't be told apart on a
// cluster: their names mean something, so that they can't be mapped.
var ErrKindRefused = errors.New("kind refused")

var refusedKinds = map[schema.GroupKind]string{
	{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}: "its name is that of the API that it defines; install it on the clusters and publish the API to workspaces",
	{Group: "apiregistration.k8s.io", Kind: "APIService"}:             "its name is that of the API that it serves",
	{Kind: "Node"}: "nodes belong to their cluster",
}

// tokenSecrets are the types of Secrets into which a cluster's own controllers put
// a credential of the cluster, or of which they take one.
var tokenSecrets = map[string]bool{
	"kubernetes.io/service-account-token": true,
	"bootstrap.kubernetes.io/token":       true,
}

// refuseToken returns an error for a Secret that would become a credential of the
// cluster, whoever gave it its type.
func refuseToken(obj *unstructured.Unstructured) error {
	if groupKind(obj) != (schema.GroupKind{Kind: "Secret"}) {
		return nil
	}
	if kind, _ := obj.Object["type"].(string); tokenSecrets[kind] {
		return fmt.Errorf("transform: %w: a Secret of type %s can't be copied: the cluster would make a credential of its own of it; leave its type out", ErrKindRefused, kind)
	}
	return nil
}

// refuse returns an error for kinds that can't be copied.
func refuse(kind schema.GroupKind) error {
	if why, refused := refusedKinds[kind]; refused {
		return fmt.Errorf("transform: %w: a %s can't be copied: %s", ErrKindRefused, kind.Kind, why)
	}
	return nil
}

// Copyable returns nil for a kind whose objects can be copied, and else an
// ErrKindRefused that says why not.
func Copyable(kind schema.GroupKind) error { return refuse(kind) }
