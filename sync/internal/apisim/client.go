package apisim

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Client speaks to a server through a transport. It takes unstructured objects
// and, in lists, PartialObjectMetadata.
type Client struct {
	client.Client // what is not implemented panics
	server        *Server
	send          Transport
	manager       string
}

var _ client.Client = (*Client)(nil)

// NewClient returns a client of a server whose requests go through send; nil
// sends them straight. The manager is the field manager of writes that name
// none.
func NewClient(s *Server, manager string, send Transport) *Client {
	if send == nil {
		send = s.Do
	}
	return &Client{server: s, send: send, manager: manager}
}

func (c *Client) request(verb Verb, obj client.Object) (*Request, *unstructured.Unstructured, error) {
	u, ok := obj.(*unstructured.Unstructured)
	if !ok {
		return nil, nil, fmt.Errorf("apisim: %T is not unstructured", obj)
	}
	return &Request{Verb: verb, Kind: u.GroupVersionKind(), Namespace: u.GetNamespace(), Name: u.GetName(), Manager: c.manager}, u, nil
}

func (c *Client) into(ctx context.Context, r *Request, u *unstructured.Unstructured) error {
	resp, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	u.Object = resp.Object.Object
	return nil
}

// Get implements client.Reader.
func (c *Client) Get(ctx context.Context, key client.ObjectKey, obj client.Object, _ ...client.GetOption) error {
	r, u, err := c.request(Get, obj)
	if err != nil {
		return err
	}
	r.Namespace, r.Name = key.Namespace, key.Name
	return c.into(ctx, r, u)
}

// List implements client.Reader.
func (c *Client) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	o := (&client.ListOptions{}).ApplyOptions(opts)
	kind := list.GetObjectKind().GroupVersionKind()
	kind.Kind = kind.Kind[:len(kind.Kind)-len("List")]
	resp, err := c.send(ctx, &Request{Verb: List, Kind: kind, Namespace: o.Namespace, Selector: o.LabelSelector, Manager: c.manager})
	if err != nil {
		return err
	}
	list.SetResourceVersion(resp.ResourceVersion)
	switch list := list.(type) {
	case *unstructured.UnstructuredList:
		for _, item := range resp.Items {
			list.Items = append(list.Items, *item)
		}
	case *metav1.PartialObjectMetadataList:
		for _, item := range resp.Items {
			p := metav1.PartialObjectMetadata{}
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(map[string]any{"metadata": item.Object["metadata"]}, &p); err != nil {
				return err
			}
			list.Items = append(list.Items, p)
		}
	default:
		return fmt.Errorf("apisim: %T is not unstructured", list)
	}
	return nil
}

// Create implements client.Writer.
func (c *Client) Create(ctx context.Context, obj client.Object, _ ...client.CreateOption) error {
	return c.sendObject(ctx, Create, "", obj)
}

// Update implements client.Writer.
func (c *Client) Update(ctx context.Context, obj client.Object, _ ...client.UpdateOption) error {
	return c.sendObject(ctx, Update, "", obj)
}

func (c *Client) sendObject(ctx context.Context, verb Verb, subresource string, obj client.Object) error {
	r, u, err := c.request(verb, obj)
	if err != nil {
		return err
	}
	r.Object, r.Subresource = u.DeepCopy(), subresource
	return c.into(ctx, r, u)
}

// Delete implements client.Writer.
func (c *Client) Delete(ctx context.Context, obj client.Object, opts ...client.DeleteOption) error {
	o := (&client.DeleteOptions{}).ApplyOptions(opts)
	r, _, err := c.request(Delete, obj)
	if err != nil {
		return err
	}
	if p := o.Preconditions; p != nil {
		if p.UID != nil {
			r.UID = *p.UID
		}
		if p.ResourceVersion != nil {
			r.ResourceVersion = *p.ResourceVersion
		}
	}
	_, err = c.send(ctx, r)
	return err
}

