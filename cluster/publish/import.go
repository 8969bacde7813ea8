package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// ErrNotServed says that a cluster does not serve a kind.
var ErrNotServed = errors.New("kind is not served")

// Importer reads schemas from one API server.
type Importer struct {
	client *http.Client
	base   *url.URL
	// descriptions says that descriptions are kept.
	descriptions bool
	// cache has what was made of documents; documents, lists and index were
	// fetched before.
	cache     *Cache
	documents map[string][]byte
	lists     map[schema.GroupVersion]*metav1.APIResourceList
	index     map[string]documentRef
}

// ImportOption changes what an Importer does.
type ImportOption func(*Importer)

// WithDescriptions keeps the descriptions of fields, for kubectl explain. They
// make a schema some eight times as large, and kcp holds it in memory for each
// binding; by default they are left out.
func WithDescriptions() ImportOption { return func(i *Importer) { i.descriptions = true } }

// NewImporter returns an importer from the API server that the config leads
// to, through the given HTTP client, as those of a cluster.Connection. It
// remembers what it fetches: use one for several kinds, and a new one to look
// again. It must not be used by several goroutines at once.
func NewImporter(cfg *rest.Config, client *http.Client, opts ...ImportOption) (*Importer, error) {
	if cfg == nil {
		return nil, errors.New("import schemas: no config")
	}
	base, _, err := rest.DefaultServerUrlFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("parse API server address: %w", err)
	}
	if client == nil {
		if client, err = rest.HTTPClientFor(cfg); err != nil {
			return nil, fmt.Errorf("prepare transport: %w", err)
		}
	}
	i := &Importer{client: client, base: base, cache: NewCache(), documents: map[string][]byte{}, lists: map[schema.GroupVersion]*metav1.APIResourceList{}}
	for _, opt := range opts {
		opt(i)
	}
	return i, nil
}

// Import returns the schema of a kind: that of its CustomResourceDefinition if
// it has one, else one made of the server's OpenAPI document. The error wraps
// ErrNotServed if the server does not serve the kind.
func (i *Importer) Import(ctx context.Context, kind schema.GroupVersionKind) (*Schema, error) {
	resource, subresources, err := i.resource(ctx, kind)
	if err != nil {
		return nil, fmt.Errorf("import %s: %w", kind, err)
	}
	s, err := i.fromCRD(ctx, kind, resource.Name)
	if err == nil && s == nil {
		s, err = i.fromOpenAPI(ctx, kind, resource, subresources)
	}
	if err != nil {
		return nil, fmt.Errorf("import %s: %w", kind, err)
	}
	return s, nil
}

// resource finds the resource of a kind, and its subresources.
func (i *Importer) resource(ctx context.Context, kind schema.GroupVersionKind) (*metav1.APIResource, []string, error) {
	gv := kind.GroupVersion()
	list, ok := i.lists[gv]
	if !ok {
		data, err := i.get(ctx, groupPath(gv))
		if apierrors.IsNotFound(err) {
			return nil, nil, fmt.Errorf("%w: the server has no %s", ErrNotServed, gv)
		}
		if err != nil {
			return nil, nil, err
		}
		list = &metav1.APIResourceList{}
		if err := json.Unmarshal(data, list); err != nil {
			return nil, nil, fmt.Errorf("decode resources of %s: %w", gv, err)
		}
		i.lists[gv] = list
	}
	var found *metav1.APIResource
	for n := range list.APIResources {
		if r := &list.APIResources[n]; r.Kind == kind.Kind && !strings.Contains(r.Name, "/") {
			found = r
		}
	}
	if found == nil {
		return nil, nil, fmt.Errorf("%w: %s has no such kind", ErrNotServed, gv)
	}
	var subresources []string
	for n := range list.APIResources {
		if sub, ok := strings.CutPrefix(list.APIResources[n].Name, found.Name+"/"); ok {
			subresources = append(subresources, sub)
		}
	}
	return found, subresources, nil
}

