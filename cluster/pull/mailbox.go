package pull

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tmc-sdk/tmc/cluster/mailbox"
)

// AgentRules are what an agent may do in its mailbox, for copies of the given
// resources: read them, put its finalizer on them and take it off, write their
// status, and tell of refusals in events. It may neither make nor delete one.
func AgentRules(resources ...schema.GroupVersionResource) []rbacv1.PolicyRule {
	groups := map[string][]string{}
	for _, r := range resources {
		if !slices.Contains(groups[r.Group], r.Resource) {
			groups[r.Group] = append(groups[r.Group], r.Resource)
		}
	}
	rules := []rbacv1.PolicyRule{
		{NonResourceURLs: []string{"/"}, Verbs: []string{"access"}}, // kcp: to be let in at all
		{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"create", "patch"}},
	}
	for group, names := range groups {
		slices.Sort(names)
		statuses := make([]string, len(names))
		for i, name := range names {
			statuses[i] = name + "/status"
		}
		rules = append(rules,
			rbacv1.PolicyRule{APIGroups: []string{group}, Resources: names, Verbs: []string{"get", "list", "patch", "watch"}},
			rbacv1.PolicyRule{APIGroups: []string{group}, Resources: statuses, Verbs: []string{"patch"}})
	}
	slices.SortStableFunc(rules[2:], func(a, b rbacv1.PolicyRule) int { return strings.Compare(a.APIGroups[0], b.APIGroups[0]) })
	return rules
}

// ownRules are what an agent may do in its namespace: keep its Lease, renew its
// token, end the bootstrap token that it came with.
func ownRules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"namespaces"}, ResourceNames: []string{mailbox.Namespace}, Verbs: []string{"get"}},
		{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"create"}}, // a name can't bound what is not there yet
		{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, ResourceNames: []string{mailbox.Lease}, Verbs: []string{"get", "update"}},
		{APIGroups: []string{""}, Resources: []string{"serviceaccounts/token"}, ResourceNames: []string{mailbox.Account}, Verbs: []string{"create"}},
		{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{mailbox.JoinSecret}, Verbs: []string{"delete"}},
	}
}

// joinRules are what a bootstrap token is good for.
func joinRules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"serviceaccounts/token"}, ResourceNames: []string{mailbox.Account}, Verbs: []string{"create"}},
	}
}

// Objects returns what stands in every mailbox beside copies, in the order to
// create it in: the agent's namespace, two accounts and their roles.
func Objects(resources ...schema.GroupVersionResource) []client.Object {
	named := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: mailbox.Namespace, Name: name}
	}
	account := func(name string) []rbacv1.Subject {
		return []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: mailbox.Namespace, Name: name}}
	}
	ref := func(kind, name string) rbacv1.RoleRef {
		return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: name}
	}
	copies := mailbox.Namespace + "-copies"
	never := false
	return []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: mailbox.Namespace}},
		&corev1.ServiceAccount{ObjectMeta: named(mailbox.Account), AutomountServiceAccountToken: &never},
		&corev1.ServiceAccount{ObjectMeta: named(mailbox.Joiner), AutomountServiceAccountToken: &never},
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: copies}, Rules: AgentRules(resources...)},
		&rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: copies}, RoleRef: ref("ClusterRole", copies), Subjects: account(mailbox.Account)},
		&rbacv1.Role{ObjectMeta: named(mailbox.Account), Rules: ownRules()},
		&rbacv1.RoleBinding{ObjectMeta: named(mailbox.Account), RoleRef: ref("Role", mailbox.Account), Subjects: account(mailbox.Account)},
		&rbacv1.Role{ObjectMeta: named(mailbox.Joiner), Rules: joinRules()},
		&rbacv1.RoleBinding{ObjectMeta: named(mailbox.Joiner), RoleRef: ref("Role", mailbox.Joiner), Subjects: account(mailbox.Joiner)},
	}
}

