package builtin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tmc-sdk/tmc/transform"
)

// SecurityFloor makes every pod at least as confined as the Restricted profile
// of the Pod Security Standards: it takes away the host's network, process and
// IPC namespaces and ports, privilege and its escalation, all capabilities but
// NET_BIND_SERVICE, profiles of seccomp, AppArmor and SELinux that do not confine,
// and other hosts in probes and hooks; it asks for a user that is not root and for
// the runtime's seccomp profile where the tenant does not. A pod that mounts a path
// of the host, or another volume that the profile does not allow, is refused, for it
// would not work without.
func SecurityFloor() transform.Transformer {
	b := ofPods("SecurityFloor", func(_ *transform.Target, pod object) error { return confinePod(pod) })
	return b.withTemplates(confineAnnotations)
}

// allowedVolumes are the sorts of volumes that the profile allows.
var allowedVolumes = []string{
	"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret",
}

func checkVolume(v any) error {
	volume, _ := v.(object)
	refused := ""
	for sort, source := range volume {
		if sort != "name" && source != nil && !slices.Contains(allowedVolumes, sort) && (refused == "" || sort < refused) {
			refused = sort
		}
	}
	switch refused {
	case "":
		return nil
	case "hostPath":
		return fmt.Errorf("volume %q mounts a path of the host, which is not allowed here: use a PersistentVolumeClaim or an emptyDir", name(v))
	}
	return fmt.Errorf("volume %q is of the sort %s, which is not allowed here: use a PersistentVolumeClaim", name(v), refused)
}

func confinePod(pod object) error {
	volumes, _ := pod["volumes"].([]any)
	for _, v := range volumes {
		if err := checkVolume(v); err != nil {
			return err
		}
	}
	for _, field := range [...]string{"hostNetwork", "hostPID", "hostIPC"} {
		delete(pod, field)
	}
	if context := objectAt(pod, "securityContext"); context != nil {
		context["runAsNonRoot"] = true
		if context["runAsUser"] == int64(0) {
			delete(context, "runAsUser")
		}
		confine(context)
		if _, has := context["seccompProfile"]; !has {
			context["seccompProfile"] = object{"type": "RuntimeDefault"}
		}
		delete(context, "sysctls")
	}
	return containers(pod, confineContainer)
}

func confineContainer(container object) error {
	ports, _ := container["ports"].([]any)
	for _, p := range ports {
		if port, ok := p.(object); ok {
			delete(port, "hostPort")
			delete(port, "hostIP")
		}
	}
	confineHandlers(container)
	context := objectAt(container, "securityContext")
	if context == nil {
		return nil
	}
	delete(context, "privileged")
	delete(context, "procMount")
	context["allowPrivilegeEscalation"] = false
	if _, has := context["runAsNonRoot"]; has {
		context["runAsNonRoot"] = true
	}
	if context["runAsUser"] == int64(0) {
		delete(context, "runAsUser")
	}
	confine(context)
	confineCapabilities(context)
	return nil
}

// confineHandlers has probes and hooks ask the pod itself: the kubelet asks from the
// node, which may reach what the pod may not.
func confineHandlers(container object) {
	hooks, _ := container["lifecycle"].(object)
	for _, handler := range [...]any{
		container["livenessProbe"], container["readinessProbe"], container["startupProbe"], hooks["postStart"], hooks["preStop"],
	} {
		asks, _ := handler.(object)
		for _, way := range [...]string{"httpGet", "tcpSocket"} {
			if request, ok := asks[way].(object); ok {
				delete(request, "host")
			}
		}
	}
}

// confineCapabilities drops all and lets a container have again the one that is
// allowed.
func confineCapabilities(context object) {
	before, _ := context["capabilities"].(object)
	added, _ := before["add"].([]any)
	dropped, _ := before["drop"].([]any)
	if _, adds := before["add"]; !adds && len(before) == 1 && len(dropped) == 1 && dropped[0] == "ALL" {
		return // as most that were written with care have it
	}
	capabilities := object{"drop": []any{"ALL"}}
	for _, c := range added {
		if c == "NET_BIND_SERVICE" {
			capabilities["add"] = []any{c}
		}
	}
	context["capabilities"] = capabilities
}

// confiningTypes are the types of SELinux that confine a container.
var confiningTypes = []any{"container_t", "container_init_t", "container_kvm_t", "container_engine_t"}

// confine takes away profiles that confine nothing.
func confine(context object) {
	for _, field := range [...]string{"seccompProfile", "appArmorProfile"} {
		profile, isProfile := context[field].(object)
		if _, has := context[field]; has && (!isProfile || profile["type"] == "Unconfined") {
			delete(context, field)
		}
	}
	if selinux, ok := context["seLinuxOptions"].(object); ok {
		delete(selinux, "user")
		delete(selinux, "role")
		if !slices.Contains(confiningTypes, selinux["type"]) {
			delete(selinux, "type")
		}
	}
	if windows, ok := context["windowsOptions"].(object); ok {
		delete(windows, "hostProcess")
	}
}

// appArmorPrefix is that of the annotations by which AppArmor was asked for before
// pods had a field for it. Clusters still read them where the field is not set.
const appArmorPrefix = "container.apparmor.security.beta.kubernetes.io/"

func confineAnnotations(metadata object) {
	annotations, _ := metadata["annotations"].(object)
	for key, value := range annotations {
		profile, _ := value.(string)
		if strings.HasPrefix(key, appArmorPrefix) && profile != "runtime/default" && !strings.HasPrefix(profile, "localhost/") {
			delete(annotations, key)
		}
	}
}
