package syncer

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/transform"
)

// unsettled says what is not yet as it should be, by truth: no copy without an
// original, every original with its copies, no trace of what was deleted, and
// everybody told. Empty: the world has converged.
func (c *checker) unsettled() []string {
	var open []string
	expected := map[string]bool{}
	for _, tenant := range c.world.tenants {
		for _, ns := range tenant.All(namespaceKind) {
			if ns.GetDeletionTimestamp() != nil {
				open = append(open, fmt.Sprintf("namespace %s/%s is still going", tenant.name, ns.GetName()))
			}
		}
		for _, ns := range simNamespaces {
			for key, d := range demandsOf(tenant, ns) {
				open = append(open, c.unsettledOriginal(tenant, key, d, expected)...)
			}
		}
	}
	open = append(open, c.unshown()...)
	return append(open, c.leftovers(expected)...)
}

func (c *checker) unsettledOriginal(tenant *simServer, key Key, d demand, expected map[string]bool) (open []string) {
	original := tenant.Peek(key.Kind, key.Namespace, key.Name)
	if d.deleting {
		return []string{key.String() + " is still going"}
	}
	var replicas int64
	refused, stayed := "", []string(nil)
	for _, cluster := range c.world.clusters {
		leaving, named := d.targets[cluster.name]
		if !named {
			continue
		}
		ns, name := c.world.where(tenant.name, original)
		expected[cluster.name+key.Kind.Kind+ns+"/"+name] = true
		expected[cluster.name+ns] = true
		there := cluster.Peek(key.Kind, ns, name)
		if leaving {
			if there != nil && !c.foreign(there) {
				stayed = append(stayed, fmt.Sprintf("%s has not left %s", key, cluster.name))
			}
			continue
		}
		if there != nil && c.foreign(there) {
			refused = ReasonConflict
			continue
		}
		if namespace := cluster.Peek(namespaceKind, "", ns); namespace != nil && c.foreign(namespace) {
			refused = ReasonConflict
			continue
		}
		if image(original) == "bad" {
			if refused == "" {
				refused = ReasonRefused
			}
			continue
		}
		if problem := c.unlike(tenant, cluster, original, there); problem != "" {
			open = append(open, fmt.Sprintf("%s on %s: %s", key, cluster.name, problem))
			continue
		}
		n, _ := replicasOf(there)
		replicas += int64(n)
	}
	if refused == "" { // else it waits for a copy that is healthy
		open = append(open, stayed...)
	}
	if key.Kind != simDeployment {
		return open
	}
	return append(open, untold(key, original, d, refused, replicas)...)
}

// unlike says in what a copy is not what the original asks for.
func (c *checker) unlike(tenant, cluster *simServer, original, copied *unstructured.Unstructured) string {
	if copied == nil {
		return "there is no copy"
	}
	marks, _ := transform.ReadMarks(copied)
	switch {
	case copied.GetDeletionTimestamp() != nil:
		return "the copy is going"
	case marks.UID != original.GetUID():
		return "the copy is of an earlier original"
	case c.world.createOnly && copied.GetKind() == simConfigMap.Kind:
		return "" // it is as the cluster likes it
	case copied.GetAnnotations()[annotationToken] != token(tenant.name, original):
		return "the copy is of " + copied.GetAnnotations()[annotationToken]
	case !reflect.DeepEqual(original.Object["data"], copied.Object["data"]):
		return "the data differ"
	case !reflect.DeepEqual(original.Object["imagePullSecrets"], copied.Object["imagePullSecrets"]):
		return "the Secrets of the account differ"
	case copied.GetAnnotations()[annotationRegion] != cluster.region:
		return "the copy says that it is in region " + copied.GetAnnotations()[annotationRegion]
	case !reflect.DeepEqual(at(original.Object, "spec", "selector"), at(copied.Object, "spec", "selector")):
		return "the selector differs"
	case image(original) != image(copied):
		return "the image differs"
	}
	for _, key := range []string{"note/a", "note/b"} {
		if original.GetAnnotations()[key] != copied.GetAnnotations()[key] {
			return "the annotation " + key + " differs"
		}
	}
	return ""
}

