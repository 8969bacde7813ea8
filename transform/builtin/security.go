package builtin

import (
	"fmt"

	"github.com/tmc-sdk/tmc/transform"
)

// SecurityFloor makes every pod at least as confined as the Restricted profile
// of the Pod Security Standards: it takes away the host's network, process and
// IPC namespaces and ports, privilege and its escalation, and all capabilities
// but NET_BIND_SERVICE; it asks for a user that is not root and for the
// runtime's seccomp profile where the tenant does not. A pod that mounts a path
// of the host is refused, for it would not work without.
func SecurityFloor() transform.Transformer {
	return ofPods("SecurityFloor", func(_ *transform.Target, pod object) error {
		volumes, _ := pod["volumes"].([]any)
		for _, v := range volumes {
			volume, _ := v.(object)
			if _, host := volume["hostPath"]; host {
				return fmt.Errorf("volume %q mounts a path of the host, which is not allowed here", name(v))
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
	})
}

func confineContainer(container object) error {
	ports, _ := container["ports"].([]any)
	for _, p := range ports {
		if port, ok := p.(object); ok {
			delete(port, "hostPort")
			delete(port, "hostIP")
		}
	}
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

// confine takes away profiles that confine nothing.
func confine(context object) {
	for _, field := range [...]string{"seccompProfile", "appArmorProfile"} {
		profile, isProfile := context[field].(object)
		if _, has := context[field]; has && (!isProfile || profile["type"] == "Unconfined") {
			delete(context, field)
		}
	}
	if windows, ok := context["windowsOptions"].(object); ok {
		delete(windows, "hostProcess")
	}
}
