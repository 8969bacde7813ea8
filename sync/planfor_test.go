package syncer

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// oneOriginal is a workspace with one object. What is asked of others is not there.
type oneOriginal struct {
	stillOriginals
	key Key
}

func (o oneOriginal) Synced(ws multicluster.ClusterName, _ schema.GroupVersionKind) bool {
	return ws == o.key.Workspace
}

func (o oneOriginal) Get(_ context.Context, ws multicluster.ClusterName, kind schema.GroupVersionKind, key client.ObjectKey) (*unstructured.Unstructured, error) {
	if (Key{kind, ws, key.Namespace, key.Name}) == o.key {
		return o.obj, nil
	}
	return nil, apierrors.NewNotFound(schema.GroupResource{}, key.Name)
}

func (o oneOriginal) List(context.Context, multicluster.ClusterName, schema.GroupVersionKind, string) ([]unstructured.Unstructured, error) {
	return []unstructured.Unstructured{*o.obj}, nil
}

// oneCopy is a cluster with one copy.
type oneCopy struct{ stillCopies }

func (c oneCopy) Get(ctx context.Context, key client.ObjectKey, into client.Object, opts ...client.GetOption) error {
	if c.obj == nil || client.ObjectKeyFromObject(c.obj) != key {
		return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
	}
	return c.stillCopies.Get(ctx, key, into, opts...)
}

func (c oneCopy) List(_ context.Context, into client.ObjectList, _ ...client.ListOption) error {
	if c.obj != nil {
		into.(*unstructured.UnstructuredList).Items = []unstructured.Unstructured{*c.obj}
	}
	return nil
}

// planLoop is stillLoop over two clusters, of which the first alone is a target and
// has a copy.
func planLoop(t *testing.T) (*Loop, Key, *v1alpha1.Placement) {
	t.Helper()
	l, key := stillLoop(t, 2)
	l.watcher = oneOriginal{l.watcher.(stillOriginals), key}
	for name, lane := range l.lanes {
		copies := oneCopy{lane.cached.(stillCopies)}
		if name != "cluster-0" {
			copies.obj = nil
		} else {
			copies.obj.Object["spec"].(map[string]any)["replicas"] = int64(3)
			require.NoError(t, seal(copies.obj))
		}
		lane.cached = copies
		lane.kinds[namespaceKind] = &followed{knowledge: complete}
	}
	p := l.decisions.byNamespace[key.namespace()][0]
	p.Spec.Resources = []v1alpha1.ResourceSelector{{Group: "apps", Kind: "Deployment"}}
	p.Status.Targets = []v1alpha1.Target{{Cluster: "cluster-0"}}
	where, err := l.place(t.Context(), key, l.watcher.(oneOriginal).obj)
	require.NoError(t, err)
	rendered, refusal := l.render(t.Context(), "cluster-0", key, l.watcher.(oneOriginal).obj, where)
	require.Nil(t, refusal)
	copied := l.lanes["cluster-0"].cached.(oneCopy).obj
	copied.Object["metadata"].(map[string]any)["annotations"] = rendered.Object["metadata"].(map[string]any)["annotations"]
	return l, key, p
}

