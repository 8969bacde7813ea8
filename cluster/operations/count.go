package operations

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/client-go/metadata"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

// Counter counts the work on a cluster.
type Counter interface {
	Count(ctx context.Context, conn *cluster.Connection) (v1alpha1.Work, error)
}

// TenantCounter is a Counter that can count the work of some tenants: where
// tenants are evicted and all else stays, it alone can tell what is left.
type TenantCounter interface {
	Counter
	// CountOf counts the work of the given workspaces.
	CountOf(ctx context.Context, conn *cluster.Connection, workspaces []string) (v1alpha1.Work, error)
}

// CounterFunc is a Counter.
type CounterFunc func(ctx context.Context, conn *cluster.Connection) (v1alpha1.Work, error)

var _ Counter = CounterFunc(nil)

// Count implements Counter.
func (f CounterFunc) Count(ctx context.Context, conn *cluster.Connection) (v1alpha1.Work, error) {
	return f(ctx, conn)
}

// Copies counts objects that bear a label, live, on the cluster. Only their
// metadata is read.
type Copies struct {
	// Selector selects the copies.
	Selector labels.Selector
	// Tenant is the label whose values tell tenants apart: the names of their
	// logical clusters.
	Tenant string
	// Resources to look at. One that the cluster does not serve has no copies.
	Resources []schema.GroupVersionResource
}

var _ TenantCounter = Copies{}

// page is the number of objects that are listed at once.
const page = 500

// CountOf implements TenantCounter.
func (c Copies) CountOf(ctx context.Context, conn *cluster.Connection, workspaces []string) (v1alpha1.Work, error) {
	if c.Selector == nil || c.Selector.Empty() {
		return c.Count(ctx, conn) // which refuses that
	}
	of, err := labels.NewRequirement(c.Tenant, selection.In, workspaces)
	if err != nil {
		return v1alpha1.Work{}, fmt.Errorf("select the copies of tenants: %w", err)
	}
	c.Selector = c.Selector.DeepCopySelector().Add(*of)
	return c.Count(ctx, conn)
}

// Count implements Counter.
func (c Copies) Count(ctx context.Context, conn *cluster.Connection) (v1alpha1.Work, error) {
	if c.Selector == nil || c.Selector.Empty() {
		return v1alpha1.Work{}, fmt.Errorf("count copies on %s: no selector: everything would count", conn.Name)
	}
	api, err := metadata.NewForConfigAndClient(metadata.ConfigFor(conn.Config), conn.HTTPClient)
	if err != nil {
		return v1alpha1.Work{}, fmt.Errorf("build client: %w", err)
	}
	work, tenants := v1alpha1.Work{}, map[string]bool{}
	for _, resource := range c.Resources {
		options := metav1.ListOptions{LabelSelector: c.Selector.String(), Limit: page}
		for {
			list, err := api.Resource(resource).List(ctx, options)
			if apierrors.IsNotFound(err) {
				break
			}
			if err != nil {
				return v1alpha1.Work{}, fmt.Errorf("list %s on %s: %w", resource.Resource, conn.Name, err)
			}
			work.Copies += int32(len(list.Items)) //nolint:gosec // a page
			for i := range list.Items {
				tenants[list.Items[i].Labels[c.Tenant]] = true
			}
			if options.Continue = list.Continue; options.Continue == "" {
				break
			}
		}
	}
	work.Tenants = int32(len(tenants)) //nolint:gosec // not that many
	return work, nil
}
