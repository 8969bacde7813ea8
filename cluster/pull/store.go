package pull

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Store keeps an agent's credentials over restarts. What it keeps is secret.
type Store interface {
	// Load returns what was saved last; nothing, and no error, if nothing was.
	Load(ctx context.Context) ([]byte, error)
	// Save keeps the data in the place of what was there.
	Save(ctx context.Context, data []byte) error
}

// Swapper is an optional interface of Stores that several agents share, as replicas
// of one do.
type Swapper interface {
	// Swap is Save, unless what is kept is no longer what was: then the error is
	// ErrTaken, and nothing is written.
	Swap(ctx context.Context, was, data []byte) error
}

// ErrTaken says that another agent wrote its credentials into the same store
// meanwhile.
var ErrTaken = errors.New("another agent stored its credentials meanwhile")

// swap saves over what was; a Store that is no Swapper is nobody else's.
func swap(ctx context.Context, store Store, was, data []byte) error {
	if s, ok := store.(Swapper); ok {
		return s.Swap(ctx, was, data)
	}
	return store.Save(ctx, data)
}

// InSecret returns a store in a Secret, under the key "kubeconfig", of the
// cluster that the config leads to: the agent's own. It needs get and update on
// that Secret, and create on secrets unless the Secret is there.
func InSecret(cfg *rest.Config, namespace, name string) (Store, error) {
	if namespace == "" || name == "" {
		return nil, errors.New("store credentials: namespace and name of the Secret are needed")
	}
	c, err := newClient(cfg)
	if err != nil {
		return nil, err
	}
	return &secretStore{c, client.ObjectKey{Namespace: namespace, Name: name}}, nil
}

type secretStore struct {
	client client.Client
	key    client.ObjectKey
}

var (
	_ Store   = (*secretStore)(nil)
	_ Swapper = (*secretStore)(nil)
)

const secretKey = "kubeconfig"

// Load implements Store.
func (s *secretStore) Load(ctx context.Context) ([]byte, error) {
	secret := &corev1.Secret{}
	err := s.client.Get(ctx, s.key, secret)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read Secret %s: %w", s.key, err)
	}
	return secret.Data[secretKey], nil
}

// Save implements Store.
func (s *secretStore) Save(ctx context.Context, data []byte) error {
	return s.write(ctx, data, func([]byte) error { return nil })
}

// Swap implements Swapper: the version of the Secret that was read is the one that is
// written over.
func (s *secretStore) Swap(ctx context.Context, was, data []byte) error {
	err := s.write(ctx, data, func(is []byte) error {
		if !bytes.Equal(is, was) {
			return ErrTaken
		}
		return nil
	})
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("%w: %w", ErrTaken, err)
	}
	return err
}

// write writes unless check has something against what is there.
func (s *secretStore) write(ctx context.Context, data []byte, check func(is []byte) error) error {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.key.Namespace, Name: s.key.Name}}
	err := s.client.Get(ctx, s.key, secret)
	missing := apierrors.IsNotFound(err)
	if err == nil || missing {
		err = check(secret.Data[secretKey])
	}
	if err == nil {
		if secret.Data == nil {
			secret.Data = map[string][]byte{}
		}
		secret.Data[secretKey] = data
		if missing {
			err = s.client.Create(ctx, secret)
		} else {
			err = s.client.Update(ctx, secret)
		}
	}
	if err != nil {
		return fmt.Errorf("write Secret %s: %w", s.key, err)
	}
	return nil
}
