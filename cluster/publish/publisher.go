package publish

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/kcp-dev/sdk/apis/apis/v1alpha2"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// LabelPublisher is on all that a Publisher creates. Its value is the name of
// the export. What does not bear it is never changed nor deleted.
const LabelPublisher = "cluster.tmc-sdk.dev/publisher"

var (
	// ErrBreaking says that a schema accepts less than the one that is
	// published: objects that exist might become invalid.
	ErrBreaking = errors.New("schema would break existing objects")
	// ErrForeign says that an object of that name exists, which no Publisher
	// made.
	ErrForeign = errors.New("object was not made by this publisher")
)

// Publisher makes an export true in the provider workspace that it is given.
type Publisher struct {
	client   client.Client
	breaking bool
	removing bool
	keep     time.Duration
}

// PublisherOption changes how a Publisher works.
type PublisherOption func(*Publisher)

// AllowBreaking lets schemas take the place of others that accept more.
func AllowBreaking() PublisherOption { return func(p *Publisher) { p.breaking = true } }

// AllowRemoval lets resources and claims be withdrawn that the Export no
// longer has. Tenants then lose access to objects that they have.
func AllowRemoval() PublisherOption { return func(p *Publisher) { p.removing = true } }

// NewPublisher returns a publisher into the workspace that the config leads
// to. It needs all verbs but deletecollection on apiresourceschemas and
// apiexports there, and for Export.Binders on clusterroles and
// clusterrolebindings.
func NewPublisher(cfg *rest.Config, opts ...PublisherOption) (*Publisher, error) {
	if cfg == nil {
		return nil, errors.New("publish APIs: no config")
	}
	scheme := runtime.NewScheme()
	mapper := meta.NewDefaultRESTMapper(nil)
	for _, add := range []func(*runtime.Scheme) error{apisv1alpha1.AddToScheme, apisv1alpha2.AddToScheme, rbacv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("build scheme: %w", err)
		}
	}
	for _, kind := range []schema.GroupVersionKind{
		apisv1alpha1.SchemeGroupVersion.WithKind("APIResourceSchema"), apisv1alpha2.SchemeGroupVersion.WithKind("APIExport"),
		rbacv1.SchemeGroupVersion.WithKind("ClusterRole"), rbacv1.SchemeGroupVersion.WithKind("ClusterRoleBinding"),
	} {
		mapper.Add(kind, meta.RESTScopeRoot)
	}
	c, err := client.New(cfg, client.Options{Scheme: scheme, Mapper: mapper})
	if err != nil {
		return nil, fmt.Errorf("build client: %w", err)
	}
	p := &Publisher{client: c, keep: time.Hour}
	for _, opt := range opts {
		opt(p)
	}
	return p, nil
}

// Result says what Ensure did.
type Result struct {
	// Created, Updated and Deleted name objects, as "kind/name".
	Created, Updated, Deleted []string
	// Refused are the resources that are still published as they were, since
	// the new schema accepts less. Ensure returns ErrBreaking then.
	Refused map[schema.GroupResource][]Narrowing
	// Kept are resources and claims that the Export no longer has, and that
	// are still published since removal is not allowed.
	Kept []string
}

// Changed says whether anything was written.
func (r *Result) Changed() bool { return len(r.Created)+len(r.Updated)+len(r.Deleted) > 0 }

// Ensure makes the export true, and writes only what differs from what is
// there. A schema that accepts less than the published one is refused, with
// ErrBreaking and the paths of the fields in Result.Refused; all else is
// published nevertheless.
func (p *Publisher) Ensure(ctx context.Context, e Export) (*Result, error) {
	if e.Name == "" {
		return nil, errors.New("publish APIs: the export has no name")
	}
	desired, err := e.schemas()
	if err != nil {
		return nil, err
	}
	r := &Result{Refused: map[schema.GroupResource][]Narrowing{}}
	current, err := p.export(ctx, e.Name)
	if err != nil {
		return r, err
	}
	resources, err := p.resources(ctx, &e, current, desired, r)
	if err != nil {
		return r, err
	}
	if err := p.ensureExport(ctx, &e, current, resources, r); err != nil {
		return r, err
	}
	if err := p.ensureBinders(ctx, &e, r); err != nil {
		return r, err
	}
	if err := p.prune(ctx, &e, resources, r); err != nil {
		return r, err
	}
	if len(r.Refused) > 0 {
		return r, refusal(r.Refused)
	}
	return r, nil
}

