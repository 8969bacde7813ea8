package syncer_test

import (
	"context"
	"sync"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	kcpapisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
	kcpapisv1alpha2 "github.com/kcp-dev/sdk/apis/apis/v1alpha2"

	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// stage is what every world needs before its test can begin: an export in a
// workspace of its own, and a tenant that has bound it.
type stage struct {
	id               string
	platform, tenant tmcenvtest.Workspace
	err              error
}

// stages builds the stage of the next test while a test plays: kcp takes longer
// to bind an export than most tests take.
var stages = &workshop{}

type workshop struct {
	mu     sync.Mutex
	next   chan stage // of the one that is being built, if any
	cancel context.CancelFunc
}

// take returns a stage, and has the next one built unless tb measures.
func (s *workshop) take(tb testing.TB) stage {
	tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	built := stage{err: context.Canceled}
	if s.next != nil {
		built = <-s.next
		s.cancel()
		s.next = nil
	}
	if built.err != nil {
		// A test that stops kcp may have come in between.
		built = build(tb.Context(), newID())
	}
	if _, measures := tb.(*testing.B); !measures {
		ctx, cancel := context.WithCancel(context.Background()) // it outlives the test
		next := make(chan stage, 1)
		s.next, s.cancel = next, cancel
		go func() { next <- build(ctx, newID()) }()
	}
	return built
}

// close ends what is being built: servers are about to end.
func (s *workshop) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next != nil {
		s.cancel()
		<-s.next
	}
}

func build(ctx context.Context, id string) stage {
	s := stage{id: id}
	if s.platform, s.err = workspace(ctx, "platform-"+id); s.err != nil {
		return s
	}
	if s.tenant, s.err = workspace(ctx, "tenant-"+id); s.err != nil {
		return s
	}
	export, err := standardExport()
	if s.err = err; err != nil {
		return s
	}
	if s.err = servers.kcp.Export(ctx, s.platform.Path, export); s.err != nil {
		return s
	}
	s.err = servers.kcp.Bind(ctx, s.tenant.Path, s.platform.Path, export.Name)
	return s
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
	schemas := []*kcpapisv1alpha1.APIResourceSchema{deployments, fields}
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
		tmcenvtest.Claim("", "configmaps"), tmcenvtest.Claim("", "secrets"), tmcenvtest.Claim("", "events"),
		tmcenvtest.Claim("rbac.authorization.k8s.io", "rolebindings"),
	}}, nil
}