// Prepare makes an API server a mailbox: it creates what Objects returns, and
// brings roles up to date. The config is of somebody who may do that there; the
// server already serves the resources. Called again, it changes only what differs.
// It does not give an agent credentials: that is NewToken and Join.
func Prepare(ctx context.Context, cfg *rest.Config, resources ...schema.GroupVersionResource) error {
	c, err := newClient(cfg)
	if err != nil {
		return err
	}
	for _, want := range Objects(resources...) {
		if err := ensure(ctx, c, want); err != nil {
			return fmt.Errorf("prepare mailbox: %T %s: %w", want, want.GetName(), err)
		}
	}
	return nil
}

// ensure creates an object, or brings the rules of a role up to date.
func ensure(ctx context.Context, c client.Client, want client.Object) error {
	there, ok := want.DeepCopyObject().(client.Object)
	if !ok {
		return errors.New("it is no object")
	}
	err := c.Get(ctx, client.ObjectKeyFromObject(want), there)
	if apierrors.IsNotFound(err) {
		err = c.Create(ctx, want)
		if apierrors.IsAlreadyExists(err) {
			return nil // another replica was quicker
		}
		return err
	}
	if err != nil {
		return err
	}
	switch want := want.(type) {
	case *rbacv1.ClusterRole:
		if there, ok := there.(*rbacv1.ClusterRole); ok && !equality.Semantic.DeepEqual(there.Rules, want.Rules) {
			there.Rules = want.Rules
			return c.Update(ctx, there)
		}
	case *rbacv1.Role:
		if there, ok := there.(*rbacv1.Role); ok && !equality.Semantic.DeepEqual(there.Rules, want.Rules) {
			there.Rules = want.Rules
			return c.Update(ctx, there)
		}
	}
	return nil
}

// Revoke ends the credentials of the agent of a mailbox and every bootstrap token
// for it, at once: the accounts that they are of are deleted. Nothing else is: the
// mailbox keeps its copies, and the cluster what runs there. What Prepare makes
// anew are other accounts, so that old credentials stay worthless.
func Revoke(ctx context.Context, cfg *rest.Config) error {
	c, err := newClient(cfg)
	if err != nil {
		return err
	}
	for _, name := range []string{mailbox.Account, mailbox.Joiner} {
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: mailbox.Namespace, Name: name}}
		if err := c.Delete(ctx, account); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("revoke agent: delete ServiceAccount %s: %w", name, err)
		}
	}
	return consume(ctx, c)
}

// consume ends the bootstrap token of a mailbox, if there is one.
func consume(ctx context.Context, c client.Client) error {
	if err := c.Delete(ctx, joinSecret()); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("end bootstrap token: %w", err)
	}
	return nil
}

// joinSecret is what bootstrap tokens of a mailbox are bound to, one at a time.
func joinSecret() *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: mailbox.Namespace, Name: mailbox.JoinSecret}}
}

// newClient reads and writes what is in mailboxes, without asking a server what
// it serves.
func newClient(cfg *rest.Config) (client.Client, error) {
	if cfg == nil {
		return nil, errors.New("reach mailbox: no config")
	}
	mapper := meta.NewDefaultRESTMapper(nil)
	for _, kind := range []schema.GroupVersionKind{
		corev1.SchemeGroupVersion.WithKind("ServiceAccount"), corev1.SchemeGroupVersion.WithKind("Secret"),
		rbacv1.SchemeGroupVersion.WithKind("Role"), rbacv1.SchemeGroupVersion.WithKind("RoleBinding"),
		{Group: "coordination.k8s.io", Version: "v1", Kind: "Lease"},
	} {
		mapper.Add(kind, meta.RESTScopeNamespace)
	}
	for _, kind := range []schema.GroupVersionKind{
		corev1.SchemeGroupVersion.WithKind("Namespace"),
		rbacv1.SchemeGroupVersion.WithKind("ClusterRole"), rbacv1.SchemeGroupVersion.WithKind("ClusterRoleBinding"),
	} {
		mapper.Add(kind, meta.RESTScopeRoot)
	}
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("build scheme: %w", err)
	}
	c, err := client.New(cfg, client.Options{Scheme: scheme, Mapper: mapper})
	if err != nil {
		return nil, fmt.Errorf("build client of mailbox: %w", err)
	}
	return c, nil
}
