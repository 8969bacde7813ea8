package builtin_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"pgregory.net/rapid"

	"github.com/tmc-sdk/tmc/transform"
	"github.com/tmc-sdk/tmc/transform/builtin"
)

// requireRestricted asks what every API server asks at admission.
func requireRestricted(tb rapid.TB, metadata *metav1.ObjectMeta, spec *corev1.PodSpec) {
	tb.Helper()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		tb.Fatalf("%v", err)
	}
	found := policy.AggregateCheckResults(evaluator.EvaluatePod(api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}, metadata, spec))
	if !found.Allowed {
		tb.Fatalf("%s: %s", found.ForbiddenReason(), found.ForbiddenDetail())
	}
}

// Whatever a pod asks for, behind the floor it passes admission at the Restricted
// level, by the checks of Kubernetes itself, or is refused.
func TestSecurityFloorIsRestricted(t *testing.T) {
	step := builtin.SecurityFloor()
	rapid.Check(t, func(rt *rapid.T) {
		template := &corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{
				"container.apparmor.security.beta.kubernetes.io/web": rapid.SampledFrom([]string{"unconfined", "runtime/default", "localhost/x", ""}).Draw(rt, "apparmor"),
			}},
			Spec: anyPodSpec().Draw(rt, "pod"),
		}
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(template)
		require.NoError(rt, err)
		obj := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "spec": map[string]any{"template": fields}}}
		if err := step.Transform(t.Context(), europe, obj); err != nil {
			require.ErrorContains(rt, err, "not allowed here")
			return
		}
		confined := &corev1.PodTemplateSpec{}
		require.NoError(rt, runtime.DefaultUnstructuredConverter.FromUnstructured(fields, confined))
		requireRestricted(rt, &confined.ObjectMeta, &confined.Spec)
	})
}

func anyPodSpec() *rapid.Generator[corev1.PodSpec] {
	return rapid.Custom(func(rt *rapid.T) corev1.PodSpec {
		truth := rapid.Bool()
		spec := corev1.PodSpec{
			HostNetwork: truth.Draw(rt, "hostNetwork"), HostPID: truth.Draw(rt, "hostPID"), HostIPC: truth.Draw(rt, "hostIPC"),
			Containers: rapid.SliceOfN(anyContainer(), 1, 2).Draw(rt, "containers"), InitContainers: rapid.SliceOfN(anyContainer(), 0, 1).Draw(rt, "init"),
		}
		for _, c := range rapid.SliceOfN(anyContainer(), 0, 1).Draw(rt, "ephemeral") {
			spec.EphemeralContainers = append(spec.EphemeralContainers, corev1.EphemeralContainer{EphemeralContainerCommon: corev1.EphemeralContainerCommon{
				Name: c.Name, SecurityContext: c.SecurityContext, Ports: c.Ports, LivenessProbe: c.LivenessProbe,
			}})
		}
		if truth.Draw(rt, "context") {
			spec.SecurityContext = &corev1.PodSecurityContext{
				RunAsUser: rapid.SampledFrom([]*int64{nil, new(int64(0)), new(int64(7))}).Draw(rt, "user"), RunAsNonRoot: rapid.SampledFrom([]*bool{nil, new(false)}).Draw(rt, "root"),
				SELinuxOptions: anySELinux.Draw(rt, "selinux"), SeccompProfile: anySeccomp.Draw(rt, "seccomp"), AppArmorProfile: anyAppArmor.Draw(rt, "apparmor"),
				Sysctls: []corev1.Sysctl{{Name: "kernel.msgmax", Value: "1"}}, WindowsOptions: &corev1.WindowsSecurityContextOptions{HostProcess: new(truth.Draw(rt, "windows"))},
			}
		}
		if rapid.IntRange(0, 3).Draw(rt, "volume") == 0 {
			spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: rapid.SampledFrom([]corev1.VolumeSource{
				{HostPath: &corev1.HostPathVolumeSource{Path: "/"}},
				{NFS: &corev1.NFSVolumeSource{Server: "x"}},
				{ISCSI: &corev1.ISCSIVolumeSource{}},
				{EmptyDir: &corev1.EmptyDirVolumeSource{}},
				{Secret: &corev1.SecretVolumeSource{SecretName: "s"}},
				{Image: &corev1.ImageVolumeSource{Reference: "x"}},
			}).Draw(rt, "sort")}}
		}
		return spec
	})
}

var (
	anySELinux = rapid.SampledFrom([]*corev1.SELinuxOptions{nil, {Type: "spc_t", Level: "s0"}, {Type: "container_t", User: "u"}, {Role: "r"}})
	anySeccomp = rapid.SampledFrom([]*corev1.SeccompProfile{
		nil, {Type: corev1.SeccompProfileTypeUnconfined}, {Type: corev1.SeccompProfileTypeLocalhost, LocalhostProfile: new("x")},
	})
	anyAppArmor = rapid.SampledFrom([]*corev1.AppArmorProfile{nil, {Type: corev1.AppArmorProfileTypeUnconfined}, {Type: corev1.AppArmorProfileTypeRuntimeDefault}})
)

