package pull

import (
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

var _ Store = (*secretStore)(nil)

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
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.key.Namespace, Name: s.key.Name}}
	err := s.client.Get(ctx, s.key, secret)
	switch {
	case apierrors.IsNotFound(err):
		secret.Data = map[string][]byte{secretKey: data}
		err = s.client.Create(ctx, secret)
	case err == nil:
		if secret.Data == nil {
			secret.Data = map[string][]byte{}
		}
		secret.Data[secretKey] = data
		err = s.client.Update(ctx, secret)
	}
	if err != nil {
		return fmt.Errorf("write Secret %s: %w", s.key, err)
	}
	return nil
}
