package transform_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"pgregory.net/rapid"

	"github.com/tmc-sdk/tmc/transform"
)

func TestMarksRoundTrip(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		marks  transform.Marks
	}{
		"namespaced":     {"all of it", transform.Marks{Installation: "prod", Origin: transform.Origin{LogicalCluster: "1abc", Namespace: "shop", Name: "web", UID: "u"}}},
		"cluster-scoped": {"no namespace", transform.Marks{Installation: "prod", Origin: transform.Origin{LogicalCluster: "1abc", Name: "web", UID: "u"}}},
		"namespace":      {"a namespace that we make has no single original", transform.Marks{Installation: "prod", Origin: transform.Origin{LogicalCluster: "1abc", Name: "shop"}}},
	} {
		t.Run(name, func(t *testing.T) {
			obj := &unstructured.Unstructured{Object: map[string]any{}}
			require.False(t, transform.HasMarks(obj))
			tc.marks.Stamp(obj)
			got, ok := transform.ReadMarks(obj)
			require.True(t, ok, tc.reason)
			require.True(t, transform.HasMarks(obj), tc.reason)
			if diff := cmp.Diff(tc.marks, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			require.True(t, transform.SelectorFor("prod").Matches(labels.Set(obj.GetLabels())))
			require.False(t, transform.SelectorFor("test").Matches(labels.Set(obj.GetLabels())))
		})
	}
}

func TestReadMarksRefuses(t *testing.T) {
	whole := transform.Marks{Installation: "prod", Origin: transform.Origin{LogicalCluster: "1abc", Namespace: "shop", Name: "web", UID: "u"}}
	for name, tc := range map[string]struct {
		reason string
		modify func(*unstructured.Unstructured)
	}{
		"no installation":    {"nobody's", with("", "metadata", "labels", transform.LabelInstallation)},
		"no logical cluster": {"of no workspace", with("", "metadata", "labels", transform.LabelLogicalCluster)},
		"no name":            {"of no original", with("", "metadata", "annotations", transform.AnnotationName)},
		"a later version":    {"a newer SDK wrote them; what they mean is not known", with("v2", "metadata", "annotations", transform.AnnotationMarks)},
	} {
		t.Run(name, func(t *testing.T) {
			obj := &unstructured.Unstructured{Object: map[string]any{}}
			whole.Stamp(obj)
			tc.modify(obj)
			_, ok := transform.ReadMarks(obj)
			require.False(t, ok, tc.reason)
			require.True(t, transform.HasMarks(obj), "what bears any mark is somebody's")
		})
	}
}

// A tenant writes what it likes into labels and annotations: the marks of what
// goes down are ours all the same, and nothing else of the domain goes down,
// nor into the metadata of what the cluster makes of a template.
func TestForgedMarksNeverSurvive(t *testing.T) {
	key := rapid.OneOf(
		rapid.SampledFrom([]string{
			transform.LabelInstallation, transform.LabelLogicalCluster, transform.LabelBucket, transform.AnnotationNamespace, transform.AnnotationName,
			transform.AnnotationUID, transform.AnnotationMarks, transform.AnnotationDigest,
			"kcp.io/cluster", "claimed.internal.apis.kcp.io/x", "app", "tmc-sdk.dev.example/x",
		}),
		rapid.Custom(func(rt *rapid.T) string { return rapid.StringMatching(`[a-z]{0,3}`).Draw(rt, "key") + "tmc-sdk.dev/x" }),
	)
	forged := rapid.MapOf(key, rapid.SampledFrom([]any{"", "prod", "1other", "v1"}))
	p := pipeline(t)
	rapid.Check(t, func(rt *rapid.T) {
		original := object(t, deployment)
		for _, path := range [][]string{
			{"metadata", "labels"},
			{"metadata", "annotations"},
			{"spec", "template", "metadata", "labels"},
			{"spec", "template", "metadata", "annotations"},
		} {
			with(forged.Draw(rt, "forged"), path...)(original)
		}
		out := render(t, p, &transform.Target{}, original)
		want := transform.Marks{Installation: "prod", Origin: originOf(original)}
		if got, ok := transform.ReadMarks(out); !ok || got != want {
			rt.Fatalf("got marks %+v, want %+v", got, want)
		}
		clean := &unstructured.Unstructured{Object: map[string]any{}}
		want.Stamp(clean)
		count := func(m map[string]string) (n int) {
			for k := range m {
				if k != "app" && k != "tmc-sdk.dev.example/x" && !theirs(k) {
					n++
				}
			}
			return n
		}
		if count(out.GetLabels()) != len(clean.GetLabels()) || count(out.GetAnnotations()) != len(clean.GetAnnotations()) {
			rt.Fatalf("more than our marks went down: %v %v", out.GetLabels(), out.GetAnnotations())
		}
		template := &unstructured.Unstructured{Object: at(out, "spec", "template").(map[string]any)}
		if transform.HasMarks(template) || count(template.GetLabels())+count(template.GetAnnotations()) > 0 {
			rt.Fatalf("the template bears marks: %v", template.Object["metadata"])
		}
	})
}

