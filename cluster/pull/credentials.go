package pull

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/tmc-sdk/tmc/cluster/internal/pause"
	"github.com/tmc-sdk/tmc/cluster/mailbox"
)

// Credentials are an agent's own, for its mailbox. They renew their token while
// Start runs, on every replica: each renewal is as good as another's. Safe for
// concurrent use.
type Credentials struct {
	store Store
	way   atomic.Pointer[Way]
}

var (
	_ manager.Runnable               = (*Credentials)(nil)
	_ manager.LeaderElectionRunnable = (*Credentials)(nil)
)

func newCredentials(w *Way, store Store) *Credentials {
	c := &Credentials{store: store}
	c.way.Store(w)
	return c
}

// ErrNotJoined says that there are no credentials: the agent has to Join.
var ErrNotJoined = errors.New("the agent has not joined")

// Resume returns the credentials that a store holds since Join. The error is
// ErrNotJoined if it holds none. Whether the mailbox still accepts them shows when
// they are used.
func Resume(ctx context.Context, store Store) (*Credentials, error) {
	data, err := store.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("load credentials: %w", err)
	}
	if len(data) == 0 {
		return nil, ErrNotJoined
	}
	w, err := ParseWay(data)
	if err != nil {
		return nil, err
	}
	return newCredentials(w, store), nil
}

// Cluster that the mailbox is of, by the name that it is registered under.
func (c *Credentials) Cluster() string { return c.way.Load().Cluster }

// Config to reach the mailbox with. Clients that are built from it use every new
// token as soon as there is one.
func (c *Credentials) Config() *rest.Config {
	cfg := c.way.Load().config()
	cfg.BearerToken = ""
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { return bearer{c, next} })
	return cfg
}

// bearer shows the token that is the latest.
type bearer struct {
	credentials *Credentials
	next        http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.credentials.way.Load().Token)
	return b.next.RoundTrip(r)
}

// Identity returns what tells this mailbox from every other, one that was made
// anew in its place included: the UID of the agent's namespace in it.
func (c *Credentials) Identity(ctx context.Context) (string, error) {
	cl, err := newClient(c.Config())
	if err != nil {
		return "", err
	}
	ns := &corev1.Namespace{}
	if err := cl.Get(ctx, client.ObjectKey{Name: mailbox.Namespace}, ns); err != nil {
		if apierrors.IsUnauthorized(err) {
			return "", fmt.Errorf("reach %s: %w: the agent's access was revoked, or it was away for too long; make a bootstrap token and join again", c.way.Load(), ErrRefused)
		}
		return "", fmt.Errorf("reach %s: %w", c.way.Load(), err)
	}
	return string(ns.UID), nil
}

// NeedLeaderElection says that every replica renews.
func (*Credentials) NeedLeaderElection() bool { return false }

// Start renews the token until ctx is done: after a third of its life, and from
// then on again and again until it succeeds. Access that was revoked is not an
// end: it is logged, and should it be granted anew the agent joins again.
func (c *Credentials) Start(ctx context.Context) error {
	logger := log.FromContext(ctx).WithName("credentials")
	for {
		t := c.way.Load().claims()
		wait := time.Hour // a token that does not say how long it lives
		if !t.expires.IsZero() {
			wait = time.Until(t.issued.Add(t.expires.Sub(t.issued) / 3))
		}
		timer := time.NewTimer(max(wait, 0))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		if err := c.Renew(ctx); err != nil && ctx.Err() == nil {
			logger.Error(err, "Token of the agent was not renewed; it is tried again", "expires", t.expires)
			if !pause.For(ctx, retry) {
				return nil
			}
		}
	}
}

// retry is the time between attempts to renew.
const retry = 30 * time.Second

// Renew asks for a new token with the one that there is, and stores it.
func (c *Credentials) Renew(ctx context.Context) error {
	cl, err := newClient(c.Config())
	if err != nil {
		return err
	}
	next := *c.way.Load()
	if next.Token, err = request(ctx, cl, mailbox.Account, DefaultLifetime, nil); err != nil {
		if apierrors.IsUnauthorized(err) {
			err = ErrRefused
		}
		return fmt.Errorf("renew token: %w", err)
	}
	c.way.Store(&next)
	return c.save(ctx)
}

// settle ends the bootstrap token that is bound to the Secret of this UID, with
// the credentials that it brought. API servers believe a token for some seconds
// after its Secret has gone: only who ends the token was the first to use it, and
// used it before it was withdrawn.
func (c *Credentials) settle(ctx context.Context, bound types.UID) error {
	cl, err := newClient(c.Config())
	if err != nil {
		return err
	}
	err = cl.Delete(ctx, joinSecret(), client.Preconditions{UID: &bound})
	switch {
	case apierrors.IsNotFound(err), apierrors.IsConflict(err):
		return errSpent
	case err != nil:
		return fmt.Errorf("end bootstrap token: %w", err)
	}
	return nil
}

func (c *Credentials) save(ctx context.Context) error {
	data, err := c.way.Load().Kubeconfig()
	if err != nil {
		return err
	}
	if err := c.store.Save(ctx, data); err != nil {
		return fmt.Errorf("store credentials: %w", err)
	}
	return nil
}
