package pull

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tmc-sdk/tmc/cluster/internal/pause"
	"github.com/tmc-sdk/tmc/cluster/mailbox"
)

// Way is how to reach a mailbox: its address, the authority to trust and a bearer
// token. It is never printed: String leaves the token out.
type Way struct {
	// Cluster that the mailbox is of.
	Cluster string
	// Server is the URL of the mailbox; with kcp it ends in /clusters/NAME.
	Server string
	// CA is the certificate authority of the server, as PEM; empty: the
	// system's.
	CA []byte
	// Token is a ServiceAccount's, bound to this mailbox.
	Token string
}

// String says all but the token.
func (w *Way) String() string { return fmt.Sprintf("mailbox of %s at %s", w.Cluster, w.Server) }

// GoString is String: a token must not be printed by mistake.
func (w *Way) GoString() string { return w.String() }

// Expires is when the token does, as it says itself; zero if it does not.
func (w *Way) Expires() time.Time { return w.claims().expires }

// Kubeconfig returns the way as a kubeconfig, which ParseWay reads. It holds the
// token: keep it like a password.
func (w *Way) Kubeconfig() ([]byte, error) {
	cfg := clientcmdapi.NewConfig()
	cfg.Clusters[w.Cluster] = &clientcmdapi.Cluster{Server: w.Server, CertificateAuthorityData: w.CA}
	cfg.AuthInfos["agent"] = &clientcmdapi.AuthInfo{Token: w.Token}
	cfg.Contexts["mailbox"] = &clientcmdapi.Context{Cluster: w.Cluster, AuthInfo: "agent"}
	cfg.CurrentContext = "mailbox"
	data, err := clientcmd.Write(*cfg)
	if err != nil {
		return nil, fmt.Errorf("write kubeconfig of mailbox: %w", err)
	}
	return data, nil
}

// ParseWay reads what Kubeconfig wrote. What names files, runs programs or skips
// the verification of the server is refused.
func ParseWay(kubeconfig []byte) (*Way, error) {
	cfg, err := clientcmd.Load(kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig of mailbox: %w", err)
	}
	at := cfg.Contexts[cfg.CurrentContext]
	if at == nil {
		return nil, fmt.Errorf("read kubeconfig of mailbox: current-context %q is not among the contexts", cfg.CurrentContext)
	}
	server, user := cfg.Clusters[at.Cluster], cfg.AuthInfos[at.AuthInfo]
	switch {
	case server == nil || server.Server == "":
		return nil, errors.New("read kubeconfig of mailbox: clusters: the context's cluster has no server")
	case server.InsecureSkipTLSVerify || !strings.HasPrefix(server.Server, "https://"):
		return nil, errors.New("read kubeconfig of mailbox: server: it must be reached by https, and verified")
	case server.CertificateAuthority != "":
		return nil, errors.New("read kubeconfig of mailbox: certificate-authority: give certificate-authority-data, not a file")
	case user == nil || user.Token == "":
		return nil, errors.New("read kubeconfig of mailbox: users: the context's user has no token")
	}
	return &Way{Cluster: at.Cluster, Server: server.Server, CA: server.CertificateAuthorityData, Token: user.Token}, nil
}

// config of the way with its token.
func (w *Way) config() *rest.Config {
	return &rest.Config{Host: w.Server, TLSClientConfig: rest.TLSClientConfig{CAData: w.CA}, BearerToken: w.Token, UserAgent: "tmc-agent"}
}

// claims of a token, as it says itself.
type claims struct {
	issued, expires time.Time
	bound           bound
}

// bound is what a ServiceAccount's token ends with. Its form is in
// https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-tokens
type bound struct {
	Secret struct {
		UID types.UID `json:"uid"`
	} `json:"secret"`
}