func anyContainer() *rapid.Generator[corev1.Container] {
	return rapid.Custom(func(rt *rapid.T) corev1.Container {
		truth := rapid.Bool()
		asks := corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Host: rapid.SampledFrom([]string{"", "169.254.169.254"}).Draw(rt, "host")}}
		c := corev1.Container{
			Name: "web", Ports: []corev1.ContainerPort{{ContainerPort: 80, HostPort: rapid.SampledFrom([]int32{0, 80}).Draw(rt, "port"), HostIP: "10.0.0.1"}},
			LivenessProbe: &corev1.Probe{ProbeHandler: asks}, StartupProbe: &corev1.Probe{ProbeHandler: asks}, ReadinessProbe: &corev1.Probe{ProbeHandler: asks},
			Lifecycle: &corev1.Lifecycle{
				PostStart: &corev1.LifecycleHandler{TCPSocket: asks.TCPSocket}, PreStop: &corev1.LifecycleHandler{HTTPGet: &corev1.HTTPGetAction{Host: asks.TCPSocket.Host}},
			},
		}
		if !truth.Draw(rt, "context") {
			return c
		}
		c.SecurityContext = &corev1.SecurityContext{
			Privileged: new(truth.Draw(rt, "privileged")), AllowPrivilegeEscalation: rapid.SampledFrom([]*bool{nil, new(true)}).Draw(rt, "escalation"),
			RunAsUser: rapid.SampledFrom([]*int64{nil, new(int64(0))}).Draw(rt, "user"), RunAsNonRoot: rapid.SampledFrom([]*bool{nil, new(false)}).Draw(rt, "root"),
			ProcMount: rapid.SampledFrom([]*corev1.ProcMountType{nil, new(corev1.UnmaskedProcMount)}).Draw(rt, "proc"), SELinuxOptions: anySELinux.Draw(rt, "selinux"),
			SeccompProfile: anySeccomp.Draw(rt, "seccomp"), AppArmorProfile: anyAppArmor.Draw(rt, "apparmor"),
			Capabilities: rapid.SampledFrom([]*corev1.Capabilities{
				nil,
				{Add: []corev1.Capability{"SYS_ADMIN", "NET_BIND_SERVICE"}},
				{Drop: []corev1.Capability{"ALL"}},
				{Drop: []corev1.Capability{"KILL"}},
				{Drop: []corev1.Capability{"ALL"}, Add: []corev1.Capability{"KILL"}},
			}).Draw(rt, "capabilities"),
			WindowsOptions: &corev1.WindowsSecurityContextOptions{HostProcess: new(truth.Draw(rt, "windows"))},
		}
		return c
	})
}

// The pods of the corpus, in whatever kind they are, pass or are refused; and those
// of kinds that the pipeline is told of.
func TestSecurityFloorOnTheCorpus(t *testing.T) {
	files, err := filepath.Glob("../testdata/corpus/*.yaml")
	require.NoError(t, err)
	passed := 0
	for _, file := range files {
		obj := read(t, file)
		pod := transform.PodSpec(obj)
		if pod == nil || builtin.SecurityFloor().Transform(t.Context(), europe, obj) != nil {
			continue
		}
		spec := &corev1.PodSpec{}
		require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructured(pod, spec), file)
		requireRestricted(t, &metav1.ObjectMeta{}, spec)
		passed++
	}
	require.Greater(t, passed, 15)
}

// AppArmor is asked for beside the pod's spec, wherever that stands.
func TestSecurityFloorLooksBesideThePod(t *testing.T) {
	const template = `{metadata: {annotations: {container.apparmor.security.beta.kubernetes.io/web: unconfined, a: b}}, spec: {containers: [{name: web}]}}`
	p, err := transform.NewPipeline("main", transform.With(builtin.SecurityFloor()),
		transform.WithPodSpecs(kindsOf("Training")[0], transform.MustPath("spec.workers[*].template.spec")))
	require.NoError(t, err)
	for kind, text := range map[string]string{
		"CronJob":  `{apiVersion: batch/v1, kind: CronJob, metadata: {name: x, namespace: shop}, spec: {jobTemplate: {spec: {template: ` + template + `}}}}`,
		"Training": `{apiVersion: v1, kind: Training, metadata: {name: x, namespace: shop}, spec: {workers: [{other: 1}, {template: ` + template + `}]}}`,
	} {
		obj := parse(text)
		got, err := p.Render(t.Context(), europe, obj, europe.Origin)
		require.NoError(t, err, kind)
		text, err := got.MarshalJSON()
		require.NoError(t, err)
		require.NotContains(t, string(text), "apparmor", kind)
		require.Contains(t, string(text), `"a":"b"`, kind)
		require.Contains(t, string(text), "allowPrivilegeEscalation", kind)
	}
}
