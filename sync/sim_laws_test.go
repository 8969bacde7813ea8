package syncer

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/sync/internal/apisim"
)

// TestCheckerCatchesBrokenLaws breaks each law on purpose, between the real loop
// and its servers, and sees the checker of TestSimulation catch it. A checker
// that finds nothing proves something only if it would.
func TestCheckerCatchesBrokenLaws(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	broken := map[string]struct {
		law    any // its number, or what it is called
		reason string
		breaks func(w *simWorld)
	}{
		"1 absence is not deletion": {1, "live reads answer that originals are gone, from what is only out of sight", func(w *simWorld) {
			w.sabotage.before = func(p *process, server *simServer, r *apisim.Request) (*apisim.Response, error, bool) {
				if r.Verb == apisim.Get && w.tenant(server.name) != nil {
					return nil, apierrors.NewNotFound(schema.GroupResource{}, r.Name), true
				}
				return nil, nil, false
			}
			w.lie = true
		}},
		"2 touch only what is ours": {2, "writes bear no preconditions", func(w *simWorld) {
			w.sabotage.before = func(p *process, server *simServer, r *apisim.Request) (*apisim.Response, error, bool) {
				if r.Verb == apisim.Apply {
					r.Object.SetResourceVersion("")
					r.Object.SetUID("")
				}
				return nil, nil, false
			}
		}},
		"2 deletes bear preconditions": {2, "deletes bear no UID", func(w *simWorld) {
			w.sabotage.before = func(p *process, server *simServer, r *apisim.Request) (*apisim.Response, error, bool) {
				r.UID = ""
				return nil, nil, false
			}
		}},
		"3 the finalizer first": {3, "finalizers are said to be written, and are not", func(w *simWorld) { w.sabotage.before = unwritten(w) }},
		"3 and last": {3, "copies are said to be gone while they are there", func(w *simWorld) {
			w.sabotage.before = func(p *process, server *simServer, r *apisim.Request) (*apisim.Response, error, bool) {
				if r.Verb == apisim.Get && w.cluster(server.name) != nil && r.Kind != namespaceKind {
					return nil, apierrors.NewNotFound(schema.GroupResource{}, r.Name), true
				}
				return nil, nil, false
			}
		}},
		"4 make before break": {4, "copies are seen as healthy that are not", func(w *simWorld) {
			w.sick = true
			w.sabotage.rosy = func(copied *unstructured.Unstructured) {
				if copied.GetKind() == "Deployment" {
					replicas := at(copied.Object, "spec")["replicas"]
					copied.Object["status"] = map[string]any{
						"observedGeneration": copied.GetGeneration(), "replicas": replicas, "updatedReplicas": replicas,
						"readyReplicas": replicas, "availableReplicas": replicas,
						"conditions": []any{map[string]any{"type": "Available", "status": "True"}},
					}
				}
			}
		}},
		"5 own fields, not objects": {5, "objects are replaced, not applied", func(w *simWorld) {
			w.sabotage.before = func(p *process, server *simServer, r *apisim.Request) (*apisim.Response, error, bool) {
				if there := server.Peek(r.Kind, r.Namespace, r.Name); r.Verb == apisim.Apply && there != nil && r.Object.GetResourceVersion() == "" {
					r.Verb = apisim.Update
					r.Object = r.Object.DeepCopy()
				}
				return nil, nil, false
			}
		}},
		"6 quiet": {6, "what was applied is not recognised", func(w *simWorld) {
			w.sabotage.rosy = func(copied *unstructured.Unstructured) {
				if !w.settled {
					return
				}
				annotations := maps.Clone(copied.GetAnnotations())
				for key := range annotations {
					if strings.HasSuffix(key, "/digest") {
						annotations[key] = "none"
					}
				}
				copied.SetAnnotations(annotations)
			}
		}},
		"7 deterministic": {7, "each rendering is another", func(w *simWorld) {
			w.sabotage.before = func(p *process, server *simServer, r *apisim.Request) (*apisim.Response, error, bool) {
				if r.Verb == apisim.Apply && r.Kind == simDeployment {
					annotate(r.Object, "example.org/at", fmt.Sprint(w.scheduler.steps))
				}
				return nil, nil, false
			}
		}},
		"8 one bad object harms no other": {8, "what is refused is tried again at once", func(w *simWorld) {
			w.sabotage.hasty = true
			w.poison = true
		}},
		"9 every refusal reaches its person": {9, "refusals are not written into statuses", func(w *simWorld) {
			w.poison = true
			w.sabotage.before = func(p *process, server *simServer, r *apisim.Request) (*apisim.Response, error, bool) {
				if r.Subresource == "status" && strings.Contains(string(r.Patch), `"reason":"Refused"`) {
					return nil, errors.New("not now"), true
				}
				return nil, nil, false
			}
		}},
		"10 tenants are apart": {10, "what goes down is another tenant's", func(w *simWorld) {
			w.sabotage.before = func(p *process, server *simServer, r *apisim.Request) (*apisim.Response, error, bool) {
				if r.Verb == apisim.Apply && r.Kind == simDeployment {
					annotate(r.Object, annotationToken, "ws-b/default/web")
				}
				return nil, nil, false
			}
		}},
		"1 what is shown stays with its source": {1, "what was born on a cluster is said to be gone while it is there", func(w *simWorld) {
			w.sabotage.before = func(p *process, server *simServer, r *apisim.Request) (*apisim.Response, error, bool) {
				if r.Verb == apisim.Get && w.cluster(server.name) != nil && r.Kind == simPod && w.scheduler.chance(2) {
					return nil, apierrors.NewNotFound(schema.GroupResource{}, r.Name), true
				}
				return nil, nil, false
			}
		}},
		"2 what is the tenant's is not shown over": {2, "what stands in the way is taken for what is shown", func(w *simWorld) {
			w.sabotage.before = func(p *process, server *simServer, r *apisim.Request) (*apisim.Response, error, bool) {
				if r.Verb != apisim.Get || r.Kind != simPod || w.tenant(server.name) == nil {
					return nil, nil, false
				}
				there := server.Peek(simPod, r.Namespace, r.Name)
				if there == nil || isShown(there) {
					return nil, nil, false
				}
				answer := there.DeepCopy() // of a tenant that stands in the way
				answer.SetLabels(map[string]string{LabelUpsync: simInstallation})
				for _, cluster := range w.clusters {
					ns, _ := w.where(server.name, there)
					if born := cluster.Peek(simPod, ns, r.Name); born != nil {
						annotate(answer, AnnotationSource, cluster.name+"/"+string(born.GetUID()))
					}
				}
				return &apisim.Response{Object: answer}, nil, true
			}
		}},
		"10 only one's own is shown": {10, "what is shown is another tenant's", func(w *simWorld) {
			w.sabotage.before = func(p *process, server *simServer, r *apisim.Request) (*apisim.Response, error, bool) {
				if r.Verb != apisim.Create || r.Kind != simPod {
					return nil, nil, false
				}
				for _, cluster := range w.clusters {
					for _, pod := range cluster.All(simPod) {
						if ns, _ := w.where(server.name, r.Object); pod.GetNamespace() != ns {
							annotate(r.Object, AnnotationSource, cluster.name+"/"+string(pod.GetUID()))
						}
					}
				}
				return nil, nil, false
			}
		}},
		"2 what is another replica's share stays": {2, "a replica goes on with what is not of its share any more", func(w *simWorld) {
			w.replicas = 2
			w.sabotage.clinging = true
		}},
		"3 the finalizer first, of a replica that is alone": {3, "finalizers are said to be written by replicas, and are not", func(w *simWorld) {
			w.replicas = 2
			w.sabotage.before = unwritten(w)
		}},
		"audit has a record of every write": {"audit", "a record now and then is not made", func(w *simWorld) { w.sabotage.silent = true }},
		"audit has but one":                 {"audit", "a record now and then is made twice", func(w *simWorld) { w.sabotage.chatty = true }},
		"gate lets it pass first":           {"gate", "what a gate vetoes is done nevertheless", func(w *simWorld) { w.gated, w.sabotage.ajar = true, true }},
		"10 what nothing mentions stays": {10, "what nothing mentions goes down", func(w *simWorld) {
			w.sabotage.smuggle = true
		}},
	}
	for law := 1; law <= 10; law++ {
		require.True(t, slices.ContainsFunc(slices.Collect(maps.Keys(broken)), func(name string) bool {
			return strings.HasPrefix(name, fmt.Sprintf("%d ", law)) && broken[name].law == law
		}), "law %d is broken by no subtest", law)
	}
	for name, tc := range broken {
		t.Run(name, func(t *testing.T) {
			prefix := fmt.Sprint(tc.law, ":")
			if _, ok := tc.law.(int); ok {
				prefix = "law " + prefix
			}
			var caught []string
			for seed := range uint64(12) {
				w := newSimWorld(seed, nil)
				tc.breaks(w)
				problems := w.play(90 * time.Second)
				if slices.ContainsFunc(problems, func(p string) bool { return strings.HasPrefix(p, prefix) }) {
					return
				}
				caught = append(caught, problems...)
			}
			require.Failf(t, "not caught", "%s; instead: %s", tc.reason, strings.Join(caught, "\n"))
		})
	}
}