// theirs says whether a key that ends like ours is in a domain of its own.
func theirs(key string) bool {
	return len(key) > len("tmc-sdk.dev/x") && key[len(key)-len("tmc-sdk.dev/x"):] == "tmc-sdk.dev/x"
}

func TestStrip(t *testing.T) {
	for name, tc := range map[string]struct {
		reason, in, want string
	}{
		"metadata": {
			reason: "what the workspace's server and controllers wrote stays there",
			in: `{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: shop, uid: x, resourceVersion: "3", generation: 2,
				creationTimestamp: "2026-01-01T00:00:00Z", deletionTimestamp: "2026-01-01T00:00:00Z", generateName: c-, selfLink: x,
				finalizers: [tmc-sdk.dev/sync, x/y], ownerReferences: [{kind: X, name: x, uid: x, apiVersion: v1}], managedFields: [{manager: x}],
				labels: {keep: "1", kcp.io/a: "2", claimed.internal.apis.kcp.io/b: "3", internal.apis.kcp.io/c: "4"},
				annotations: {keep/x: "1", kcp.io/cluster: "2", kubectl.kubernetes.io/last-applied-configuration: "{}", notkcp.io/x: "3"}}, data: {a: b}}`,
			want: `{labels: {keep: "1"}, annotations: {keep/x: "1", notkcp.io/x: "3"}}`,
		},
		"nothing": {reason: "an object without any", in: `{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: shop}}`, want: `{}`},
	} {
		t.Run(name, func(t *testing.T) {
			original := object(t, tc.in)
			out := render(t, pipeline(t), &transform.Target{}, original)
			want := object(t, `{apiVersion: v1, kind: ConfigMap, metadata: `+tc.want+`}`)
			namespace, copied := pipeline(t).Locate(original.GroupVersionKind(), originOf(original))
			want.SetNamespace(namespace)
			want.SetName(copied)
			transform.Marks{Installation: "prod", Origin: originOf(original)}.Stamp(want)
			if diff := cmp.Diff(want.Object["metadata"], out.Object["metadata"]); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestStripJob(t *testing.T) {
	const generated = `{selector: {matchLabels: {batch.kubernetes.io/controller-uid: x}}, template: {metadata: {labels: {app: a, controller-uid: x, job-name: j, batch.kubernetes.io/controller-uid: x, batch.kubernetes.io/job-name: j}}}}`
	for name, tc := range map[string]struct {
		reason, in, want string
	}{
		"generated": {
			reason: "they belong to the UID of the original; the cluster refuses them",
			in:     `{apiVersion: batch/v1, kind: Job, metadata: {name: j}, spec: ` + generated + `}`,
			want:   `{spec: {template: {metadata: {labels: {app: a}}}}}`,
		},
		"chosen": {
			reason: "manualSelector says that the tenant chose it",
			in:     `{apiVersion: batch/v1, kind: Job, metadata: {name: j}, spec: {manualSelector: true, selector: {matchLabels: {job-name: j}}, template: {metadata: {labels: {job-name: j}}}}}`,
			want:   `{spec: {manualSelector: true, selector: {matchLabels: {job-name: j}}, template: {metadata: {labels: {job-name: j}}}}}`,
		},
		"cron job": {
			reason: "so does the template of one",
			in:     `{apiVersion: batch/v1, kind: CronJob, metadata: {name: j}, spec: {jobTemplate: {spec: ` + generated + `}}}`,
			want:   `{spec: {jobTemplate: {spec: {template: {metadata: {labels: {app: a}}}}}}}`,
		},
		"another's Job": {
			reason: "of another group, with its own meaning",
			in:     `{apiVersion: x.example/v1, kind: Job, metadata: {name: j}, spec: {selector: {a: b}}}`,
			want:   `{spec: {selector: {a: b}}}`,
		},
		"nonsense": {
			reason: "nothing panics",
			in:     `{apiVersion: batch/v1, kind: Job, metadata: {name: j}, spec: {selector: x, template: [1]}}`,
			want:   `{spec: {template: [1]}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			out := render(t, pipeline(t), &transform.Target{}, object(t, tc.in))
			want := object(t, `{kind: X, `+tc.want[1:])
			if diff := cmp.Diff(want.Object["spec"], out.Object["spec"]); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
