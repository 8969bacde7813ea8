package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kcp-dev/logicalcluster/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
	placementv1alpha1 "github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// checkTenant has somebody who logs in to kcp by OpenID Connect, and is let into the
// workspace acme as one of a group, place work there, reach nothing else, and write
// an expression that would keep the controller busy for ever.
func (s *site) checkTenant(t *testing.T) {
	t.Helper()
	acme := tmcenvtest.Root.Join("acme")
	alice := s.alice(t, acme)
	key := client.ObjectKey{Namespace: "default", Name: "alices"}
	require.True(t, apierrors.IsForbidden(alice.Get(t.Context(), key, &placementv1alpha1.Placement{})), "nobody has let her in")
	require.NoError(t, s.kcp.Grant(t.Context(), acme, rbacv1.Subject{Kind: rbacv1.GroupKind, APIGroup: rbacv1.GroupName, Name: tmcenvtest.UsernamePrefix + "acme"},
		rbacv1.PolicyRule{NonResourceURLs: []string{"/"}, Verbs: []string{"access"}},
		rbacv1.PolicyRule{APIGroups: []string{"placement.tmc-sdk.dev"}, Resources: []string{"placements"}, Verbs: []string{"*"}},
		rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"*"}}))
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		assert.NoError(c, alice.List(t.Context(), &placementv1alpha1.PlacementList{}, client.InNamespace("default")))
	}, long, pauses)
	for _, elsewhere := range []logicalcluster.Path{tmcenvtest.Root, tmcenvtest.Root.Join("platform")} {
		err := s.alice(t, elsewhere).List(t.Context(), &placementv1alpha1.PlacementList{})
		require.True(t, apierrors.IsForbidden(err), "%s: %v", elsewhere, err)
	}

	ten := "[0,1,2,3,4,5,6,7,8,9].all("
	bomb := strings.Repeat(ten+"x, ", 12) + "true" + strings.Repeat(")", 12) // 10^12 steps
	for name, clusters := range map[string]*placementv1alpha1.ClusterSelector{"alices": nil, "bomb": {Expression: bomb}} {
		require.NoError(t, alice.Create(t.Context(), placementOf(name, clusters)))
		require.NoError(t, alice.Create(t.Context(), small(name)))
	}
	placement := &placementv1alpha1.Placement{}
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		assert.NoError(c, alice.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "bomb"}, placement))
		placed := meta.FindStatusCondition(placement.Status.Conditions, placementv1alpha1.ConditionPlaced)
		if assert.NotNil(c, placed) {
			assert.Equal(c, metav1.ConditionFalse, placed.Status)
			assert.Contains(c, fmt.Sprintf("%+v", placement.Status.Rejected), "cost limit exceeded", "she is told why")
		}
	}, long, pauses)
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		d := &appsv1.Deployment{}
		assert.NoError(c, alice.Get(t.Context(), key, d))
		assert.EqualValues(c, 1, d.Status.ReadyReplicas, "her other work runs")
	}, long, pauses)
	for _, name := range []string{"alices", "bomb"} {
		require.NoError(t, alice.Delete(t.Context(), small(name)))
		require.NoError(t, alice.Delete(t.Context(), placementOf(name, nil)))
	}
}

// alice is a client with a token that the issuer signed.
func (s *site) alice(t *testing.T, at logicalcluster.Path) client.Client {
	t.Helper()
	token, err := s.issuer.Token(map[string]any{"sub": "alice", "groups": []string{"acme"}})
	require.NoError(t, err)
	cfg := rest.AnonymousClientConfig(s.kcp.Config(at))
	cfg.BearerToken = token
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(placementv1alpha1.GroupVersion.WithKind("Placement"), meta.RESTScopeNamespace)
	mapper.Add(appsv1.SchemeGroupVersion.WithKind("Deployment"), meta.RESTScopeNamespace)
	scheme := runtime.NewScheme()
	require.NoError(t, placementv1alpha1.AddToScheme(scheme))
	require.NoError(t, appsv1.AddToScheme(scheme))
	c, err := client.New(cfg, client.Options{Scheme: scheme, Mapper: mapper})
	require.NoError(t, err)
	return c
}

// placementOf covers the Deployment of its own name.
func placementOf(name string, clusters *placementv1alpha1.ClusterSelector) *placementv1alpha1.Placement {
	return &placementv1alpha1.Placement{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec:       placementv1alpha1.PlacementSpec{Clusters: clusters, Resources: []placementv1alpha1.ResourceSelector{{Group: "apps", Kind: "Deployment", Name: name}}},
	}
}

// small is a Deployment of one pod.
func small(name string) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(1)), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "registry.example/app:1.0"}}},
			},
		},
	}
}