// unwritten answers writes of finalizers, and does not do them.
func unwritten(w *simWorld) func(p *process, server *simServer, r *apisim.Request) (*apisim.Response, error, bool) {
	return func(p *process, server *simServer, r *apisim.Request) (*apisim.Response, error, bool) {
		if r.Verb == apisim.Patch && r.Subresource == "" && w.tenant(server.name) != nil {
			if there := server.Peek(r.Kind, r.Namespace, r.Name); there != nil && there.GetDeletionTimestamp() == nil {
				answer := there.DeepCopy() // of a server that says what it did not do
				answer.SetFinalizers(append(answer.GetFinalizers(), p.loop.finalizer))
				return &apisim.Response{Object: answer}, nil, true
			}
		}
		return nil, nil, false
	}
}

// TestTheUnbrokenLoopKeepsTheLaws plays the worlds of
// TestCheckerCatchesBrokenLaws with nothing broken: what is caught there is
// what was broken.
func TestTheUnbrokenLoopKeepsTheLaws(t *testing.T) {
	for _, vary := range []func(w *simWorld){
		func(*simWorld) {},
		func(w *simWorld) { w.lie = true },
		func(w *simWorld) { w.poison = true },
		func(w *simWorld) { w.replicas = 2 },
		func(w *simWorld) { w.replicas, w.gated = 3, true },
	} {
		for seed := range uint64(2) {
			w := newSimWorld(seed, nil)
			vary(w)
			require.Empty(t, w.play(90*time.Second), "seed %d", seed)
		}
	}
}
