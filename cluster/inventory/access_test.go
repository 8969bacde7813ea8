package inventory

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	clientcmdv1 "k8s.io/client-go/tools/clientcmd/api/v1"
	inventoryv1alpha1 "sigs.k8s.io/cluster-inventory-api/apis/v1alpha1"

	"github.com/tmc-sdk/tmc/cluster"
)

func profileWith(providers ...inventoryv1alpha1.AccessProvider) *inventoryv1alpha1.ClusterProfile {
	p := &inventoryv1alpha1.ClusterProfile{}
	p.Namespace, p.Name = "fleet", "eu-1"
	p.Status.AccessProviders = providers
	return p
}

func provider(name string, change ...func(*clientcmdv1.Cluster)) inventoryv1alpha1.AccessProvider {
	p := inventoryv1alpha1.AccessProvider{Name: name, Cluster: clientcmdv1.Cluster{Server: "https://eu-1.example.com", CertificateAuthorityData: []byte("ca")}}
	for _, c := range change {
		c(&p.Cluster)
	}
	return p
}

func TestConfigOfAProfile(t *testing.T) {
	plugin := Exec("plugin", clientcmdapi.ExecConfig{Command: "get-credentials", Args: []string{"--quiet"}})
	cases := map[string]struct {
		reason  string
		profile *inventoryv1alpha1.ClusterProfile
		ways    []Access
		err     string
	}{
		"exec":          {"the platform gave the program", profileWith(provider("plugin")), []Access{plugin}, ""},
		"second":        {"the first that is known counts", profileWith(provider("other"), provider("plugin")), []Access{plugin}, ""},
		"none":          {"the cluster manager has not written any", profileWith(), []Access{plugin}, "names no access provider yet"},
		"unknown":       {"nobody said what it means", profileWith(provider("other")), []Access{plugin}, "none of the access providers of the ClusterProfile is known here (other)"},
		"no command":    {"the platform forgot it", profileWith(provider("plugin")), []Access{Exec("plugin", clientcmdapi.ExecConfig{})}, "no command"},
		"CA file":       {"it would read a file of the controller", profileWith(provider("plugin", func(c *clientcmdv1.Cluster) { c.CertificateAuthority = "/etc/shadow" })), []Access{plugin}, "certificate-authority names a file"},
		"proxy":         {"it would send requests elsewhere", profileWith(provider("plugin", func(c *clientcmdv1.Cluster) { c.ProxyURL = "http://evil.example.com" })), []Access{plugin}, "proxy-url"},
		"insecure":      {"anybody could answer", profileWith(provider("plugin", func(c *clientcmdv1.Cluster) { c.InsecureSkipTLSVerify = true })), []Access{plugin}, "insecure-skip-tls-verify"},
		"http":          {"anybody could listen", profileWith(provider("plugin", func(c *clientcmdv1.Cluster) { c.Server = "http://eu-1.example.com" })), []Access{plugin}, "is not an https address"},
		"file":          {"it is no server", profileWith(provider("plugin", func(c *clientcmdv1.Cluster) { c.Server = "file:///etc/shadow" })), []Access{plugin}, "is not an https address"},
		"user in URL":   {"credentials do not belong there", profileWith(provider("plugin", func(c *clientcmdv1.Cluster) { c.Server = "https://a:b@eu-1.example.com" })), []Access{plugin}, "is not an https address"},
		"refused first": {"what is refused is not passed over in silence", profileWith(provider("plugin", func(c *clientcmdv1.Cluster) { c.Server = "" }), provider("other")), []Access{plugin}, "kubeconfig refused"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			cfg, err := configOf(tc.profile, tc.ways)
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err, tc.reason)
				require.Nil(t, cfg)
				return
			}
			require.NoError(t, err, tc.reason)
			require.Equal(t, "https://eu-1.example.com", cfg.Host)
			require.Equal(t, []byte("ca"), cfg.CAData)
			require.Equal(t, "get-credentials", cfg.ExecProvider.Command)
			again, err := configOf(tc.profile, tc.ways)
			require.NoError(t, err)
			require.Equal(t, cfg, again, "equal endpoints give equal configs, so that nothing is connected to anew")
		})
	}
}

func TestOlderProfilesAreRead(t *testing.T) {
	p := profileWith()
	p.Status.CredentialProviders = []inventoryv1alpha1.CredentialProvider{provider("plugin")}
	cfg, err := configOf(p, []Access{AccessFunc("plugin", func(e Endpoint) (*rest.Config, error) { return e.config(), nil })})
	require.NoError(t, err)
	require.Equal(t, "https://eu-1.example.com", cfg.Host)
}

// FuzzProfile looks for profiles that choose programs, files or proxies, or
// that make the controller panic.
func FuzzProfile(f *testing.F) {
	for _, p := range []*inventoryv1alpha1.ClusterProfile{
		profileWith(provider("plugin")),
		profileWith(provider("other"), provider("plugin", func(c *clientcmdv1.Cluster) { c.ProxyURL = "socks5://x" })),
		profileWith(provider("plugin", func(c *clientcmdv1.Cluster) { c.CertificateAuthority = "/a"; c.DisableCompression = true })),
	} {
		p.Status.Properties = []inventoryv1alpha1.Property{{Name: "cost", Value: "0.35"}}
		data, err := json.Marshal(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"status":{"accessProviders":[{"name":"plugin","cluster":{"server":"https://x","extensions":[{"name":"clusterprofiles.multicluster.x-k8s.io/exec/additional-args","extension":["--evil"]}]}}]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p := &inventoryv1alpha1.ClusterProfile{}
		if json.Unmarshal(data, p) != nil {
			return
		}
		s := &source{ways: []Access{Exec("plugin", clientcmdapi.ExecConfig{Command: "get-credentials"})}}
		reg := s.registration(p)
		if (reg.Config == nil) == (reg.Err == nil) {
			t.Fatalf("want a config or an error, got %v, %v", reg.Config, reg.Err)
		}
		if reg.Config == nil {
			return
		}
		e := reg.Config.ExecProvider
		if e == nil || e.Command != "get-credentials" || len(e.Args)+len(e.Env) > 0 {
			t.Fatalf("the profile chose the program: %v", e)
		}
		if !strings.HasPrefix(reg.Config.Host, "https://") || reg.Config.CAFile != "" || reg.Config.Insecure || reg.Config.Proxy != nil {
			t.Fatalf("the profile is trusted: %v", reg.Config)
		}
	})
}

func TestNamesInAMessageAreShort(t *testing.T) {
	_, err := configOf(profileWith(provider(strings.Repeat("é", 4000))), []Access{Exec("plugin", clientcmdapi.ExecConfig{Command: "x"})})
	require.Less(t, len(err.Error()), 400)
	require.NotErrorIs(t, err, cluster.ErrRefused)
}
