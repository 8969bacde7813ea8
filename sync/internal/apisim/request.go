package apisim

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Verb is what a request asks for.
type Verb string

// The verbs that a Server knows.
const (
	Get    Verb = "get"
	List   Verb = "list"
	Create Verb = "create"
	Update Verb = "update"
	Patch  Verb = "patch" // JSON merge patch
	Apply  Verb = "apply" // server-side apply
	Delete Verb = "delete"
)

// Request is one call of a client.
type Request struct {
	Verb Verb
	Kind schema.GroupVersionKind
	// Namespace and Name of the object; no name for List, and no namespace for
	// a List of all.
	Namespace, Name string
	// Subresource is empty or "status".
	Subresource string
	// Object for Create, Update and Apply.
	Object *unstructured.Unstructured
	// Patch is the document of Patch.
	Patch []byte
	// Manager is the field manager; Force takes ownership in Apply.
	Manager string
	Force   bool
	// UID and ResourceVersion are preconditions of Delete; empty for none.
	UID             types.UID
	ResourceVersion string
	// DryRun stores nothing; of Apply alone.
	DryRun bool
	// Selector narrows List; nil for all.
	Selector labels.Selector
}

// Writes says whether the request may change anything.
func (r *Request) Writes() bool { return r.Verb != Get && r.Verb != List && !r.DryRun }

// String describes the request in a line.
func (r *Request) String() string {
	s := fmt.Sprintf("%s %s %s/%s", r.Verb, r.Kind.Kind, r.Namespace, r.Name)
	if r.Subresource != "" {
		s += " " + r.Subresource
	}
	return s
}

// Response is what a Server answers. Objects in it are the caller's own.
type Response struct {
	Object *unstructured.Unstructured
	Items  []*unstructured.Unstructured
	// ResourceVersion of a List.
	ResourceVersion string
}

// Transport carries a request to a server and its answer back. Server.Do is
// one; faults are put between.
type Transport func(ctx context.Context, r *Request) (*Response, error)
