package syncer

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// mention is one object of the same namespace that a workload cannot run
// without.
type mention struct{ kind, name string }

// podSpecPaths lists where the pod specs of the kinds of Kubernetes stand.
var podSpecPaths = map[string][]string{
	"Pod":                   {"spec"},
	"Deployment":            {"spec", "template", "spec"},
	"StatefulSet":           {"spec", "template", "spec"},
	"DaemonSet":             {"spec", "template", "spec"},
	"ReplicaSet":            {"spec", "template", "spec"},
	"ReplicationController": {"spec", "template", "spec"},
	"Job":                   {"spec", "template", "spec"},
	"CronJob":               {"spec", "jobTemplate", "spec", "template", "spec"},
}

// mentionsOf returns the Secrets and ConfigMaps that the pods of a workload
// mention, sorted, each once: volumes (projected ones too), environment of all
// kinds of containers, and image pull secrets. Other kinds mention nothing.
func mentionsOf(obj *unstructured.Unstructured) []mention {
	path, ok := podSpecPaths[obj.GetKind()]
	if !ok {
		return nil
	}
	spec := at(obj.Object, path...)
	var found []mention
	add := func(kind string, name any) {
		if s, ok := name.(string); ok && s != "" {
			found = append(found, mention{kind, s})
		}
	}
	for _, volume := range elements(spec["volumes"]) {
		mentionsOfVolume(volume, add)
	}
	for _, list := range []string{"initContainers", "containers", "ephemeralContainers"} {
		for _, container := range elements(spec[list]) {
			mentionsOfContainer(container, add)
		}
	}
	for _, secret := range elements(spec["imagePullSecrets"]) {
		add("Secret", secret["name"])
	}
	slices.SortFunc(found, func(a, b mention) int {
		return strings.Compare(a.kind+"/"+a.name, b.kind+"/"+b.name)
	})
	return slices.Compact(found)
}

func mentionsOfVolume(volume map[string]any, add func(kind string, name any)) {
	add("ConfigMap", at(volume, "configMap")["name"])
	add("Secret", at(volume, "secret")["secretName"])
	for _, source := range elements(at(volume, "projected")["sources"]) {
		add("ConfigMap", at(source, "configMap")["name"])
		add("Secret", at(source, "secret")["name"])
	}
	// Volume drivers that take a Secret of the pod's own namespace.
	for _, driver := range []string{"azureFile", "cephfs", "csi", "flexVolume", "iscsi", "rbd", "scaleIO", "storageos"} {
		source := at(volume, driver)
		add("Secret", source["secretName"])
		add("Secret", at(source, "secretRef")["name"])
		add("Secret", at(source, "nodePublishSecretRef")["name"])
	}
}

func mentionsOfContainer(container map[string]any, add func(kind string, name any)) {
	for _, env := range elements(container["env"]) {
		add("ConfigMap", at(env, "valueFrom", "configMapKeyRef")["name"])
		add("Secret", at(env, "valueFrom", "secretKeyRef")["name"])
	}
	for _, from := range elements(container["envFrom"]) {
		add("ConfigMap", at(from, "configMapRef")["name"])
		add("Secret", at(from, "secretRef")["name"])
	}
}

// at descends into maps without copying; nil where the path ends early.
func at(obj map[string]any, path ...string) map[string]any {
	for _, field := range path {
		obj, _ = obj[field].(map[string]any)
	}
	return obj
}

// elements returns the maps of a list without copying.
func elements(list any) []map[string]any {
	l, _ := list.([]any)
	maps := make([]map[string]any, 0, len(l))
	for _, element := range l {
		if m, ok := element.(map[string]any); ok {
			maps = append(maps, m)
		}
	}
	return maps
}
