package transform

import (
	"encoding/json"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

// strategic are the types that say by which keys the lists of a kind are merged.
var strategic = map[schema.GroupVersionKind]any{
	appsv1.SchemeGroupVersion.WithKind("Deployment"):                     appsv1.Deployment{},
	appsv1.SchemeGroupVersion.WithKind("StatefulSet"):                    appsv1.StatefulSet{},
	appsv1.SchemeGroupVersion.WithKind("DaemonSet"):                      appsv1.DaemonSet{},
	appsv1.SchemeGroupVersion.WithKind("ReplicaSet"):                     appsv1.ReplicaSet{},
	batchv1.SchemeGroupVersion.WithKind("Job"):                           batchv1.Job{},
	batchv1.SchemeGroupVersion.WithKind("CronJob"):                       batchv1.CronJob{},
	corev1.SchemeGroupVersion.WithKind("Pod"):                            corev1.Pod{},
	corev1.SchemeGroupVersion.WithKind("PodTemplate"):                    corev1.PodTemplate{},
	corev1.SchemeGroupVersion.WithKind("ReplicationController"):          corev1.ReplicationController{},
	corev1.SchemeGroupVersion.WithKind("Service"):                        corev1.Service{},
	corev1.SchemeGroupVersion.WithKind("ConfigMap"):                      corev1.ConfigMap{},
	corev1.SchemeGroupVersion.WithKind("Secret"):                         corev1.Secret{},
	corev1.SchemeGroupVersion.WithKind("ServiceAccount"):                 corev1.ServiceAccount{},
	corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim"):          corev1.PersistentVolumeClaim{},
	networkingv1.SchemeGroupVersion.WithKind("Ingress"):                  networkingv1.Ingress{},
	networkingv1.SchemeGroupVersion.WithKind("NetworkPolicy"):            networkingv1.NetworkPolicy{},
	autoscalingv2.SchemeGroupVersion.WithKind("HorizontalPodAutoscaler"): autoscalingv2.HorizontalPodAutoscaler{},
	policyv1.SchemeGroupVersion.WithKind("PodDisruptionBudget"):          policyv1.PodDisruptionBudget{},
}

// mergeStrategically applies a strategic merge patch to a JSON document.
func mergeStrategically(data, patch []byte) ([]byte, error) {
	var obj, merge map[string]any
	if err := utiljson.Unmarshal(data, &obj); err != nil {
		return nil, err
	}
	if err := utiljson.Unmarshal(patch, &merge); err != nil {
		return nil, err
	}
	version, _ := obj["apiVersion"].(string)
	kind, _ := obj["kind"].(string)
	typed, ok := strategic[schema.FromAPIVersionAndKind(version, kind)]
	if !ok {
		return nil, fmt.Errorf("it is not known how the lists of a %s of %s are merged; use mergePatch or jsonPatch", kind, version)
	}
	lookup, err := strategicpatch.NewPatchMetaFromStruct(typed)
	if err != nil {
		return nil, err
	}
	merged, err := strategicpatch.StrategicMergeMapPatchUsingLookupPatchMeta(obj, merge, lookup)
	if err != nil {
		return nil, err
	}
	return json.Marshal(merged)
}
