package pull

import (
	"context"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tmc-sdk/tmc/cluster/mailbox"
	"github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

// annotationExpires on the Secret that a bootstrap token is bound to says when that
// token expires: the token itself is kept nowhere.
const annotationExpires = v1alpha1.Group + "/token-expires"

// Access says who may come into a mailbox, and who did.
type Access struct {
	// TokenExpires is when the bootstrap token that waits for an agent expires.
	// Zero: there is none, for it was used, withdrawn or never made.
	TokenExpires time.Time
	// Renewed is when the agent renewed its Lease last, by its own clock. Zero:
	// never.
	Renewed time.Time
}

// Inspect reads who may come into the mailbox that the config leads to. It needs
// get on Secrets, Leases, ServiceAccounts and RoleBindings there. The error is
// ErrNotReady while Prepare is not done with it, or has to be called again after
// Revoke: nobody may come in.
func Inspect(ctx context.Context, cfg *rest.Config) (*Access, error) {
	c, err := newClient(cfg)
	if err != nil {
		return nil, err
	}
	for _, o := range []client.Object{&corev1.ServiceAccount{}, &rbacv1.RoleBinding{}} { // the last that Prepare makes
		err := c.Get(ctx, client.ObjectKey{Namespace: mailbox.Namespace, Name: mailbox.Joiner}, o)
		if apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("inspect mailbox: %w: it is not prepared for an agent", ErrNotReady)
		}
		if err != nil {
			return nil, fmt.Errorf("inspect mailbox: %w", err)
		}
	}
	a := &Access{}
	secret := &corev1.Secret{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: mailbox.Namespace, Name: mailbox.JoinSecret}, secret); client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("inspect mailbox: read Secret: %w", err)
	}
	if expires, err := time.Parse(time.RFC3339, secret.Annotations[annotationExpires]); err == nil {
		a.TokenExpires = expires
	}
	lease := &coordinationv1.Lease{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: mailbox.Namespace, Name: mailbox.Lease}, lease); client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("inspect mailbox: read Lease: %w", err)
	}
	if lease.Spec.RenewTime != nil {
		a.Renewed = lease.Spec.RenewTime.Time
	}
	return a, nil
}

// Withdraw ends the bootstrap token of a mailbox, if one waits for an agent. An
// agent that has joined is not touched: see Revoke.
func Withdraw(ctx context.Context, cfg *rest.Config) error {
	c, err := newClient(cfg)
	if err != nil {
		return err
	}
	return consume(ctx, c)
}
