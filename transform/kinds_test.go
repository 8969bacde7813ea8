package transform_test

import "testing"

func TestKnownKinds(t *testing.T) {
	for kind, cases := range map[[2]string]map[string]statusCase{
		{"apps", "StatefulSet"}: {
			"counts":    {"summed", []string{"{replicas: 2, readyReplicas: 1, currentRevision: a}", "{replicas: 1, availableReplicas: 1, currentRevision: b}"}, "{observedGeneration: 6, replicas: 3, readyReplicas: 1, availableReplicas: 1}"},
			"revisions": {"told if they are the same", []string{"{currentRevision: a}", "{currentRevision: a}"}, "{observedGeneration: 6, currentRevision: a}"},
		},
		{"apps", "DaemonSet"}: {
			"counts": {"summed", []string{"{desiredNumberScheduled: 2, numberReady: 1, numberUnavailable: 1}", "{desiredNumberScheduled: 3, numberReady: 3}"}, "{observedGeneration: 6, desiredNumberScheduled: 5, numberReady: 4, numberUnavailable: 1}"},
		},
		{"apps", "ReplicaSet"}: {
			"counts": {"summed", []string{"{replicas: 2, fullyLabeledReplicas: 2}", "{replicas: 3}"}, "{observedGeneration: 6, replicas: 5, fullyLabeledReplicas: 2}"},
		},
		{"", "ReplicationController"}: {
			"counts": {"summed, as its replicas are divided", []string{"{replicas: 2, readyReplicas: 2}", "{replicas: 2, readyReplicas: 1}"}, "{observedGeneration: 6, replicas: 4, readyReplicas: 3}"},
		},
		{"gateway.networking.k8s.io", "Gateway"}: {
			"listeners": {"each by its name, its conditions as those of a status", []string{
				"{listeners: [{name: web, attachedRoutes: 1, supportedKinds: [{kind: HTTPRoute}], conditions: [{type: Programmed, status: 'True', message: ok}, {type: Conflicted, status: 'False'}]}, {name: tls, attachedRoutes: 0}]}",
				"{listeners: [{name: web, attachedRoutes: 2, supportedKinds: [{kind: HTTPRoute}], conditions: [{type: Programmed, status: 'False', message: no port}, {type: Conflicted, status: 'True', message: host}]}]}",
			}, "{observedGeneration: 6, listeners: [{name: tls, attachedRoutes: 0}, {name: web, attachedRoutes: 3, supportedKinds: [{kind: HTTPRoute}], conditions: [{type: Conflicted, status: 'True', message: 'b: host'}, {type: Programmed, status: 'False', message: 'b: no port'}]}]}"},
			"a listener that one cluster has not reported": {"is good on no account", []string{
				"{listeners: [{name: web, attachedRoutes: 1, supportedKinds: [{kind: HTTPRoute}], conditions: [{type: Programmed, status: 'True'}]}]}", "{addresses: []}",
			}, "{observedGeneration: 6, listeners: [{name: web, attachedRoutes: 1, conditions: [{type: Programmed, status: Unknown, reason: NotReportedByAll, message: 1 of 2 clusters have not reported it yet}]}]}"},
			"nonsense": {"nothing panics", []string{"{listeners: [x, {name: 3}, {name: web, conditions: x}]}", "{listeners: {}}"}, "{observedGeneration: 6, listeners: [{name: web}]}"},
			"addresses": {"all of them, each once", []string{
				"{addresses: [{type: IPAddress, value: 192.0.2.1}], conditions: [{type: Programmed, status: 'True'}]}",
				"{addresses: [{type: IPAddress, value: 192.0.2.2}, {type: IPAddress, value: 192.0.2.1}], conditions: [{type: Programmed, status: 'False', message: m}]}",
			}, "{observedGeneration: 6, addresses: [{type: IPAddress, value: 192.0.2.1}, {type: IPAddress, value: 192.0.2.2}], conditions: [{type: Programmed, status: 'False', message: 'b: m'}]}"},
		},
		{"batch", "Job"}: {
			"half done":   {"one that is complete does not complete all", []string{"{succeeded: 1, startTime: '2026-01-01T00:00:00Z', completionTime: '2026-01-02T00:00:00Z', conditions: [{type: Complete, status: 'True'}]}", "{active: 1, startTime: '2026-01-01T00:00:01Z'}"}, "{observedGeneration: 6, active: 1, succeeded: 1, startTime: '2026-01-01T00:00:00Z'}"},
			"done":        {"when all are", []string{"{succeeded: 1, completionTime: '2026-01-02T00:00:00Z', conditions: [{type: Complete, status: 'True'}]}", "{succeeded: 2, completionTime: '2026-01-03T00:00:00Z', conditions: [{type: Complete, status: 'True'}]}"}, "{observedGeneration: 6, succeeded: 3, completionTime: '2026-01-03T00:00:00Z', conditions: [{type: Complete, status: 'True'}]}"},
			"one failed":  {"a failure is told at once", []string{"{conditions: [{type: Failed, status: 'True', message: m}]}", "{active: 1}"}, "{observedGeneration: 6, active: 1, conditions: [{type: Failed, status: 'True', message: 'a: m'}]}"},
			"two indexed": {"indexes mean nothing over several", []string{"{completedIndexes: '0-3'}", "{completedIndexes: '0-3'}"}, "{observedGeneration: 6}"},
		},
		{"batch", "CronJob"}: {
			"times": {"the last", []string{"{lastScheduleTime: '2026-01-02T00:00:00Z'}", "{lastScheduleTime: '2026-01-03T00:00:00Z', active: [{name: x, uid: u}]}"}, "{observedGeneration: 6, lastScheduleTime: '2026-01-03T00:00:00Z', active: [{name: x, uid: u}]}"},
		},
		{"", "Service"}: {
			"addresses": {"all of them, each once", []string{"{loadBalancer: {ingress: [{ip: 192.0.2.1}, {hostname: a.example}]}}", "{loadBalancer: {ingress: [{ip: 192.0.2.2}, {hostname: a.example}]}}"}, "{observedGeneration: 6, loadBalancer: {ingress: [{ip: 192.0.2.1}, {hostname: a.example}, {ip: 192.0.2.2}]}}"},
			"nonsense":  {"nothing panics", []string{"{loadBalancer: x}", "{loadBalancer: {ingress: [x, [1], {ip: [1]}]}}"}, "{observedGeneration: 6, loadBalancer: {ingress: [{ip: [1]}]}}"},
		},
		{"networking.k8s.io", "Ingress"}: {
			"addresses": {"all of them", []string{"{loadBalancer: {ingress: [{ip: 192.0.2.1}]}}", "{loadBalancer: {ingress: [{ip: 192.0.2.2}]}}"}, "{observedGeneration: 6, loadBalancer: {ingress: [{ip: 192.0.2.1}, {ip: 192.0.2.2}]}}"},
		},
		{"", "PersistentVolumeClaim"}: {
			"phase":    {"the worst", []string{"{phase: Bound}", "{phase: Pending}"}, "{observedGeneration: 6, phase: Pending}"},
			"unknown":  {"worse than all that is known", []string{"{phase: Bound}", "{phase: Odd}"}, "{observedGeneration: 6, phase: Odd}"},
			"capacity": {"the least, as quantities", []string{"{phase: Bound, capacity: {storage: 9Gi}, accessModes: [ReadWriteOnce]}", "{phase: Bound, capacity: {storage: 10Gi}, accessModes: [ReadWriteOnce]}"}, "{observedGeneration: 6, phase: Bound, capacity: {storage: 9Gi}, accessModes: [ReadWriteOnce]}"},
		},
		{"autoscaling", "HorizontalPodAutoscaler"}: {
			"counts": {"summed", []string{"{currentReplicas: 1, desiredReplicas: 2}", "{currentReplicas: 3, desiredReplicas: 3}"}, "{observedGeneration: 6, currentReplicas: 4, desiredReplicas: 5}"},
		},
		{"policy", "PodDisruptionBudget"}: {
			"counts": {"summed", []string{"{disruptionsAllowed: 1, expectedPods: 2}", "{disruptionsAllowed: 0, expectedPods: 3}"}, "{observedGeneration: 6, disruptionsAllowed: 1, expectedPods: 5}"},
		},
	} {
		t.Run(kind[1], func(t *testing.T) { checkStatus(t, aggregatorFor(kind[0], kind[1]), cases) })
	}
}