// fromCRD returns nil if there is no definition, or if it may not be read.
func (i *Importer) fromCRD(ctx context.Context, kind schema.GroupVersionKind, plural string) (*Schema, error) {
	if !strings.Contains(kind.Group, ".") || scheme.Scheme.IsGroupRegistered(kind.Group) {
		return nil, nil
	}
	data, err := i.get(ctx, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"+plural+"."+kind.Group)
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := json.Unmarshal(data, crd); err != nil {
		return nil, fmt.Errorf("decode definition: %w", err)
	}
	s, err := FromCRD(crd, kind.Version)
	if err == nil && !i.descriptions {
		undescribe(s.OpenAPI)
	}
	return s, err
}

// documentRef is where the document of a group and version is. Its address
// has a hash of its contents.
type documentRef struct {
	URL string `json:"serverRelativeURL"`
}

// fromOpenAPI makes a schema of the server's document, unless one was made of
// the same document before.
func (i *Importer) fromOpenAPI(ctx context.Context, kind schema.GroupVersionKind, r *metav1.APIResource, subresources []string) (*Schema, error) {
	if i.index == nil {
		data, err := i.get(ctx, "/openapi/v3")
		if err != nil {
			return nil, fmt.Errorf("read index of OpenAPI documents: %w", err)
		}
		var index struct {
			Paths map[string]documentRef `json:"paths"`
		}
		if err := json.Unmarshal(data, &index); err != nil {
			return nil, fmt.Errorf("decode index of OpenAPI documents: %w", err)
		}
		i.index = index.Paths
	}
	path := groupPath(kind.GroupVersion())
	ref := i.index[strings.TrimPrefix(path, "/")]
	key, err := cacheKey(ref.URL, kind, r, subresources, i.descriptions)
	if err != nil {
		return nil, fmt.Errorf("name schema: %w", err)
	}
	hashed := strings.Contains(ref.URL, "hash=")
	if s, ok := i.cache.lookup(key); ok && hashed {
		return s, nil
	}
	data, ok := i.documents[path]
	if !ok {
		if data, err = i.get(ctx, "/openapi/v3"+path); err != nil {
			return nil, fmt.Errorf("read OpenAPI document: %w", err)
		}
		i.documents[path] = data
	}
	s, err := i.build(data, kind, r, subresources)
	if err == nil && hashed {
		i.cache.put(key, s)
	}
	return s, err
}

// build makes a schema of a document and of what discovery says.
func (i *Importer) build(data []byte, kind schema.GroupVersionKind, r *metav1.APIResource, subresources []string) (*Schema, error) {
	props, err := structuralOf(data, kind)
	if err != nil {
		return nil, err
	}
	if !i.descriptions {
		undescribe(props)
	}
	s := &Schema{
		Group: kind.Group, Version: kind.Version,
		Names: apiextensionsv1.CustomResourceDefinitionNames{
			Plural: r.Name, Singular: r.SingularName, Kind: r.Kind, ShortNames: r.ShortNames, Categories: r.Categories,
		},
		Scope:   apiextensionsv1.ClusterScoped,
		OpenAPI: props,
		Columns: columnsOf(kind.GroupKind()),
	}
	if r.Namespaced {
		s.Scope = apiextensionsv1.NamespaceScoped
	}
	if community(kind.Group) {
		s.Approval = "https://github.com/kubernetes/kubernetes"
	}
	if slices.Contains(subresources, "status") {
		s.Subresources.Status = &apiextensionsv1.CustomResourceSubresourceStatus{}
	}
	if slices.Contains(subresources, "scale") && has(props, "spec", "replicas") && has(props, "status", "replicas") {
		s.Subresources.Scale = &apiextensionsv1.CustomResourceSubresourceScale{
			SpecReplicasPath: ".spec.replicas", StatusReplicasPath: ".status.replicas",
		}
	}
	complete(&s.Names)
	return s, nil
}

// maxDocument bounds what is read from a server.
const maxDocument = 64 << 20

func (i *Importer) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, i.base.JoinPath(path).String(), nil)
	if err != nil {
		return nil, fmt.Errorf("build request: %w", err)
	}
	req.Header.Set("Accept", runtime.ContentTypeJSON)
	resp, err := i.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument))
	if err != nil {
		return nil, fmt.Errorf("read GET %s: %w", path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, apierrors.NewGenericServerResponse(resp.StatusCode, http.MethodGet, schema.GroupResource{}, path, "", 0, true)
	}
	return data, nil
}

func groupPath(gv schema.GroupVersion) string {
	if gv.Group == "" {
		return "/api/" + gv.Version
	}
	return "/apis/" + gv.Group + "/" + gv.Version
}

// community says whether a group is one of the Kubernetes community, which API
// servers serve as a CustomResourceDefinition only if it bears its approval.
func community(group string) bool {
	return strings.HasSuffix(group, ".k8s.io") || strings.HasSuffix(group, ".kubernetes.io")
}

// has says whether a schema has a field.
func has(s *apiextensionsv1.JSONSchemaProps, path ...string) bool {
	for _, name := range path {
		next, ok := s.Properties[name]
		if !ok {
			return false
		}
		s = &next
	}
	return true
}

// undescribe removes all descriptions.
func undescribe(s *apiextensionsv1.JSONSchemaProps) {
	s.Description = ""
	for name, p := range s.Properties {
		undescribe(&p)
		s.Properties[name] = p
	}
	if s.Items != nil && s.Items.Schema != nil {
		undescribe(s.Items.Schema)
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
		undescribe(s.AdditionalProperties.Schema)
	}
}
