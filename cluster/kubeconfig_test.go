package cluster

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func kubeconfig(clusterFields, userFields string) string {
	return `{"apiVersion":"v1","kind":"Config","current-context":"c",
"contexts":[{"name":"c","context":{"cluster":"k","user":"u"}}],
"clusters":[{"name":"k","cluster":{"server":"https://example.com:6443"` + clusterFields + `}}],
"users":[{"name":"u","user":{` + userFields + `}}]}`
}

func TestLoadKubeconfig(t *testing.T) {
	exec := `"exec":{"apiVersion":"client.authentication.k8s.io/v1","command":"aws","interactiveMode":"Never"}`
	cases := map[string]struct {
		reason string
		data   string
		trust  Trust
		// err is in the error; empty for none.
		err string
	}{
		"token":              {"a token is all it takes", kubeconfig("", `"token":"t"`), Trust{}, ""},
		"no user":            {"some API servers take anonymous requests", strings.Replace(kubeconfig("", ""), `,"user":"u"`, "", 1), Trust{}, ""},
		"exec":               {"it would run a program of its choice", kubeconfig("", exec), Trust{}, `it would run "aws"`},
		"exec, allowed":      {"the platform allowed this command", kubeconfig("", exec), Trust{Exec: []string{"aws"}}, ""},
		"exec, another":      {"the platform allowed another command", kubeconfig("", exec), Trust{Exec: []string{"gcloud"}}, "kubeconfig refused"},
		"token file":         {"it would read a file of the controller", kubeconfig("", `"tokenFile":"/var/run/secrets/token"`), Trust{}, "tokenFile names a file; put the contents into the kubeconfig (token)"},
		"token file, in":     {"the platform allowed files, but this one is not there", kubeconfig("", `"tokenFile":"/nowhere/token"`), Trust{Files: true}, "open /nowhere/token"},
		"certificate file":   {"it would read a file of the controller", kubeconfig(`,"certificate-authority":"/etc/ca"`, ""), Trust{}, "certificate-authority-data"},
		"client certificate": {"it would read a file of the controller", kubeconfig("", `"client-certificate":"/a","client-key":"/b"`), Trust{}, "kubeconfig refused"},
		"auth provider":      {"client-go has dropped them", kubeconfig("", `"auth-provider":{"name":"gcp"}`), Trust{Files: true, Exec: []string{"gcp"}}, "auth-provider is not supported"},
		"empty":              {"there is nothing to load, and no default to fall back on", "", Trust{}, "it is empty"},
		"not a kubeconfig":   {"it does not parse", "[1]", Trust{}, "load kubeconfig"},
		"no context":         {"it does not say which cluster", `{"apiVersion":"v1","kind":"Config"}`, Trust{}, `current-context "" is not among its contexts`},
		"no cluster":         {"the context leads nowhere", strings.Replace(kubeconfig("", ""), `"name":"k"`, `"name":"other"`, 1), Trust{}, `cluster "k" of the current context has no server`},
		"no such user":       {"the context names a user that is missing", strings.Replace(kubeconfig("", ""), `"name":"u"`, `"name":"other"`, 1), Trust{}, `user "u" of the current context is missing`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			cfg, err := LoadKubeconfig([]byte(tc.data), tc.trust)
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err, tc.reason)
				require.Nil(t, cfg)
				return
			}
			require.NoError(t, err, tc.reason)
			require.Equal(t, "https://example.com:6443", cfg.Host)
		})
	}
}

// FuzzLoadKubeconfig looks for kubeconfigs that make the controller read files
// or run programs, or that make it panic.
func FuzzLoadKubeconfig(f *testing.F) {
	f.Add(kubeconfig("", `"token":"t"`))
	f.Add(kubeconfig(`,"certificate-authority":"/etc/ca"`, `"exec":{"command":"sh"}`))
	f.Add(kubeconfig(`,"proxy-url":"socks5://x"`, `"as":"root","client-certificate-data":"eA=="`))
	f.Fuzz(func(t *testing.T, data string) {
		cfg, err := LoadKubeconfig([]byte(data), Trust{})
		if err != nil {
			return
		}
		if cfg.ExecProvider != nil || cfg.AuthProvider != nil || cfg.BearerTokenFile != "" || cfg.CAFile != "" || cfg.CertFile != "" || cfg.KeyFile != "" {
			t.Fatalf("config trusts the kubeconfig: %v", cfg)
		}
		if l, err := newLink(cfg); err == nil {
			l.hangUp()
		}
	})
}
