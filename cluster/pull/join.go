package pull

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/tmc-sdk/tmc/cluster/mailbox"
)

// ErrRefused says that a mailbox does not accept the token that it was shown.
var ErrRefused = errors.New("the mailbox refuses the token")

// DefaultLifetime of an agent's token. It is renewed after a third of its time,
// so that an agent may be away for the rest.
const DefaultLifetime = 72 * time.Hour

// Join exchanges a bootstrap token for the agent's own credentials, stores these,
// and ends the bootstrap token: a second use is refused. The error is ErrRefused
// if the token was used, withdrawn, has expired or is no token of this mailbox, and
// ErrTaken if another agent joined by way of the same store at the same time; in
// neither case anything of its own is left in the store.
func Join(ctx context.Context, bootstrap *Way, store Store) (*Credentials, error) {
	if bootstrap == nil || store == nil {
		return nil, errors.New("join: a bootstrap token and a store are needed")
	}
	if bootstrap.Cluster == "" {
		return nil, errors.New("join: the bootstrap token names no cluster")
	}
	c, err := newClient(bootstrap.config())
	if err != nil {
		return nil, err
	}
	secret := bootstrap.claims().bound.Secret
	if secret.UID == "" {
		return nil, fmt.Errorf("join %s: %w: it is no bootstrap token: it is bound to no Secret; make one for this cluster", bootstrap, ErrRefused)
	}
	before, err := store.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("join %s: %w", bootstrap, err)
	}
	own := *bootstrap
	if own.Token, err = request(ctx, c, mailbox.Account, DefaultLifetime, nil); err != nil {
		return nil, refusedJoin(bootstrap, err)
	}
	credentials := newCredentials(&own, store)
	data, err := own.Kubeconfig()
	if err != nil {
		return nil, err
	}
	// Stored before the bootstrap token ends: a crash in between must not leave
	// the cluster with neither. Another that joins by the same store is not
	// written over.
	if err := swap(ctx, store, before, data); err != nil {
		return nil, fmt.Errorf("join %s: store credentials: %w", bootstrap, err)
	}
	err = credentials.settle(ctx, secret.UID)
	if errors.Is(err, ErrRefused) {
		err = fmt.Errorf("join %s: %w", bootstrap, err)
		if undone := swap(ctx, store, data, before); undone != nil && !errors.Is(undone, ErrTaken) {
			err = errors.Join(err, undone)
		}
	}
	if err != nil {
		return nil, err
	}
	return credentials, nil
}

// errSpent is ErrRefused, for a token that was good once.
var errSpent = fmt.Errorf("%w: it was used before, withdrawn or has expired; make a new one for this cluster", ErrRefused)

func refusedJoin(w *Way, err error) error {
	switch {
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("join %s: %w", w, errSpent)
	case apierrors.IsForbidden(err), apierrors.IsNotFound(err):
		return fmt.Errorf("join %s: %w: it is no bootstrap token of this mailbox, or the cluster's registration was revoked; make a new one for this cluster", w, ErrRefused)
	}
	return fmt.Errorf("join %s: %w", w, err)
}
