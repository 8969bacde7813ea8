package pull

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	kcpapisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
	kcpapisv1alpha2 "github.com/kcp-dev/sdk/apis/apis/v1alpha2"
	kcpcorev1alpha1 "github.com/kcp-dev/sdk/apis/core/v1alpha1"
	kcptenancyv1alpha1 "github.com/kcp-dev/sdk/apis/tenancy/v1alpha1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tmc-sdk/tmc/cluster/mailbox"
	"github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

const (
	// WorkspacePrefix begins the name of every workspace that is a mailbox.
	WorkspacePrefix = "mailbox-"
	// ExportSuffix ends the name of the export that mailboxes bind. It has the
	// schemas of the tenants' export without our own kinds, and is another, so
	// that mailboxes are no tenants.
	ExportSuffix = mailbox.ExportSuffix
	// LabelMailbox is on the workspace of a mailbox; its value is the name of the
	// cluster.
	LabelMailbox = v1alpha1.Group + "/mailbox"
)

// ErrNotReady says that a mailbox is being made, or has not been asked for.
var ErrNotReady = errors.New("the mailbox is not ready yet")

// Workspaces makes mailboxes as workspaces of kcp, below the platform's
// workspace, and finds them. Safe for concurrent use.
type Workspaces struct {
	platform  *rest.Config
	client    client.Client
	export    string
	resources []schema.GroupVersionResource
}

// NewWorkspaces returns the mailboxes below the workspace that the config leads
// to, which has the tenants' export of the given name. The resources are those
// that go into mailboxes; agents are allowed no others. The config needs create,
// get, list and delete on workspaces, get, create, update and bind on apiexports,
// and get, create and delete on apiresourceschemas (access.MailboxRules); kcp makes
// who creates a workspace its admin.
func NewWorkspaces(platform *rest.Config, export string, resources ...schema.GroupVersionResource) (*Workspaces, error) {
	switch {
	case platform == nil:
		return nil, errors.New("mailboxes: no config of the platform's workspace")
	case export == "":
		return nil, errors.New("mailboxes: the export has no name")
	case len(resources) == 0:
		return nil, errors.New("mailboxes: no resources: pass those that are synced")
	}
	scheme := runtime.NewScheme()
	mapper := meta.NewDefaultRESTMapper(nil)
	for _, add := range []func(*runtime.Scheme) error{kcptenancyv1alpha1.AddToScheme, kcpapisv1alpha1.AddToScheme, kcpapisv1alpha2.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("build scheme: %w", err)
		}
	}
	for _, kind := range []schema.GroupVersionKind{
		kcptenancyv1alpha1.SchemeGroupVersion.WithKind("Workspace"),
		kcpapisv1alpha1.SchemeGroupVersion.WithKind("APIResourceSchema"),
		kcpapisv1alpha2.SchemeGroupVersion.WithKind("APIExport"), kcpapisv1alpha2.SchemeGroupVersion.WithKind("APIBinding"),
	} {
		mapper.Add(kind, meta.RESTScopeRoot)
	}
	c, err := client.New(platform, client.Options{Scheme: scheme, Mapper: mapper})
	if err != nil {
		return nil, fmt.Errorf("build client of the platform's workspace: %w", err)
	}
	return &Workspaces{platform: platform, client: c, export: export, resources: resources}, nil
}

// Config returns the way to a cluster's mailbox with the rights of the config that
// NewWorkspaces was given. The error is ErrNotReady until Ensure has made it.
func (w *Workspaces) Config(ctx context.Context, cluster string) (*rest.Config, error) {
	ws := &kcptenancyv1alpha1.Workspace{}
	err := w.client.Get(ctx, client.ObjectKey{Name: WorkspacePrefix + cluster}, ws)
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("mailbox of %s: %w", cluster, ErrNotReady)
	}
	if err != nil {
		return nil, fmt.Errorf("mailbox of %s: %w", cluster, err)
	}
	return w.configOf(ws, cluster)
}

func (w *Workspaces) configOf(ws *kcptenancyv1alpha1.Workspace, cluster string) (*rest.Config, error) {
	if ws.Labels[LabelMailbox] != cluster {
		return nil, fmt.Errorf("mailbox of %s: workspace %s exists and is no mailbox of this cluster: rename one of the two", cluster, ws.Name)
	}
	if ws.Status.Phase != kcpcorev1alpha1.LogicalClusterPhaseReady || ws.Spec.Cluster == "" {
		return nil, fmt.Errorf("mailbox of %s: %w: its phase is %q", cluster, ErrNotReady, ws.Status.Phase)
	}
	// The platform's way to kcp, wherever kcp believes itself to be.
	address, err := url.Parse(w.platform.Host)
	if err != nil {
		return nil, fmt.Errorf("mailbox of %s: address of the platform's workspace: %w", cluster, err)
	}
	base, _, ok := strings.Cut(address.Path, "/clusters/")
	if !ok {
		return nil, fmt.Errorf("mailbox of %s: the address %s of the platform's workspace does not lead to a workspace of kcp: it has no /clusters/NAME", cluster, w.platform.Host)
	}
	address.Path = base + "/clusters/" + ws.Spec.Cluster
	cfg := rest.CopyConfig(w.platform)
	cfg.Host = address.String()
	return cfg, nil
}