func image(u *unstructured.Unstructured) string {
	for _, container := range elements(at(u.Object, "spec", "template", "spec")["containers"]) {
		image, _ := container["image"].(string)
		return image
	}
	return ""
}

// untold says what the owner of a Deployment was not told, or wrongly (law 9).
func untold(key Key, original *unstructured.Unstructured, d demand, refused string, replicas int64) (open []string) {
	synced := conditionOf(original, ConditionSynced)
	wanted, _ := replicasOf(original)
	switch {
	case !d.decided:
	case synced == nil:
		open = append(open, fmt.Sprintf("law 9: %s: nobody told its owner anything", key))
	case len(d.targets) == 0:
		if synced.Reason != ReasonNotPlaced {
			open = append(open, fmt.Sprintf("law 9: %s is placed nowhere, and says %s", key, synced.Reason))
		}
	case refused != "":
		if synced.Status != "False" || synced.Reason != ReasonConflict && synced.Reason != ReasonRefused {
			open = append(open, fmt.Sprintf("law 9: %s meets a %s, and says %s %s", key, refused, synced.Status, synced.Reason))
		}
	case synced.Status != "True":
		open = append(open, fmt.Sprintf("law 9: %s is synced, and says %s %s: %s", key, synced.Status, synced.Reason, synced.Message))
	case replicas != int64(wanted):
		open = append(open, fmt.Sprintf("%s asks for %d replicas, and its copies for %d", key, wanted, replicas))
	default:
		if n, _ := number(at(original.Object, "status")["replicas"]); int64(n) != replicas {
			open = append(open, fmt.Sprintf("law 9: %s has %d replicas, and says %v", key, replicas, n))
		}
	}
	return open
}

// leftovers finds what is ours on clusters and should not be there.
func (c *checker) leftovers(expected map[string]bool) (open []string) {
	for _, cluster := range c.world.clusters {
		used := map[string]bool{}
		for _, kind := range append([]schema.GroupVersionKind{simDeployment}, simRelated...) {
			for _, u := range cluster.All(kind) {
				used[u.GetNamespace()] = true
				if !c.foreign(u) && !expected[cluster.name+kind.Kind+u.GetNamespace()+"/"+u.GetName()] && !c.leantOn(cluster, kind, u) {
					open = append(open, fmt.Sprintf("%s holds %s %s/%s, and nothing asks for it", cluster.name, kind.Kind, u.GetNamespace(), strings.TrimSpace(token(u.GetAnnotations()[annotationToken], u))))
				}
			}
		}
		for _, ns := range cluster.All(namespaceKind) {
			for _, pod := range cluster.All(simPod) {
				used[pod.GetNamespace()] = true
			}
			if !c.foreign(ns) && !used[ns.GetName()] && !expected[cluster.name+ns.GetName()] {
				open = append(open, fmt.Sprintf("%s holds the empty namespace %s", cluster.name, ns.GetName()))
			}
		}
	}
	return open
}

// leantOn says whether a copy on the cluster still needs another: one that can't be
// changed keeps what it was made with.
func (c *checker) leantOn(cluster *simServer, kind schema.GroupVersionKind, u *unstructured.Unstructured) bool {
	wanted := mentionOf(kind, u.GetName())
	for _, by := range slices.Concat(cluster.All(simDeployment), cluster.All(accountKind)) {
		if by.GetNamespace() == u.GetNamespace() && !c.foreign(by) && slices.Contains(mentionsOf(by), wanted) {
			return true
		}
	}
	return false
}

// refusals counts originals that are refused somewhere: they are tried again.
func (c *checker) refusals() (n int) {
	for _, tenant := range c.world.tenants {
		for _, d := range tenant.All(simDeployment) {
			if synced := conditionOf(d, ConditionSynced); synced != nil && (synced.Reason == ReasonConflict || synced.Reason == ReasonRefused) {
				n += len(c.world.clusters)
			}
		}
		for _, kind := range simRelated {
			for _, u := range tenant.All(kind) {
				ns, _ := c.world.where(tenant.name, u)
				for _, cluster := range c.world.clusters {
					if namespace := cluster.Peek(namespaceKind, "", ns); namespace != nil && c.foreign(namespace) {
						n++
					}
				}
			}
		}
	}
	return n
}
