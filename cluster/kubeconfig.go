package cluster

import (
	"errors"
	"fmt"
	"slices"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// ErrRefused says that a kubeconfig asks for what is not allowed: to run a
// program, or to read a file of the controller.
var ErrRefused = errors.New("kubeconfig refused")

// Trust says what a kubeconfig that somebody else wrote may make the
// controller do. The zero value trusts it with nothing: all it may contain is
// an address and credentials.
type Trust struct {
	// Files allows the kubeconfig to name files, which the controller reads.
	Files bool
	// Exec lists the commands that the kubeconfig may have the controller run
	// to obtain credentials, exactly as they are written there.
	Exec []string
}

// LoadKubeconfig turns the current context of a kubeconfig into a config, if
// trust allows all that it asks for.
func LoadKubeconfig(data []byte, trust Trust) (*rest.Config, error) {
	if len(data) == 0 {
		return nil, errors.New("load kubeconfig: it is empty")
	}
	raw, err := clientcmd.Load(data)
	if err != nil {
		return nil, fmt.Errorf("load kubeconfig: %w", err)
	}
	context, ok := raw.Contexts[raw.CurrentContext]
	if !ok || context == nil {
		return nil, fmt.Errorf("load kubeconfig: current-context %q is not among its contexts", raw.CurrentContext)
	}
	target, ok := raw.Clusters[context.Cluster]
	if !ok || target == nil || target.Server == "" {
		return nil, fmt.Errorf("load kubeconfig: cluster %q of the current context has no server", context.Cluster)
	}
	user, ok := raw.AuthInfos[context.AuthInfo]
	if context.AuthInfo != "" && (!ok || user == nil) {
		return nil, fmt.Errorf("load kubeconfig: user %q of the current context is missing", context.AuthInfo)
	}
	if err := trust.check(target, user); err != nil {
		return nil, fmt.Errorf("load kubeconfig: %w", err)
	}
	// Only what was checked goes on: nothing else of the file has a say.
	checked := clientcmdapi.NewConfig()
	checked.Clusters["it"], checked.Contexts["it"] = target, &clientcmdapi.Context{Cluster: "it"}
	if user != nil {
		checked.AuthInfos["it"], checked.Contexts["it"].AuthInfo = user, "it"
	}
	checked.CurrentContext = "it"
	cfg, err := clientcmd.NewNonInteractiveClientConfig(*checked, "it", &clientcmd.ConfigOverrides{}, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("load kubeconfig: %w", err)
	}
	return cfg, nil
}

func (t Trust) check(c *clientcmdapi.Cluster, u *clientcmdapi.AuthInfo) error {
	files := map[string]string{"certificate-authority": c.CertificateAuthority}
	if u != nil {
		files["client-certificate"], files["client-key"], files["tokenFile"] = u.ClientCertificate, u.ClientKey, u.TokenFile
		if u.AuthProvider != nil {
			return fmt.Errorf("%w: auth-provider is not supported, use a token or a client certificate", ErrRefused)
		}
		if u.Exec != nil && !slices.Contains(t.Exec, u.Exec.Command) {
			return fmt.Errorf("%w: it would run %q to obtain credentials; allow the command in Trust.Exec, or use a token or a client certificate", ErrRefused, clip(u.Exec.Command, 64))
		}
	}
	for field, path := range files {
		if path != "" && !t.Files {
			return fmt.Errorf("%w: %s names a file; put the contents into the kubeconfig (%s)", ErrRefused, field, inline[field])
		}
	}
	return nil
}

// inline says which field takes the contents that another names a file of.
var inline = map[string]string{
	"certificate-authority": "certificate-authority-data",
	"client-certificate":    "client-certificate-data",
	"client-key":            "client-key-data",
	"tokenFile":             "token",
}
