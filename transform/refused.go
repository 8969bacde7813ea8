package transform

import (
	"errors"
	"fmt"

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

// refuse returns an error for kinds that can't be copied.
func refuse(kind schema.GroupKind) error {
	if why, refused := refusedKinds[kind]; refused {
		return fmt.Errorf("transform: %w: a %s can't be copied: %s", ErrKindRefused, kind.Kind, why)
	}
	return nil
}