// export returns the APIExport, or nil if there is none.
func (p *Publisher) export(ctx context.Context, name string) (*apisv1alpha2.APIExport, error) {
	export := &apisv1alpha2.APIExport{}
	err := p.client.Get(ctx, client.ObjectKey{Name: name}, export)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read APIExport %s: %w", name, err)
	case export.Labels[LabelPublisher] != name:
		return nil, fmt.Errorf("publish into APIExport %s: %w; label it %s=%s to hand it over", name, ErrForeign, LabelPublisher, name)
	}
	return export, nil
}

// resources creates the schemas that are missing, and returns what the export
// should list.
func (p *Publisher) resources(ctx context.Context, e *Export, current *apisv1alpha2.APIExport, desired []*apisv1alpha1.APIResourceSchema, r *Result) ([]apisv1alpha2.ResourceSchema, error) {
	published := map[schema.GroupResource]apisv1alpha2.ResourceSchema{}
	if current != nil {
		for _, res := range current.Spec.Resources {
			published[schema.GroupResource{Group: res.Group, Resource: res.Name}] = res
		}
	}
	var resources []apisv1alpha2.ResourceSchema
	for _, ars := range desired {
		gr := resourceOf(ars)
		old, ok := published[gr]
		delete(published, gr)
		if ok && old.Schema == ars.Name {
			resources = append(resources, old)
			continue
		}
		if ok {
			narrowed, err := p.narrowings(ctx, old.Schema, ars)
			if err != nil {
				return nil, err
			}
			if len(narrowed) > 0 && !p.breaking {
				r.Refused[gr] = narrowed
				resources = append(resources, old)
				continue
			}
		}
		if err := p.ensureSchema(ctx, e.Name, ars, r); err != nil {
			return nil, err
		}
		resources = append(resources, apisv1alpha2.ResourceSchema{
			Name: gr.Resource, Group: gr.Group, Schema: ars.Name,
			Storage: apisv1alpha2.ResourceSchemaStorage{CRD: &apisv1alpha2.ResourceSchemaStorageCRD{}},
		})
	}
	for gr, old := range published {
		if !p.removing {
			r.Kept = append(r.Kept, "resource "+gr.String())
			resources = append(resources, old)
		}
	}
	slices.Sort(r.Kept)
	slices.SortFunc(resources, func(a, b apisv1alpha2.ResourceSchema) int {
		return compareResources(schema.GroupResource{Group: a.Group, Resource: a.Name}, schema.GroupResource{Group: b.Group, Resource: b.Name})
	})
	return resources, nil
}

// narrowings says what the schema that is published accepts beyond the next.
func (p *Publisher) narrowings(ctx context.Context, name string, next *apisv1alpha1.APIResourceSchema) ([]Narrowing, error) {
	old := &apisv1alpha1.APIResourceSchema{}
	err := p.client.Get(ctx, client.ObjectKey{Name: name}, old)
	if apierrors.IsNotFound(err) {
		// The export is broken as it is: nothing is bound by this schema.
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read APIResourceSchema %s: %w", name, err)
	}
	return versionNarrowings(old, next)
}

// versionNarrowings compares version by version.
func versionNarrowings(old, next *apisv1alpha1.APIResourceSchema) ([]Narrowing, error) {
	var narrowed []Narrowing
	for i := range old.Spec.Versions {
		before, err := versionOf(old, i)
		if err != nil {
			return nil, err
		}
		j := slices.IndexFunc(next.Spec.Versions, func(v apisv1alpha1.APIResourceVersion) bool { return v.Name == before.Version })
		if j < 0 {
			narrowed = append(narrowed, Narrowing{Path: ".", Reason: "version " + before.Version + " is no longer served"})
			continue
		}
		after, err := versionOf(next, j)
		if err != nil {
			return nil, err
		}
		some, err := Narrowings(before, after)
		if errors.Is(err, ErrIncompatible) {
			some, err = []Narrowing{{Path: ".", Reason: err.Error()}}, nil
		}
		if err != nil {
			return nil, err
		}
		narrowed = append(narrowed, some...)
	}
	return narrowed, nil
}

// refusal says what was refused.
func refusal(refused map[schema.GroupResource][]Narrowing) error {
	var errs []error
	for gr, narrowed := range refused {
		n := narrowed[0]
		err := fmt.Errorf("publish %s: %w: %s %s", gr, ErrBreaking, n.Path, n.Reason)
		if more := len(narrowed) - 1; more > 0 {
			err = fmt.Errorf("%w, and %d more", err, more)
		}
		errs = append(errs, err)
	}
	slices.SortFunc(errs, func(a, b error) int {
		if a.Error() < b.Error() {
			return -1
		}
		return 1
	})
	return errors.Join(errs...)
}