func TestPlanForTellsWhatASuppositionAddsToWhatWouldBeDoneAnyway(t *testing.T) {
	with := func(change func(*unstructured.Unstructured)) func(*Loop, *Supposition) {
		return func(l *Loop, s *Supposition) {
			o := l.watcher.(oneOriginal).obj.DeepCopy()
			change(o)
			s.Originals = append(s.Originals, o)
		}
	}
	image := func(o *unstructured.Unstructured) {
		containers := at(o.Object, "spec", "template", "spec")["containers"].([]any)
		containers[0].(map[string]any)["image"] = "registry.example/app:2"
	}
	targets := func(list ...v1alpha1.Target) func(*Loop, *Supposition) {
		return func(l *Loop, s *Supposition) {
			p := l.decisions.byNamespace[namespaceKey{s.Workspace, "default"}][0].DeepCopy()
			p.Status.Targets = list
			s.Placements = append(s.Placements, p)
		}
	}
	for name, tt := range map[string]struct {
		reason  string
		suppose []func(*Loop, *Supposition)
		before  func(*Loop)
		want    []string
		lacks   string
	}{
		"nothing new": {
			reason:  "what is there already changes nothing",
			suppose: []func(*Loop, *Supposition){with(func(*unstructured.Unstructured) {})},
		},
		"a field": {
			reason:  "a copy is configured, field by field, though version and UID are those of before",
			suppose: []func(*Loop, *Supposition){with(image)},
			want: []string{
				"configured Deployment 2x9abc|default/web on cluster-0 as default-",
				`~ spec.template.spec.containers[main].image: "registry.example/app:1" -> "registry.example/app:2"`, "1 steps",
			},
		},
		"a new original": {
			reason: "its copy would be created, and what is known only when it is made is not made up",
			suppose: []func(*Loop, *Supposition){with(func(o *unstructured.Unstructured) {
				o.SetName("api")
				o.SetUID("of-a-dry-run")
			})},
			want:  []string{"created Deployment 2x9abc|default/api on cluster-0", whenMade, "1 steps"},
			lacks: "of-a-dry-run",
		},
		"a move": {
			reason:  "make before break: the old copy goes only when the new one is healthy",
			suppose: []func(*Loop, *Supposition){targets(v1alpha1.Target{Cluster: "cluster-0", Leaving: true}, v1alpha1.Target{Cluster: "cluster-1"})},
			want: []string{
				"created Deployment 2x9abc|default/web on cluster-1", "deleted Deployment 2x9abc|default/web on cluster-0",
				"(Moved), waits: until its copies on cluster-1 are healthy", "2 steps",
			},
		},
		"a move that breaks first": {
			reason: "the new copy waits for the old one to be gone",
			suppose: []func(*Loop, *Supposition){
				targets(v1alpha1.Target{Cluster: "cluster-0", Leaving: true}, v1alpha1.Target{Cluster: "cluster-1"}),
				func(_ *Loop, s *Supposition) {
					s.Placements[0].Spec.Moves = &v1alpha1.MovePolicy{Type: v1alpha1.MoveBreakBeforeMake}
				},
			},
			want: []string{"created Deployment 2x9abc|default/web on cluster-1", "waits: until the copies that leave are gone", "deleted Deployment", "2 steps"},
		},
		"a cluster that leaves the fleet's sight": {
			reason:  "what can't be made is told with its reason",
			suppose: []func(*Loop, *Supposition){targets(v1alpha1.Target{Cluster: "cluster-0"}, v1alpha1.Target{Cluster: "cluster-1"})},
			before:  func(l *Loop) { l.fleet = stillFleet{snapshot: l.fleet.Snapshot().Without("cluster-1")} },
			want:    []string{"refused Deployment 2x9abc|default/web on cluster-1: ClusterUnavailable: ", "0 steps"},
		},
		"suspended": {
			reason:  "it is told all the same, and what it waits for",
			suppose: []func(*Loop, *Supposition){with(image)},
			before:  (*Loop).Suspend,
			want:    []string{"configured Deployment", "waits: the installation", "1 steps"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, key, _ := planLoop(t)
			if tt.before != nil {
				tt.before(l)
			}
			before, err := l.Plan(t.Context())
			require.NoError(t, err)
			s := Supposition{Workspace: key.Workspace}
			for _, suppose := range tt.suppose {
				suppose(l, &s)
			}
			plan, err := l.PlanFor(t.Context(), s)
			require.NoError(t, err)
			var text strings.Builder
			require.NoError(t, plan.Print(&text))
			for _, want := range tt.want {
				require.Contains(t, text.String(), want, tt.reason)
			}
			if len(tt.want) == 0 {
				require.Empty(t, plan.Steps, tt.reason)
			}
			if tt.lacks != "" {
				require.NotContains(t, text.String(), tt.lacks, tt.reason)
			}
			after, err := l.Plan(t.Context())
			require.NoError(t, err)
			if diff := cmp.Diff(before, after, cmp.AllowUnexported(Difference{})); diff != "" {
				t.Errorf("planning changed what would be done (-before +after):\n%s", diff)
			}
		})
	}
}

func TestPlanForSaysWhatItCannotTell(t *testing.T) {
	l, key, _ := planLoop(t)
	_, err := l.PlanFor(t.Context(), Supposition{Workspace: "another"})
	require.ErrorIs(t, err, ErrUnknown, "another replica's, or not seen yet")
	job := &unstructured.Unstructured{}
	job.SetGroupVersionKind(schema.GroupVersionKind{Group: "batch", Version: "v1", Kind: "Job"})
	_, err = l.PlanFor(t.Context(), Supposition{Workspace: key.Workspace, Originals: []*unstructured.Unstructured{job}})
	require.ErrorContains(t, err, "list it among the resources")
	l.lanes["cluster-1"].kinds[key.Kind].knowledge = 0
	_, err = l.PlanFor(t.Context(), Supposition{Workspace: key.Workspace})
	require.ErrorIs(t, err, ErrUnknown, "copies of which nothing is known are no absence")
}

func TestPlanForHidesWhatSecretsHold(t *testing.T) {
	hidden := differencesOf(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "s"}, "data": map[string]any{"password": "aHVudGVyMg=="},
	}}, nil)
	for _, d := range hidden {
		require.NotContains(t, d.String(), "aHVudGVyMg==")
	}
	require.Contains(t, hidden, Difference{Path: "data.password", Becomes: "(hidden)", steps: []string{"data", "password"}})
}
