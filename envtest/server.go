package envtest

import (
	"path"
	"strings"
)

// A Server is one of the programs that this package finds or builds, and runs.
type Server string

// The servers, each named as its binary is.
const (
	KCP                   Server = "kcp"
	Etcd                  Server = "etcd"
	KubeAPIServer         Server = "kube-apiserver"
	KubeControllerManager Server = "kube-controller-manager"
	KubeScheduler         Server = "kube-scheduler"
	Kwok                  Server = "kwok"
)

// Servers returns every server there is, those that build fastest first.
func Servers() []Server {
	return []Server{Etcd, Kwok, KubeAPIServer, KubeControllerManager, KubeScheduler, KCP}
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
	Etcd: {
		pins: "etcd", pkg: "go.etcd.io/etcd/server/v3", version: "v3.6.8", duration: "30 s",
	},
	Kwok: {
		pins: "kwok", pkg: "sigs.k8s.io/kwok/cmd/kwok", version: "v0.7.0", duration: "1 min",
		stamp: map[string]string{"sigs.k8s.io/kwok/pkg/consts.Version": "v0.7.0"},
	},
	KubeAPIServer:         kubeRecipe(KubeAPIServer, "3 min"),
	KubeControllerManager: kubeRecipe(KubeControllerManager, "1 min after kube-apiserver"),
	KubeScheduler:         kubeRecipe(KubeScheduler, "20 s after kube-apiserver"),
	KCP: {
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