// claims reads a JSON web token, whose signature is the server's to verify.
func (w *Way) claims() claims {
	parts := strings.Split(w.Token, ".")
	if len(parts) != 3 {
		return claims{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return claims{}
	}
	var said struct {
		IssuedAt int64 `json:"iat"`
		Expires  int64 `json:"exp"`
		Bound    bound `json:"kubernetes.io"`
	}
	if json.Unmarshal(payload, &said) != nil || said.Expires == 0 {
		return claims{}
	}
	return claims{issued: time.Unix(said.IssuedAt, 0), expires: time.Unix(said.Expires, 0), bound: said.Bound}
}

// TokenOption changes a bootstrap token.
type TokenOption func(*tokenOptions)

type tokenOptions struct {
	ttl    time.Duration
	server string
	ca     []byte
}

// TTL is how long the token is good for: half an hour by default, ten minutes at
// least, which is what API servers grant.
func TTL(d time.Duration) TokenOption { return func(o *tokenOptions) { o.ttl = d } }

// ReachedAt says where the agent reaches the mailbox, if it is not where the
// config does, with the certificate authority there, as PEM. With kcp the URL
// ends in /clusters/NAME.
func ReachedAt(server string, ca []byte) TokenOption {
	return func(o *tokenOptions) { o.server, o.ca = server, ca }
}

// NewToken makes a bootstrap token for the agent of a cluster: good for joining,
// once, until it expires or the next one is made. The config leads to the
// cluster's mailbox, which Prepare made one, with rights to create Secrets and
// tokens there.
func NewToken(ctx context.Context, cfg *rest.Config, cluster string, opts ...TokenOption) (*Way, error) {
	c, err := newClient(cfg)
	if err != nil {
		return nil, err
	}
	o := tokenOptions{ttl: 30 * time.Minute, server: cfg.Host, ca: cfg.CAData}
	for _, opt := range opts {
		opt(&o)
	}
	switch {
	case cluster == "":
		return nil, errors.New("make bootstrap token: the cluster has no name")
	case o.ttl < minTTL:
		return nil, fmt.Errorf("make bootstrap token: TTL: %s is less than %s, the least that API servers grant", o.ttl, minTTL)
	}
	// A Secret of its own, so that an earlier token is worthless from now on.
	if err := consume(ctx, c); err != nil {
		return nil, err
	}
	secret := joinSecret()
	secret.Annotations = map[string]string{annotationExpires: time.Now().Add(o.ttl).UTC().Format(time.RFC3339)}
	if err := c.Create(ctx, secret); err != nil {
		return nil, fmt.Errorf("make bootstrap token: create Secret: %w", err)
	}
	token, err := request(ctx, c, mailbox.Joiner, o.ttl, &authenticationv1.BoundObjectReference{
		APIVersion: "v1", Kind: "Secret", Name: secret.Name, UID: secret.UID,
	})
	if err != nil {
		return nil, fmt.Errorf("make bootstrap token: %w", err)
	}
	if err := untilGood(ctx, &Way{Server: cfg.Host, CA: cfg.CAData, Token: token}); err != nil {
		return nil, fmt.Errorf("make bootstrap token: %w", err)
	}
	return &Way{Cluster: cluster, Server: o.server, CA: o.ca, Token: token}, nil
}

// untilGood waits until a bootstrap token is good for joining: in a mailbox that
// was made just now, the server takes a moment to know the roles.
func untilGood(ctx context.Context, w *Way) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	c, err := newClient(w.config())
	if err != nil {
		return err
	}
	for {
		_, err := request(ctx, c, mailbox.Account, minTTL, nil)
		if err == nil {
			return nil
		}
		if !apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err) && !apierrors.IsNotFound(err) || !pause.For(ctx, 200*time.Millisecond) {
			return fmt.Errorf("it is not good for joining: has Prepare been called for the mailbox? %w", err)
		}
	}
}

// minTTL is the least that API servers grant.
const minTTL = 10 * time.Minute

// request asks for a token of an account.
func request(ctx context.Context, c client.Client, account string, ttl time.Duration, bound *authenticationv1.BoundObjectReference) (string, error) {
	seconds := int64(ttl / time.Second)
	answer := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds, BoundObjectRef: bound}}
	of := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: mailbox.Namespace, Name: account}}
	if err := c.SubResource("token").Create(ctx, of, answer); err != nil {
		return "", err
	}
	if answer.Status.Token == "" {
		return "", errors.New("the server granted no token")
	}
	return answer.Status.Token, nil
}