// Ensure makes the mailbox of a cluster, a step at a time: the error is
// ErrNotReady until a later call finds it complete. What is there is only changed
// where it differs.
func (w *Workspaces) Ensure(ctx context.Context, cluster string) error {
	if problems := validation.IsDNS1123Label(WorkspacePrefix + cluster); len(problems) > 0 {
		return fmt.Errorf("mailbox of %s: metadata.name of the PhysicalCluster: %s: it has to be a DNS label of at most %d characters for a workspace to be named after it", cluster, problems[0], 63-len(WorkspacePrefix))
	}
	if err := w.ensureExport(ctx); err != nil {
		return fmt.Errorf("mailbox of %s: %w", cluster, err)
	}
	ws := &kcptenancyv1alpha1.Workspace{}
	err := w.client.Get(ctx, client.ObjectKey{Name: WorkspacePrefix + cluster}, ws)
	if apierrors.IsNotFound(err) {
		ws = &kcptenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: WorkspacePrefix + cluster, Labels: map[string]string{LabelMailbox: cluster}}}
		ws.Spec.Type = &kcptenancyv1alpha1.WorkspaceTypeReference{Name: "universal", Path: "root"}
		err = w.client.Create(ctx, ws)
	}
	if err != nil {
		return fmt.Errorf("mailbox of %s: %w", cluster, err)
	}
	cfg, err := w.configOf(ws, cluster)
	if err != nil {
		return err
	}
	if err := w.bind(ctx, cfg); err != nil {
		return fmt.Errorf("mailbox of %s: %w", cluster, err)
	}
	return Prepare(ctx, cfg, w.resources...)
}

// ensureExport keeps the export of mailboxes that of the tenants, but for what is
// ours: mailboxes hold work, and no Placements. Its schemas say the same and are
// its own. Exports must not share one: kcp 0.28.1 finds storage by the schema alone,
// so that after a start the objects of tenants could be looked for where those of
// mailboxes are kept, and would seem to be gone.
func (w *Workspaces) ensureExport(ctx context.Context) error {
	tenants := &kcpapisv1alpha2.APIExport{}
	if err := w.client.Get(ctx, client.ObjectKey{Name: w.export}, tenants); err != nil {
		return fmt.Errorf("read APIExport: %w", err)
	}
	var resources []kcpapisv1alpha2.ResourceSchema
	for _, r := range tenants.Spec.Resources {
		if slices.ContainsFunc(w.resources, func(own schema.GroupVersionResource) bool { return own.Group == r.Group && own.Resource == r.Name }) {
			r.Schema = ownSchemaPrefix + r.Schema
			resources = append(resources, r)
		}
	}
	if len(resources) == 0 {
		return fmt.Errorf("APIExport %s has none of the synced resources yet: %w", w.export, ErrNotReady)
	}
	export := &kcpapisv1alpha2.APIExport{ObjectMeta: metav1.ObjectMeta{Name: w.export + ExportSuffix}}
	err := w.client.Get(ctx, client.ObjectKeyFromObject(export), export)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("read APIExport: %w", err)
	}
	if err == nil && equality.Semantic.DeepEqual(export.Spec.Resources, resources) {
		return nil
	}
	for _, r := range resources {
		if err := w.ensureSchema(ctx, r.Schema); err != nil {
			return err
		}
	}
	before := export.Spec.Resources
	if export.Spec.Resources = resources; err == nil {
		err = w.client.Update(ctx, export)
	} else if err = w.client.Create(ctx, export); apierrors.IsAlreadyExists(err) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("write APIExport %s: %w", export.Name, err)
	}
	return w.dropSchemas(ctx, before, resources)
}

// ownSchemaPrefix begins the names of the schemas of mailboxes; the rest is the
// name of the tenants' schema.
const ownSchemaPrefix = "mailbox-"

// ensureSchema creates a schema of mailboxes, unless it is there. Schemas never
// change.
func (w *Workspaces) ensureSchema(ctx context.Context, name string) error {
	tenants := &kcpapisv1alpha1.APIResourceSchema{}
	if err := w.client.Get(ctx, client.ObjectKey{Name: strings.TrimPrefix(name, ownSchemaPrefix)}, tenants); err != nil {
		return fmt.Errorf("read APIResourceSchema: %w", err)
	}
	own := &kcpapisv1alpha1.APIResourceSchema{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: tenants.Spec}
	if approval, ok := tenants.Annotations[apiextensionsv1.KubeAPIApprovedAnnotation]; ok {
		own.Annotations = map[string]string{apiextensionsv1.KubeAPIApprovedAnnotation: approval}
	}
	if err := w.client.Create(ctx, own); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("write APIResourceSchema %s: %w", name, err)
	}
	return nil
}

