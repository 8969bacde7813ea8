package syncer

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/transform"
)

// mention is one object of the same namespace that another needs. The kind is spelled
// as schema.GroupKind prints it.
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

// reference says where objects of a kind name another.
type reference struct {
	path transform.Path
	kind string // that is named
}

// Mention says where objects of a kind, such as of a CRD, name an object of their
// own namespace that they need, by the kind that is named: one of those that
// Related lists, with its group where it has one, as "BackupPolicy.db.example". Pod
// specs need no such rule, neither those of the kinds of Kubernetes nor those that
// the pipeline was told of by transform.WithPodSpecs; nor do the Secrets of a
// ServiceAccount. Objects of a related kind may mention others in turn, and these
// follow, over at most eight mentions from what is placed.
//
//	syncer.Mention(schema.GroupKind{Group: "db.example", Kind: "Database"},
//		"Secret", transform.MustPath("spec.users[*].passwordSecret.name"))
func Mention(by schema.GroupKind, kind string, at transform.Path) Option {
	return func(o *options) {
		if o.mentions == nil {
			o.mentions = map[schema.GroupKind][]reference{}
		}
		o.mentions[by] = append(o.mentions[by], reference{at, kind})
	}
}

// mentionsOf returns what an object mentions: in its pod specs, and where the
// platform said so.
func (l *Loop) mentionsOf(obj *unstructured.Unstructured) []mention {
	found := mentionsOf(obj)
	kind := obj.GroupVersionKind().GroupKind()
	references, declared := l.opts.mentions[kind], l.pipeline.DeclaredPodSpecs(obj)
	if len(references) == 0 && len(declared) == 0 {
		return found
	}
	add := func(kind string, name any) {
		if s, ok := name.(string); ok && s != "" {
			found = append(found, mention{kind, s})
		}
	}
	for _, pod := range declared {
		mentionsOfPod(pod, add)
	}
	for _, r := range references {
		r.path.Visit(obj.Object, func(value any) { add(r.kind, value) })
	}
	return sorted(found)
}

// mayMention says whether objects of a kind can mention others.
func (l *Loop) mayMention(kind schema.GroupVersionKind) bool {
	_, ok := podSpecPaths[kind.Kind]
	return ok || kind.GroupKind() == accountKind.GroupKind() || l.pipeline.DeclaresPods(kind.GroupKind()) || len(l.opts.mentions[kind.GroupKind()]) > 0
}

var accountKind = schema.GroupVersionKind{Version: "v1", Kind: "ServiceAccount"}

// mentionsOf returns what the pods of a workload of Kubernetes mention, or a
// ServiceAccount does, sorted, each once. Other kinds mention nothing.
func mentionsOf(obj *unstructured.Unstructured) []mention {
	var found []mention
	add := func(kind string, name any) {
		if s, ok := name.(string); ok && s != "" {
			found = append(found, mention{kind, s})
		}
	}
	if path, ok := podSpecPaths[obj.GetKind()]; ok {
		mentionsOfPod(at(obj.Object, path...), add)
	} else if obj.GroupVersionKind() == accountKind {
		for _, field := range []string{"secrets", "imagePullSecrets"} {
			for _, secret := range elements(obj.Object[field]) {
				add("Secret", secret["name"])
			}
		}
	}
	return sorted(found)
}

func sorted(found []mention) []mention {
	slices.SortFunc(found, func(a, b mention) int {
		return strings.Compare(a.kind+"/"+a.name, b.kind+"/"+b.name)
	})
	return slices.Compact(found)
}

// mentionsOfPod tells of the Secrets, ConfigMaps, claims of volumes and the service
// account that a pod mentions: in volumes (projected ones too), the environment of
// all kinds of containers, image pull secrets. The account "default" is each
// cluster's own.
func mentionsOfPod(spec map[string]any, add func(kind string, name any)) {
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
	if spec["serviceAccountName"] != "default" {
		add("ServiceAccount", spec["serviceAccountName"])
	}
}

func mentionsOfVolume(volume map[string]any, add func(kind string, name any)) {
	add("ConfigMap", at(volume, "configMap")["name"])
	add("Secret", at(volume, "secret")["secretName"])
	add("PersistentVolumeClaim", at(volume, "persistentVolumeClaim")["claimName"])
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
