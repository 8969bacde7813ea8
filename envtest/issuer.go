package envtest

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net"
	"net/http"
	"testing"
	"time"
)

// Issuer is an OpenID Connect issuer: it tells servers, over TLS, by which key they
// know its tokens, and signs whatever token a test asks for. It has no page to log
// in on. Start it before the servers that are to trust it (WithIssuer), and close it
// after them. Safe for concurrent use.
type Issuer struct {
	server *http.Server
	url    string
	key    *rsa.PrivateKey
	dir    *runDir
	caFile string
}

// Claims of tokens. The audience of every token is Audience.
const (
	// Audience is what tokens of an Issuer are for.
	Audience = "kubernetes"
	// UsernamePrefix comes before the claim "sub", and before each of the claim
	// "groups", to make the name of a user and of its groups.
	UsernamePrefix = "oidc:"
)

// NewIssuer starts an issuer for a test, and closes it when the test ends.
func NewIssuer(tb testing.TB) *Issuer {
	tb.Helper()
	i, err := StartIssuer()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = i.Close() })
	return i
}

// StartIssuer starts an issuer on a free port of this machine.
func StartIssuer() (*Issuer, error) {
	i := &Issuer{}
	var err error
	if i.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return nil, fmt.Errorf("start issuer: %w", err)
	}
	authority, err := newCA("issuer")
	if err != nil {
		return nil, fmt.Errorf("start issuer: %w", err)
	}
	pair, err := authority.serving()
	if err != nil {
		return nil, fmt.Errorf("start issuer: %w", err)
	}
	certificate, err := tls.X509KeyPair(pair.cert, pair.key)
	if err != nil {
		return nil, fmt.Errorf("start issuer: %w", err)
	}
	if i.dir, err = newRunDir("issuer"); err != nil {
		return nil, err
	}
	if i.caFile, err = i.dir.write("ca.crt", authority.pem); err != nil {
		return nil, errors.Join(err, i.dir.remove())
	}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start issuer: %w", err), i.dir.remove())
	}
	i.url = "https://" + listener.Addr().String()
	i.server = &http.Server{Handler: i.handler(), ReadHeaderTimeout: 10 * time.Second, TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}}
	go func() { _ = i.server.ServeTLS(listener, "", "") }() // until Close
	return i, nil
}

// Close ends the issuer. Servers know its tokens for as long as they keep its key.
func (i *Issuer) Close() error { return errors.Join(i.server.Close(), i.dir.remove()) }

// URL of the issuer, which is the claim "iss" of its tokens.
func (i *Issuer) URL() string { return i.url }

// Token returns a signed token with the given claims, which win over the usual
// ones: "iss", "aud", and an hour from now on in "iat" and "exp". The claim "sub" is
// the user, and "groups", a list, its groups.
func (i *Issuer) Token(claims map[string]any) (string, error) {
	now := time.Now()
	all := map[string]any{"iss": i.url, "aud": Audience, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	maps.Copy(all, claims)
	payload, err := json.Marshal(all)
	if err != nil {
		return "", fmt.Errorf("write claims: %w", err)
	}
	signed := encodePart([]byte(`{"alg":"RS256","typ":"JWT","kid":"it"}`)) + "." + encodePart(payload)
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, i.key, crypto.SHA256, digest[:])
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return signed + "." + encodePart(signature), nil
}

func encodePart(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// ServeHTTP implements http.Handler: what servers are told over TLS, for programs
// that put the issuer behind a server of their own.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) { i.server.Handler.ServeHTTP(w, r) }

// handler serves what servers ask: where the key is, and the key.
func (i *Issuer) handler() http.Handler {
	serve := func(document any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(document) // else who asked has gone
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", serve(map[string]any{
		"issuer": i.url, "jwks_uri": i.url + "/keys", "authorization_endpoint": i.url + "/login", "token_endpoint": i.url + "/token",
		"response_types_supported": []string{"id_token"}, "subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"RS256"},
	}))
	mux.HandleFunc("GET /keys", serve(map[string]any{"keys": []any{map[string]any{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "it",
		"n": encodePart(i.key.N.Bytes()), "e": encodePart(big.NewInt(int64(i.key.E)).Bytes()),
	}}}))
	return mux
}

// WithIssuer has servers take the tokens of an issuer: kcp, and the API servers of
// clusters.
func WithIssuer(i *Issuer) Option {
	args := []string{
		"--oidc-issuer-url=" + i.url, "--oidc-client-id=" + Audience, "--oidc-ca-file=" + i.caFile,
		"--oidc-username-claim=sub", "--oidc-username-prefix=" + UsernamePrefix,
		"--oidc-groups-claim=groups", "--oidc-groups-prefix=" + UsernamePrefix,
	}
	return func(o *options) {
		for _, s := range []Server{ServerKCP, ServerKubeAPIServer} {
			o.args[s] = append(o.args[s], args...)
		}
	}
}