// dropSchemas deletes the schemas of mailboxes that are no longer listed.
func (w *Workspaces) dropSchemas(ctx context.Context, before, now []kcpapisv1alpha2.ResourceSchema) error {
	for _, r := range before {
		if !strings.HasPrefix(r.Schema, ownSchemaPrefix) || slices.ContainsFunc(now, func(o kcpapisv1alpha2.ResourceSchema) bool { return o.Schema == r.Schema }) {
			continue
		}
		old := &kcpapisv1alpha1.APIResourceSchema{ObjectMeta: metav1.ObjectMeta{Name: r.Schema}}
		if err := w.client.Delete(ctx, old); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete APIResourceSchema %s: %w", r.Schema, err)
		}
	}
	return nil
}

// bind binds the export of mailboxes in one.
func (w *Workspaces) bind(ctx context.Context, cfg *rest.Config) error {
	c, err := client.New(cfg, client.Options{Scheme: w.client.Scheme(), Mapper: w.client.RESTMapper()})
	if err != nil {
		return fmt.Errorf("build client: %w", err)
	}
	binding := &kcpapisv1alpha2.APIBinding{ObjectMeta: metav1.ObjectMeta{Name: w.export}}
	err = c.Get(ctx, client.ObjectKeyFromObject(binding), binding)
	if apierrors.IsNotFound(err) {
		path, err := w.path()
		if err != nil {
			return err
		}
		binding.Spec.Reference.Export = &kcpapisv1alpha2.ExportBindingReference{Path: path, Name: w.export + ExportSuffix}
		if err := c.Create(ctx, binding); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("bind APIExport: %w", err)
		}
		return fmt.Errorf("%w: its APIBinding is new", ErrNotReady)
	}
	if err != nil {
		return fmt.Errorf("read APIBinding: %w", err)
	}
	if binding.Status.Phase != kcpapisv1alpha2.APIBindingPhaseBound {
		return fmt.Errorf("%w: the phase of its APIBinding is %q", ErrNotReady, binding.Status.Phase)
	}
	return nil
}

// path of the platform's workspace, or its name: bindings take either.
func (w *Workspaces) path() (string, error) {
	address, err := url.Parse(w.platform.Host)
	if err != nil {
		return "", fmt.Errorf("address of the platform's workspace: %w", err)
	}
	_, path, ok := strings.Cut(address.Path, "/clusters/")
	if !ok {
		return "", fmt.Errorf("the address %s does not lead to a workspace of kcp: it has no /clusters/NAME", w.platform.Host)
	}
	return strings.Trim(path, "/"), nil
}

// Clusters returns the names of the clusters that there are mailboxes of, sorted.
func (w *Workspaces) Clusters(ctx context.Context) ([]string, error) {
	list := &kcptenancyv1alpha1.WorkspaceList{}
	if err := w.client.List(ctx, list, client.HasLabels{LabelMailbox}); err != nil {
		return nil, fmt.Errorf("list mailboxes: %w", err)
	}
	var names []string
	for i := range list.Items {
		if cluster := list.Items[i].Labels[LabelMailbox]; list.Items[i].Name == WorkspacePrefix+cluster {
			names = append(names, cluster)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Close ends a mailbox whose cluster is registered no more: first the agent's
// access, so that no agent sees what follows as the end of its work, then, if no
// copy is left in it, the workspace. One with copies stays, without an agent, until
// somebody deletes it: what those copies stand for runs on. Emptied says whether
// the workspace is gone.
func (w *Workspaces) Close(ctx context.Context, cluster string) (emptied bool, err error) {
	ws := &kcptenancyv1alpha1.Workspace{}
	err = w.client.Get(ctx, client.ObjectKey{Name: WorkspacePrefix + cluster}, ws)
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("close mailbox of %s: %w", cluster, err)
	}
	cfg, err := w.configOf(ws, cluster)
	if err != nil {
		return false, err
	}
	if err := Revoke(ctx, cfg); err != nil {
		return false, fmt.Errorf("close mailbox of %s: %w", cluster, err)
	}
	left, err := w.copiesLeft(ctx, cfg)
	if err != nil || left {
		return false, err
	}
	uid := ws.UID
	if err := w.client.Delete(ctx, ws, client.Preconditions{UID: &uid}); client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("close mailbox of %s: %w", cluster, err)
	}
	return true, nil
}

// copiesLeft says whether any copy, of whatever installation, is in a mailbox.
func (w *Workspaces) copiesLeft(ctx context.Context, cfg *rest.Config) (bool, error) {
	c, err := client.New(cfg, client.Options{})
	if err != nil {
		return false, fmt.Errorf("build client: %w", err)
	}
	for _, r := range w.resources {
		kind, err := c.RESTMapper().KindFor(r)
		if err != nil {
			return false, fmt.Errorf("look for copies of %s: %w", r.Resource, err)
		}
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		if err := c.List(ctx, list, client.HasLabels{labelInstallation}, client.Limit(1)); err != nil {
			return false, fmt.Errorf("look for copies of %s: %w", r.Resource, err)
		}
		if len(list.Items) > 0 {
			return true, nil
		}
	}
	return false, nil
}

// labelInstallation is transform.LabelInstallation, the mark of every copy.
const labelInstallation = "tmc-sdk.dev/installation"