// Patch implements client.Writer for merge patches.
func (c *Client) Patch(ctx context.Context, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
	return c.sendPatch(ctx, "", obj, patch, (&client.PatchOptions{}).ApplyOptions(opts).FieldManager)
}

func (c *Client) sendPatch(ctx context.Context, subresource string, obj client.Object, patch client.Patch, manager string) error {
	r, u, err := c.request(Patch, obj)
	if err != nil {
		return err
	}
	if patch.Type() != types.MergePatchType {
		return fmt.Errorf("apisim: patch type %s is not known", patch.Type())
	}
	if r.Patch, err = patch.Data(obj); err != nil {
		return err
	}
	r.Subresource = subresource
	if manager != "" {
		r.Manager = manager
	}
	return c.into(ctx, r, u)
}

// Apply implements client.Writer for unstructured configurations.
func (c *Client) Apply(ctx context.Context, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
	o := &client.ApplyOptions{}
	o.ApplyOptions(opts)
	holder, ok := obj.(interface{ UnstructuredContent() map[string]any })
	if !ok {
		return fmt.Errorf("apisim: %T is not unstructured", obj)
	}
	u := &unstructured.Unstructured{Object: holder.UnstructuredContent()}
	r, _, err := c.request(Apply, u)
	if err != nil {
		return err
	}
	r.Object = u.DeepCopy()
	r.Manager, r.Force, r.DryRun = o.FieldManager, o.Force != nil && *o.Force, len(o.DryRun) > 0
	resp, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	// The caller reads the answer from the very object that it sent.
	content := holder.UnstructuredContent()
	clear(content)
	maps.Copy(content, resp.Object.Object)
	return nil
}

// Status implements client.StatusClient.
func (c *Client) Status() client.SubResourceWriter { return statusClient{c: c} }

// Scheme implements client.Client.
func (c *Client) Scheme() *runtime.Scheme { return runtime.NewScheme() }

// RESTMapper implements client.Client.
func (c *Client) RESTMapper() meta.RESTMapper { return c.server.Mapper() }

// GroupVersionKindFor implements client.Client.
func (c *Client) GroupVersionKindFor(obj runtime.Object) (schema.GroupVersionKind, error) {
	return obj.GetObjectKind().GroupVersionKind(), nil
}

// IsObjectNamespaced implements client.Client.
func (c *Client) IsObjectNamespaced(obj runtime.Object) (bool, error) {
	k, ok := c.server.kinds[obj.GetObjectKind().GroupVersionKind()]
	return ok && k.Namespaced, nil
}

type statusClient struct {
	client.SubResourceWriter
	c *Client
}

// Update implements client.SubResourceWriter.
func (s statusClient) Update(ctx context.Context, obj client.Object, _ ...client.SubResourceUpdateOption) error {
	return s.c.sendObject(ctx, Update, "status", obj)
}

// Patch implements client.SubResourceWriter.
func (s statusClient) Patch(ctx context.Context, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
	return s.c.sendPatch(ctx, "status", obj, patch, (&client.SubResourcePatchOptions{}).ApplyOptions(opts).FieldManager)
}

// Create implements client.SubResourceWriter; no subresource is created here.
func (s statusClient) Create(context.Context, client.Object, client.Object, ...client.SubResourceCreateOption) error {
	return errors.New("apisim: status can't be created")
}

// Mapper maps the kinds that are served now.
func (s *Server) Mapper() meta.RESTMapper {
	m := meta.NewDefaultRESTMapper(nil)
	for _, k := range s.Kinds() {
		scope := meta.RESTScope(meta.RESTScopeRoot)
		if k.Namespaced {
			scope = meta.RESTScopeNamespace
		}
		gv := k.GroupVersion()
		m.AddSpecific(k.GroupVersionKind, gv.WithResource(k.Plural), gv.WithResource(k.Plural), scope)
	}
	return m
}
