package envtest_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
)

// A user who logs in by OpenID Connect. Servers started with WithIssuer know her as
// oidc:alice, of the group oidc:team-a.
func ExampleIssuer() {
	issuer, err := tmcenvtest.StartIssuer()
	if err != nil {
		log.Fatal(err)
	}
	defer issuer.Close() //nolint:errcheck // an example
	_ = tmcenvtest.WithIssuer(issuer)
	token, err := issuer.Token(map[string]any{"sub": "alice", "groups": []string{"team-a"}})
	fmt.Println(strings.Count(token, "."), err)
	// Output: 2 <nil>
}

// What a server does with a token, but for the TLS in between: find the key, verify
// the signature, read the claims. That kcp does so is tested where users are.
func TestTokensOfAnIssuerAreSignedByTheKeyThatItServes(t *testing.T) {
	issuer := tmcenvtest.NewIssuer(t)
	token, err := issuer.Token(map[string]any{"sub": "alice", "exp": 1})
	require.NoError(t, err)
	parts := strings.Split(token, ".")
	require.Len(t, parts, 3)

	var keys struct {
		Keys []struct{ N, E string }
	}
	response := httptest.NewRecorder()
	issuer.ServeHTTP(response, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/keys", nil))
	require.NoError(t, json.Unmarshal(response.Body.Bytes(), &keys))
	require.Len(t, keys.Keys, 1)
	number := func(text string) *big.Int {
		data, err := base64.RawURLEncoding.DecodeString(text)
		require.NoError(t, err)
		return new(big.Int).SetBytes(data)
	}
	key := &rsa.PublicKey{N: number(keys.Keys[0].N), E: int(number(keys.Keys[0].E).Int64())}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	require.NoError(t, err)
	require.NoError(t, rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature))

	var claims map[string]any
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(payload, &claims))
	require.Equal(t, issuer.URL(), claims["iss"])
	require.Equal(t, tmcenvtest.Audience, claims["aud"])
	require.InDelta(t, time.Now().Unix(), claims["iat"], 60)
	require.EqualValues(t, 1, claims["exp"], "what a test asks for wins")
}
