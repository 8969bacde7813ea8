package syncer_test

import (
	"fmt"
	"strings"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	"github.com/tmc-sdk/tmc/transform"
)

func toMap(obj any) map[string]any {
	m, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		panic(err)
	}
	return m
}

func object(kind schema.GroupVersionKind, namespace, name string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetGroupVersionKind(kind)
	u.SetNamespace(namespace)
	u.SetName(name)
	return u
}

// deployment returns a Deployment of the given replicas in namespace default.
func deployment(name string, replicas int64) *unstructured.Unstructured {
	u := object(deploymentKind, "default", name)
	u.Object["spec"] = map[string]any{
		"replicas": replicas,
		"selector": map[string]any{"matchLabels": map[string]any{"app": name}},
		"template": map[string]any{
			"metadata": map[string]any{"labels": map[string]any{"app": name}},
			"spec": map[string]any{"containers": []any{map[string]any{
				"name": "main", "image": "registry.example/app:1",
				"resources": map[string]any{"requests": map[string]any{"cpu": "1000m"}},
			}}},
		},
	}
	return u
}

func configMap(name, value string) *unstructured.Unstructured {
	u := object(configMapKind, "default", name)
	u.Object["data"] = map[string]any{"key": value}
	return u
}

func mentioning(d *unstructured.Unstructured, configMap string) *unstructured.Unstructured {
	spec := d.Object["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)
	spec["volumes"] = []any{map[string]any{"name": "config", "configMap": map[string]any{"name": configMap}}}
	return d
}

// target is a target in good standing with a share.
func target(cluster string, share int64) v1alpha1.Target {
	return v1alpha1.Target{Cluster: cluster, Share: &share}
}

func leaving(cluster string) v1alpha1.Target { return v1alpha1.Target{Cluster: cluster, Leaving: true} }

// decide records a decision for namespace default of a tenant, as the
// placement controller would.
func (w *world) decide(tenant int, targets ...v1alpha1.Target) {
	w.t.Helper()
	w.decideFor(tenant, &v1alpha1.Placement{ObjectMeta: metav1.ObjectMeta{Name: "default", Namespace: "default"}}, targets...)
}

func (w *world) decideFor(tenant int, p *v1alpha1.Placement, targets ...v1alpha1.Target) {
	w.t.Helper()
	kind := placementKind
	if p.Namespace == "" {
		kind = v1alpha1.GroupVersion.WithKind("ClusterPlacement")
	}
	c := w.tenant(tenant)
	eventually(w.t, "record decision", func() error {
		obj := object(kind, p.Namespace, p.Name)
		err := c.Get(w.t.Context(), client.ObjectKeyFromObject(obj), obj)
		if apierrors.IsNotFound(err) {
			obj = &unstructured.Unstructured{Object: toMap(p)}
			obj.SetGroupVersionKind(kind)
			err = c.Create(w.t.Context(), obj)
		}
		if err != nil {
			return err
		}
		condition := metav1.Condition{Type: v1alpha1.ConditionPlaced, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonPlaced, LastTransitionTime: metav1.Now()}
		if len(targets) == 0 {
			condition.Status, condition.Reason, condition.Message = metav1.ConditionFalse, v1alpha1.ReasonNoClusterFits, "no cluster fits"
		}
		obj.Object["status"] = toMap(&v1alpha1.PlacementStatus{
			ObservedGeneration: obj.GetGeneration(), Targets: targets, Conditions: []metav1.Condition{condition},
		})
		return c.Status().Update(w.t.Context(), obj)
	})
}

// copyKey returns where the copy of an original stands.
func (w *world) copyKey(tenant int, original *unstructured.Unstructured) client.ObjectKey {
	w.t.Helper()
	p, err := w.pipeline()
	require.NoError(w.t, err)
	namespace, name := p.Locate(original.GroupVersionKind(), transform.Origin{
		LogicalCluster: string(w.tenants[tenant].Cluster), Namespace: original.GetNamespace(), Name: original.GetName(),
	})
	return client.ObjectKey{Namespace: namespace, Name: name}
}

// copyOf reads the copy of an original from a cluster.
func (w *world) copyOf(cluster string, tenant int, original *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	u := object(original.GroupVersionKind(), "", "")
	err := w.cluster(cluster).Get(w.t.Context(), w.copyKey(tenant, original), u)
	return u, err
}

// waitCopy waits for a copy that satisfies the checks.
func (w *world) waitCopy(cluster string, tenant int, original *unstructured.Unstructured, checks ...func(*unstructured.Unstructured) error) *unstructured.Unstructured {
	w.t.Helper()
	var found *unstructured.Unstructured
	eventually(w.t, "copy of "+original.GetName()+" on "+cluster, func() (err error) {
		if found, err = w.copyOf(cluster, tenant, original); err != nil {
			return err
		}
		for _, check := range checks {
			if err := check(found); err != nil {
				return err
			}
		}
		return nil
	})
	return found
}

// waitNoCopy waits until there is none.
func (w *world) waitNoCopy(cluster string, tenant int, original *unstructured.Unstructured) {
	w.t.Helper()
	eventually(w.t, "no copy of "+original.GetName()+" on "+cluster, func() error {
		u, err := w.copyOf(cluster, tenant, original)
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err == nil {
			err = fmt.Errorf("it is there, deleting: %v, finalizers: %v", u.GetDeletionTimestamp() != nil, u.GetFinalizers())
		}
		return err
	})
}

// waitOriginal waits until an original satisfies the checks.
func (w *world) waitOriginal(tenant int, original *unstructured.Unstructured, checks ...func(*unstructured.Unstructured) error) *unstructured.Unstructured {
	w.t.Helper()
	found := object(original.GroupVersionKind(), "", "")
	eventually(w.t, "original "+original.GetName(), func() error {
		if err := w.tenant(tenant).Get(w.t.Context(), client.ObjectKeyFromObject(original), found); err != nil {
			return err
		}
		for _, check := range checks {
			if err := check(found); err != nil {
				return err
			}
		}
		return nil
	})
	return found
}

// waitNoOriginal waits until an original is gone.
func (w *world) waitNoOriginal(tenant int, original *unstructured.Unstructured) {
	w.t.Helper()
	u := object(original.GroupVersionKind(), "", "")
	eventually(w.t, "original "+original.GetName()+" is gone", func() error {
		err := w.tenant(tenant).Get(w.t.Context(), client.ObjectKeyFromObject(original), u)
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err == nil {
			err = fmt.Errorf("it is there with finalizers %v", u.GetFinalizers())
		}
		return err
	})
}

// field checks a field, by a dotted path.
func field(path string, want any) func(*unstructured.Unstructured) error {
	return func(u *unstructured.Unstructured) error {
		got, _, err := unstructured.NestedFieldNoCopy(u.Object, strings.Split(path, ".")...)
		if err != nil {
			return err
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			return fmt.Errorf("%s is %v, want %v", path, got, want)
		}
		return nil
	}
}

// condition checks a condition of an original.
func condition(typ, status, reason string) func(*unstructured.Unstructured) error {
	return func(u *unstructured.Unstructured) error {
		list, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
		for _, c := range list {
			if m, _ := c.(map[string]any); m["type"] == typ {
				if m["status"] != status || m["reason"] != reason {
					return fmt.Errorf("condition %s is %v", typ, m)
				}
				return nil
			}
		}
		return fmt.Errorf("no condition %s in %v", typ, list)
	}
}

// setStatus plays the controllers of a physical cluster.
func (w *world) setStatus(cluster string, copied *unstructured.Unstructured, status map[string]any) {
	w.t.Helper()
	eventually(w.t, "set status on "+cluster, func() error {
		u := object(copied.GroupVersionKind(), "", "")
		if err := w.cluster(cluster).Get(w.t.Context(), client.ObjectKeyFromObject(copied), u); err != nil {
			return err
		}
		status["observedGeneration"] = u.GetGeneration()
		u.Object["status"] = status
		return w.cluster(cluster).Status().Update(w.t.Context(), u)
	})
}

// ready is the status of a Deployment whose rollout is complete.
func ready(n int64) map[string]any {
	return map[string]any{
		"replicas": n, "updatedReplicas": n, "readyReplicas": n, "availableReplicas": n,
		"conditions": []any{
			map[string]any{"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "message": "ok"},
			map[string]any{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "message": "ok"},
		},
	}
}

// conditionSays checks that the message of a condition contains all of what.
func conditionSays(typ string, what ...string) func(*unstructured.Unstructured) error {
	return func(u *unstructured.Unstructured) error {
		list, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
		for _, c := range list {
			m, _ := c.(map[string]any)
			if m["type"] != typ {
				continue
			}
			for _, part := range what {
				if !strings.Contains(fmt.Sprint(m["message"]), part) {
					return fmt.Errorf("condition %s does not say %q: %v", typ, part, m["message"])
				}
			}
			return nil
		}
		return fmt.Errorf("no condition %s", typ)
	}
}
