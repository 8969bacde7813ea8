package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kcpapisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
	kcpapisv1alpha2 "github.com/kcp-dev/sdk/apis/apis/v1alpha2"

	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// stage is what every world needs before its test can begin: an export in a
// workspace of its own, and tenants that have bound it.
type stage struct {
	platform tmcenvtest.Workspace
	tenants  []tmcenvtest.Workspace
	err      error
}

// stages hands stages from test to test, and builds the next while a test plays: kcp
// takes longer to bind an export, and more of the machine, than most tests take.
var stages = &workshop{}

type workshop struct {
	mu     sync.Mutex
	ready  []stage
	coming []chan stage // of those that are built or swept
	cancel []context.CancelFunc
}

// take returns a stage with at least one tenant, and has a next one built where none
// is to come, unless tb measures.
func (s *workshop) take(tb testing.TB) stage {
	tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.ready) == 0 && len(s.coming) > 0 {
		s.collect()
	}
	var taken stage
	if last := len(s.ready) - 1; last >= 0 {
		taken, s.ready = s.ready[last], s.ready[:last]
	} else {
		taken = build(tb.Context(), newID())
	}
	if _, measures := tb.(*testing.B); !measures && len(s.ready)+len(s.coming) == 0 {
		s.begin(func(ctx context.Context) stage { return build(ctx, newID()) })
	}
	return taken
}

// collect waits for the first that comes. One that failed is none: a test that stops
// kcp may have come in between.
func (s *workshop) collect() {
	if came := <-s.coming[0]; came.err == nil {
		s.ready = append(s.ready, came)
	}
	s.cancel[0]()
	s.coming, s.cancel = s.coming[1:], s.cancel[1:]
}

func (s *workshop) begin(work func(ctx context.Context) stage) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // it outlives the test
	next := make(chan stage, 1)
	go func() { next <- work(ctx) }()
	s.coming, s.cancel = append(s.coming, next), append(s.cancel, cancel)
}

// give takes a stage back that a test has left as it found it but for objects of the
// kinds that worlds work with.
func (s *workshop) give(used stage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begin(func(ctx context.Context) stage {
		used.err = sweep(ctx, used)
		return used
	})
}

// close ends what is being built: servers are about to end.
func (s *workshop) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.coming {
		s.cancel[i]()
		<-s.coming[i]
	}
}

func build(ctx context.Context, id string) stage {
	s := stage{tenants: make([]tmcenvtest.Workspace, 1)}
	if s.platform, s.err = workspace(ctx, "platform-"+id); s.err != nil {
		return s
	}
	if s.tenants[0], s.err = workspace(ctx, "tenant-"+id); s.err != nil {
		return s
	}
	export, err := standardExport()
	if s.err = err; err != nil {
		return s
	}
	if s.err = servers.kcp.Export(ctx, s.platform.Path, export); s.err != nil {
		return s
	}
	s.err = servers.kcp.Bind(ctx, s.tenants[0].Path, s.platform.Path, export.Name)
	return s
}

// sweep takes out of a stage what a test left there. What is left on clusters no
// other world comes upon: each has an installation and names of its own.
func sweep(ctx context.Context, used stage) error {
	for _, tenant := range used.tenants {
		c, err := servers.kcp.Client(tenant.Path)
		if err != nil {
			return err
		}
		spaces := &corev1.NamespaceList{}
		if err := c.List(ctx, spaces); err != nil {
			return err
		}
		if len(spaces.Items) != 1 {
			return fmt.Errorf("%s has namespaces besides default", tenant.Path)
		}
		for _, kind := range []schema.GroupVersionKind{deploymentKind, fieldKind, placementKind, v1alpha1.GroupVersion.WithKind("ClusterPlacement"), configMapKind, secretKind, eventKind, accountKind, claimKind} {
			if err := sweepKind(ctx, c, kind); err != nil {
				return fmt.Errorf("%s in %s: %w", kind.Kind, tenant.Path, err)
			}
		}
	}
	return nil
}

func sweepKind(ctx context.Context, c client.Client, kind schema.GroupVersionKind) error {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err := c.List(ctx, list); err != nil {
		return err
	}
	if len(list.Items) > 40 {
		return errors.New("to make another stage is quicker")
	}
	for i := range list.Items {
		obj := &list.Items[i]
		if obj.GetName() == "kube-root-ca.crt" {
			continue
		}
		if len(obj.GetFinalizers()) > 0 {
			if err := c.Patch(ctx, obj.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))); client.IgnoreNotFound(err) != nil {
				return err
			}
		}
		if err := c.Delete(ctx, obj); client.IgnoreNotFound(err) != nil {
			return err
		}
		if err := c.Get(ctx, client.ObjectKeyFromObject(obj), obj); !apierrors.IsNotFound(err) {
			return fmt.Errorf("%s does not go: %w", obj.GetName(), err)
		}
	}
	return nil
}

// standardExport exports placements, deployments and a cluster-scoped kind.
func standardExport() (tmcenvtest.APIExport, error) {
	deployments, err := tmcenvtest.Schema(deploymentKind, "deployments")
	if err != nil {
		return tmcenvtest.APIExport{}, err
	}
	fields, err := tmcenvtest.Schema(fieldKind, "fields")
	if err != nil {
		return tmcenvtest.APIExport{}, err
	}
	fields.Spec.Scope = apiextensionsv1.ClusterScoped
	volumes, err := tmcenvtest.Schema(claimKind, "persistentvolumeclaims")
	if err != nil {
		return tmcenvtest.APIExport{}, err
	}
	schemas := []*kcpapisv1alpha1.APIResourceSchema{deployments, fields, volumes}
	crds, err := v1alpha1.CRDs()
	if err != nil {
		return tmcenvtest.APIExport{}, err
	}
	for _, crd := range crds {
		s, err := kcpapisv1alpha1.CRDToAPIResourceSchema(crd, "v1")
		if err != nil {
			return tmcenvtest.APIExport{}, err
		}
		schemas = append(schemas, s)
	}
	return tmcenvtest.APIExport{Name: exportName, Schemas: schemas, Claims: []kcpapisv1alpha2.PermissionClaim{
		tmcenvtest.Claim("", "configmaps"), tmcenvtest.Claim("", "secrets"), tmcenvtest.Claim("", "events"), tmcenvtest.Claim("", "serviceaccounts"),
		tmcenvtest.Claim("rbac.authorization.k8s.io", "rolebindings"),
	}}, nil
}
