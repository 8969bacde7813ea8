package syncer_test

import (
	corev1 "k8s.io/api/core/v1"

	syncer "github.com/tmc-sdk/tmc/sync"
)

// A tenant sees, read-only in its workspace, the Pods of its Deployments, what
// happens to them, and the volumes of its StatefulSets; and Secrets that an operator
// on the cluster labels for it.
func ExampleUpsyncOf() {
	kind := corev1.SchemeGroupVersion.WithKind
	_ = []syncer.Option{ // for syncer.New
		syncer.UpsyncOf(kind("Pod"), syncer.UpsyncMost(200), // of one namespace; more wait
			syncer.UpsyncClusterInName(true)), // web-0.east: StatefulSets go to several clusters
		syncer.UpsyncOf(kind("Event")),
		syncer.UpsyncOf(kind("PersistentVolumeClaim")),
		syncer.Upsync(kind("Secret")), // those that bear the label tmc-sdk.dev/upsync: INSTALLATION
	}
}
