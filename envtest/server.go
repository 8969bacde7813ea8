package envtest

import (
	"path"
	"strings"
)

// A Server is one of the programs that this package finds or builds, and runs.
type Server string

// The servers, each named as its binary is.
const (
	ServerKCP                   Server = "kcp"
	ServerEtcd                  Server = "etcd"
	ServerKubeAPIServer         Server = "kube-apiserver"
	ServerKubeControllerManager Server = "kube-controller-manager"
	ServerKubeScheduler         Server = "kube-scheduler"
	ServerKwok                  Server = "kwok"
)

// Servers returns every server there is, those that build fastest first.
func Servers() []Server {
	return []Server{ServerEtcd, ServerKwok, ServerKubeAPIServer, ServerKubeControllerManager, ServerKubeScheduler, ServerKCP}
}

// EnvVar names the environment variable that points at a binary to use instead
// of our own: TMC_ENVTEST_KCP, TMC_ENVTEST_KUBE_APISERVER and so on.
func (s Server) EnvVar() string {
	return "TMC_ENVTEST_" + strings.ToUpper(strings.ReplaceAll(string(s), "-", "_"))
}

// A recipe says how a server is built from pinned modules.
type recipe struct {
	pins     string            // folder below pins/ that holds go.mod.txt and go.sum.txt
	pkg      string            // main package
	version  string            // version of the module that holds pkg, for people
	stamp    map[string]string // variables set by the linker, so that the server tells its version
	duration string            // of a cold build on two cores, for people
}

const (
	kubeVersion = "1.36.3"
	kcpVersion  = "0.28.1"
	kcpKube     = "1.32.3" // the Kubernetes inside that kcp
)

var recipes = map[Server]recipe{
	ServerEtcd: {
		pins: "etcd", pkg: "go.etcd.io/etcd/server/v3", version: "v3.6.8", duration: "30 s",
	},
	ServerKwok: {
		pins: "kwok", pkg: "sigs.k8s.io/kwok/cmd/kwok", version: "v0.7.0", duration: "1 min",
		stamp: map[string]string{"sigs.k8s.io/kwok/pkg/consts.Version": "v0.7.0"},
	},
	ServerKubeAPIServer:         kubeRecipe(ServerKubeAPIServer, "3 min"),
	ServerKubeControllerManager: kubeRecipe(ServerKubeControllerManager, "1 min"),
	ServerKubeScheduler:         kubeRecipe(ServerKubeScheduler, "20 s"),
	ServerKCP: {
		pins: "kcp", pkg: "github.com/kcp-dev/kcp/cmd/kcp", version: "v" + kcpVersion, duration: "4 min",
		stamp: kubeStamp("v"+kcpKube+"+kcp-v"+kcpVersion, kcpKube),
	},
}

func kubeRecipe(s Server, duration string) recipe {
	return recipe{
		pins: "kubernetes", pkg: path.Join("k8s.io/kubernetes/cmd", string(s)), version: "v" + kubeVersion,
		stamp: kubeStamp("v"+kubeVersion, kubeVersion), duration: duration,
	}
}

// kubeStamp sets what a Kubernetes server answers at /version.
func kubeStamp(gitVersion, version string) map[string]string {
	numbers := strings.SplitN(version, ".", 3)
	stamp := map[string]string{}
	for _, pkg := range []string{"k8s.io/client-go/pkg/version", "k8s.io/component-base/version"} {
		stamp[pkg+".gitVersion"] = gitVersion
		stamp[pkg+".gitMajor"] = numbers[0]
		stamp[pkg+".gitMinor"] = numbers[1]
		stamp[pkg+".gitTreeState"] = "clean"
	}
	return stamp
}
