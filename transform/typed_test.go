package transform_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/tmc-sdk/tmc/transform"
)

func TestFor(t *testing.T) {
	const in = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 4
  newField: {a: 1}
  template:
    spec:
      containers:
      - {name: web, image: nginx, newProbe: {x: [1]}}
      - {name: side, image: busybox, restartPolicyRules: [{action: Restart}]}
      tolerations: [{key: a, newEffect: x}]`
	for name, tc := range map[string]struct {
		reason string
		fn     func(*appsv1.Deployment)
		want   string // of spec
	}{
		"nothing": {
			reason: "the old TMC lost fields on a typed round trip",
			fn:     func(*appsv1.Deployment) {},
			want:   `{replicas: 4, newField: {a: 1}, template: {spec: {containers: [{name: web, image: nginx, newProbe: {x: [1]}}, {name: side, image: busybox, restartPolicyRules: [{action: Restart}]}], tolerations: [{key: a, newEffect: x}]}}}`,
		},
		"a field": {
			reason: "only what was changed is changed",
			fn:     func(d *appsv1.Deployment) { d.Spec.Paused = true; d.Spec.Template.Spec.Containers[1].Image = "b" },
			want:   `{replicas: 4, paused: true, newField: {a: 1}, template: {spec: {containers: [{name: web, image: nginx, newProbe: {x: [1]}}, {name: side, image: b, restartPolicyRules: [{action: Restart}]}], tolerations: [{key: a, newEffect: x}]}}}`,
		},
		"removed": {
			reason: "what is set to nothing is gone",
			fn:     func(d *appsv1.Deployment) { d.Spec.Replicas = nil; d.Spec.Template.Spec.Tolerations = nil },
			want:   `{newField: {a: 1}, template: {spec: {containers: [{name: web, image: nginx, newProbe: {x: [1]}}, {name: side, image: busybox, restartPolicyRules: [{action: Restart}]}]}}}`,
		},
		"container removed": {
			reason: "items of lists are known by their name",
			fn:     func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers = d.Spec.Template.Spec.Containers[1:] },
			want:   `{replicas: 4, newField: {a: 1}, template: {spec: {containers: [{name: side, image: busybox, restartPolicyRules: [{action: Restart}]}], tolerations: [{key: a, newEffect: x}]}}}`,
		},
		"containers swapped": {
			reason: "items of lists are known by their name",
			fn:     func(d *appsv1.Deployment) { slices.Reverse(d.Spec.Template.Spec.Containers) },
			want:   `{replicas: 4, newField: {a: 1}, template: {spec: {containers: [{name: side, image: busybox, restartPolicyRules: [{action: Restart}]}, {name: web, image: nginx, newProbe: {x: [1]}}], tolerations: [{key: a, newEffect: x}]}}}`,
		},
		"container added": {
			reason: "the new one is as the type writes it",
			fn: func(d *appsv1.Deployment) {
				c := &d.Spec.Template.Spec.Containers
				*c = append([]corev1.Container{{Name: "new", Image: "fresh"}}, *c...)
			},
			want: `{replicas: 4, newField: {a: 1}, template: {spec: {containers: [{name: new, image: fresh, resources: {}}, {name: web, image: nginx, newProbe: {x: [1]}}, {name: side, image: busybox, restartPolicyRules: [{action: Restart}]}], tolerations: [{key: a, newEffect: x}]}}}`,
		},
		"names that do not tell apart": {
			reason: "a volume may be mounted twice",
			fn: func(d *appsv1.Deployment) {
				mounts := []corev1.VolumeMount{{Name: "v", MountPath: "/a"}, {Name: "v", MountPath: "/b"}}
				d.Spec.Template.Spec.Containers[0].VolumeMounts = mounts
				d.Spec.Template.Spec.Tolerations = nil
			},
			want: `{replicas: 4, newField: {a: 1}, template: {spec: {containers: [{name: web, image: nginx, newProbe: {x: [1]}, volumeMounts: [{name: v, mountPath: /a}, {name: v, mountPath: /b}]}, {name: side, image: busybox, restartPolicyRules: [{action: Restart}]}]}}}`,
		},
		"unnamed items": {
			reason: "of a list as long are known by their place",
			fn:     func(d *appsv1.Deployment) { d.Spec.Template.Spec.Tolerations[0].Key = "b" },
			want:   `{replicas: 4, newField: {a: 1}, template: {spec: {containers: [{name: web, image: nginx, newProbe: {x: [1]}}, {name: side, image: busybox, restartPolicyRules: [{action: Restart}]}], tolerations: [{key: b, newEffect: x}]}}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			step := transform.For("Typed", appsv1.SchemeGroupVersion.WithKind("Deployment"), func(_ context.Context, _ *transform.Target, d *appsv1.Deployment) error {
				tc.fn(d)
				return nil
			})
			out := render(t, pipeline(t, transform.With(step)), &transform.Target{}, object(t, in))
			if diff := cmp.Diff(object(t, "{kind: X, spec: "+tc.want+"}").Object["spec"], out.Object["spec"]); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestForOtherObjects(t *testing.T) {
	step := transform.For("Typed", appsv1.SchemeGroupVersion.WithKind("Deployment"), func(_ context.Context, _ *transform.Target, d *appsv1.Deployment) error {
		d.Spec.Paused = true
		return nil
	})
	for name, tc := range map[string]struct{ reason, in, err string }{
		"another kind":    {"it is left alone", `{apiVersion: apps/v1, kind: StatefulSet, spec: {replicas: 1}}`, ""},
		"another version": {"nobody gets past by an older API", `{apiVersion: apps/v1beta1, kind: Deployment}`, "it is written for apps/v1"},
		"nonsense":        {"nothing panics", `{apiVersion: apps/v1, kind: Deployment, spec: {template: [x]}}`, "it is no Deployment"},
	} {
		t.Run(name, func(t *testing.T) {
			obj := object(t, tc.in)
			before := obj.DeepCopy()
			err := step.Transform(t.Context(), &transform.Target{}, obj)
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err, tc.reason)
				return
			}
			require.NoError(t, err, tc.reason)
			require.Equal(t, before, obj, tc.reason)
		})
	}
}

// A list whose names do not tell items apart must not have two items merged
// into one.
func TestForDuplicateNames(t *testing.T) {
	step := transform.For("Typed", corev1.SchemeGroupVersion.WithKind("Pod"), func(_ context.Context, _ *transform.Target, p *corev1.Pod) error {
		for i := range p.Spec.Containers[0].VolumeMounts {
			p.Spec.Containers[0].VolumeMounts[i].ReadOnly = true
		}
		return nil
	})
	obj := object(t, `{apiVersion: v1, kind: Pod, spec: {containers: [{name: c, volumeMounts: [{name: v, mountPath: /a, new: 1}, {name: v, mountPath: /b, new: 2}]}]}}`)
	require.NoError(t, step.Transform(t.Context(), &transform.Target{}, obj))
	want := object(t, `{apiVersion: v1, kind: Pod, spec: {containers: [{name: c, volumeMounts: [{name: v, mountPath: /a, readOnly: true, new: 1}, {name: v, mountPath: /b, readOnly: true, new: 2}]}]}}`)
	if diff := cmp.Diff(want, obj); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
