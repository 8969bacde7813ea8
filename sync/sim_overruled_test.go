package syncer

import (
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tmc-sdk/tmc/sync/internal/apisim"
	"github.com/tmc-sdk/tmc/transform"
)

// fewWrites is how many writes a fight of half an hour may cost that backs off to one in
// ten minutes.
const fewWrites = 25

// meddler is an admission webhook that a test turns on and off.
type meddler struct {
	on    bool
	times int
}

// admit has a server call fn for Deployments while the meddler is on.
func (m *meddler) admit(s *simServer, subresource string, fn func(u *unstructured.Unstructured)) {
	s.Mutate(func(r *apisim.Request, u *unstructured.Unstructured) error {
		if m.on && u.GetKind() == "Deployment" && r.Subresource == subresource {
			m.times++
			fn(u)
		}
		return nil
	})
}

// strip takes a label or an annotation off.
func strip(u *unstructured.Unstructured, key string) {
	labels, annotations := maps.Clone(u.GetLabels()), maps.Clone(u.GetAnnotations())
	delete(labels, key)
	delete(annotations, key)
	u.SetLabels(labels)
	u.SetAnnotations(annotations)
}

// counted counts the requests of controllers that are like this.
func (s *scene) counted(like func(server *simServer, r *apisim.Request) bool) *int {
	n := new(int)
	s.sabotage.before = func(_ *process, server *simServer, r *apisim.Request) (*apisim.Response, error, bool) {
		if like(server, r) {
			*n++
		}
		return nil, nil, false
	}
	return n
}

func appliesOn(name string) func(*simServer, *apisim.Request) bool {
	return func(server *simServer, r *apisim.Request) bool {
		return server.name == name && r.Verb == apisim.Apply && r.Kind == simDeployment
	}
}

// synced returns what the owner of the Deployment is told.
func (s *scene) synced() (status, reason, message string) {
	s.t.Helper()
	c := conditionOf(s.tenant.Peek(simDeployment, "default", "web"), ConditionSynced)
	require.NotNil(s.t, c)
	return string(c.Status), c.Reason, c.Message
}

func (s *scene) requireSynced(reason string, says ...string) {
	s.t.Helper()
	status, got, message := s.synced()
	require.Equal(s.t, reason, got, message)
	require.Equal(s.t, reason == ReasonSynced, status == "True")
	for _, part := range says {
		require.Contains(s.t, message, part)
	}
}

// change changes the original.
func (s *scene) change(edit func(u *unstructured.Unstructured)) {
	s.t.Helper()
	u := s.tenant.Peek(simDeployment, "default", "web").DeepCopy()
	edit(u)
	_, err := s.do(s.tenant, "tenant", &apisim.Request{Verb: apisim.Update, Object: u})
	require.NoError(s.t, err)
}

// A webhook that strips the digest had the loop apply again without pause, for the
// apply changed nothing and the copy did not look applied.
func TestADigestThatAdmissionTakesOffIsToldOfAndBacksOff(t *testing.T) {
	for name, meddle := range map[string]func(u *unstructured.Unstructured){
		"taken off":    func(u *unstructured.Unstructured) { strip(u, transform.AnnotationDigest) },
		"written over": func(u *unstructured.Unstructured) { annotate(u, transform.AnnotationDigest, "0") },
	} {
		t.Run(name, func(t *testing.T) {
			s, m := newScene(t), &meddler{on: true}
			m.admit(s.cluster("east"), "", meddle)
			applies := s.counted(appliesOn("east"))
			d := s.deploy("east")
			s.pass(30 * time.Minute)
			require.LessOrEqual(t, *applies, fewWrites)
			s.requireSynced(ReasonContested, "metadata.annotations[tmc-sdk.dev/digest]", "admission", "have it leave alone")

			*applies = 0
			s.change(func(u *unstructured.Unstructured) { u.Object["spec"].(map[string]any)["replicas"] = int64(6) })
			s.pass(time.Minute)
			n, _ := replicasOf(s.copyOf("east", d))
			require.EqualValues(t, 6, n, "what the owner changes goes down at once all the same")
			m.on = false
			s.pass(15 * time.Minute)
			s.requireSynced(ReasonSynced)
			*applies = 0
			s.pass(30 * time.Minute)
			require.Zero(t, *applies)
		})
	}
}

// The same by a controller, which comes after the write.
func TestADigestThatAControllerTakesOffIsAFight(t *testing.T) {
	s := newScene(t)
	applies := s.counted(appliesOn("east"))
	d := s.deploy("east")
	fighting := true
	s.scheduler.spawn(nil, "stripper", func() {
		for fighting {
			s.scheduler.pause(time.Second)
			if u := s.copyOf("east", d); fighting && digestOf(u) != "" {
				u = u.DeepCopy()
				strip(u, transform.AnnotationDigest)
				_, _ = s.do(s.cluster("east"), "stripper", &apisim.Request{Verb: apisim.Update, Object: u})
			}
		}
	})
	s.pass(30 * time.Minute)
	require.LessOrEqual(t, *applies, fewWrites)
	s.requireSynced(ReasonContested, "metadata.annotations[tmc-sdk.dev/digest]", "repaired")
	fighting = false
	s.pass(25 * time.Minute)
	s.requireSynced(ReasonSynced)
}

// Without the label by which it is watched a copy is out of sight: made and lost,
// it would run for ever.
func TestACopyThatLosesItsLabelWhenItIsMadeIsTakenBack(t *testing.T) {
	for _, key := range []string{transform.LabelInstallation, transform.LabelLogicalCluster, transform.AnnotationMarks, transform.AnnotationName} {
		t.Run(key, func(t *testing.T) {
			s, m := newScene(t), &meddler{on: true}
			m.admit(s.cluster("east"), "", func(u *unstructured.Unstructured) { strip(u, key) })
			writes := s.counted(func(server *simServer, r *apisim.Request) bool {
				return server.name == "east" && r.Writes() && r.Kind == simDeployment
			})
			d, err := s.do(s.tenant, "tenant", &apisim.Request{Verb: apisim.Create, Object: s.deployment(s.tenant, "default", "web")})
			require.NoError(t, err)
			s.place([]string{"east"})
			s.pass(30 * time.Minute)
			require.Nil(t, s.copyOf("east", d))
			require.Equal(t, 2, *writes, "it is made and taken back once; then the cluster is asked first")
			require.LessOrEqual(t, m.times, 60, "and not often")
			s.requireSynced(ReasonContested, key, "no copy is made")

			m.on = false
			s.pass(2 * time.Minute)
			require.NotNil(t, s.copyOf("east", d))
			s.requireSynced(ReasonSynced)
		})
	}
}

// A copy that was there and loses its marks in a change of ours is not lost sight
// of: it is applied again, and goes with its original.
func TestACopyThatLosesItsLabelWhenItIsChanged(t *testing.T) {
	for name, ends := range map[string]bool{"and gets it back": false, "and its original is deleted": true} {
		t.Run(name, func(t *testing.T) {
			s, m := newScene(t), &meddler{}
			m.admit(s.cluster("east"), "", func(u *unstructured.Unstructured) { strip(u, transform.LabelInstallation) })
			applies := s.counted(appliesOn("east"))
			d := s.deploy("east")
			uid := s.copyOf("east", d).GetUID()
			m.on = true
			s.change(func(u *unstructured.Unstructured) { u.Object["spec"].(map[string]any)["replicas"] = int64(6) })
			s.pass(30 * time.Minute)
			require.Equal(t, uid, s.copyOf("east", d).GetUID(), "what runs is not deleted")
			require.LessOrEqual(t, *applies, 2*fewWrites)
			s.requireSynced(ReasonContested, "metadata.labels[tmc-sdk.dev/installation]", "not seen any more")
			if ends {
				_, err := s.do(s.tenant, "tenant", &apisim.Request{Verb: apisim.Delete, Kind: simDeployment, Namespace: "default", Name: "web"})
				require.NoError(t, err)
				s.pass(5 * time.Minute)
				require.Nil(t, s.copyOf("east", d))
				require.Nil(t, s.tenant.Peek(simDeployment, "default", "web"))
				return
			}
			m.on = false
			s.pass(15 * time.Minute)
			require.Equal(t, uid, s.copyOf("east", d).GetUID())
			s.requireSynced(ReasonSynced)
		})
	}
}

// A label that somebody takes off by hand is told of by its name.
func TestALabelThatIsTakenOffByHandIsToldOf(t *testing.T) {
	s := newScene(t)
	applies := s.counted(appliesOn("east"))
	d := s.deploy("east")
	u := s.copyOf("east", d).DeepCopy()
	strip(u, transform.LabelInstallation)
	_, err := s.do(s.cluster("east"), "vandal", &apisim.Request{Verb: apisim.Update, Object: u})
	require.NoError(t, err)
	*applies = 0
	s.pass(30 * time.Minute)
	require.LessOrEqual(t, *applies, 60)
	s.requireSynced(ReasonConflict, "lost its label tmc-sdk.dev/installation", `put "sim" there again`)

	u = s.copyOf("east", d).DeepCopy()
	u.SetLabels(map[string]string{transform.LabelInstallation: "sim", transform.LabelLogicalCluster: s.tenant.name})
	_, err = s.do(s.cluster("east"), "vandal", &apisim.Request{Verb: apisim.Update, Object: u})
	require.NoError(t, err)
	s.pass(2 * time.Minute)
	s.requireSynced(ReasonSynced)
}

// What admission does to every write is done with after one, and told.
func TestAdmissionThatChangesEveryWriteIsNoLoop(t *testing.T) {
	tells := map[string]string{
		"a time in a field of ours": `~ metadata.annotations[note/a]: "x" -> `,
		"a field of ours goes":      `- metadata.annotations[note/a]: "x"`,
		"replicas":                  "~ spec.replicas: ",
	}
	for name, meddle := range map[string]func(s *scene, u *unstructured.Unstructured){
		"a time of its own": func(s *scene, u *unstructured.Unstructured) { annotate(u, "example.net/at", s.scheduler.now.String()) },
		"a time in a field of ours": func(s *scene, u *unstructured.Unstructured) {
			annotate(u, "note/a", s.scheduler.now.String())
		},
		"a field of ours goes": func(_ *scene, u *unstructured.Unstructured) { strip(u, "note/a") },
		"replicas":             func(_ *scene, u *unstructured.Unstructured) { u.Object["spec"].(map[string]any)["replicas"] = int64(9) },
	} {
		t.Run(name, func(t *testing.T) {
			s, m := newScene(t), &meddler{on: true}
			m.admit(s.cluster("east"), "", func(u *unstructured.Unstructured) { meddle(s, u) })
			applies := s.counted(func(server *simServer, r *apisim.Request) bool { return appliesOn("east")(server, r) && !r.DryRun })
			s.deploy("east")
			s.change(func(u *unstructured.Unstructured) { annotate(u, "note/a", "x") })
			s.pass(time.Minute)
			require.LessOrEqual(t, *applies, 3)
			status, reason, message := s.synced()
			require.Equal(t, "True", status)
			if tells[name] != "" {
				require.Equal(t, ReasonOverruled, reason)
				require.Contains(t, message, "east changes the copy as it is written ("+tells[name])
			} else {
				require.Equal(t, ReasonSynced, reason)
			}
			*applies = 0
			s.pass(time.Hour)
			require.Zero(t, *applies)
			s.process.die()
			s.process = s.start()
			s.pass(time.Hour)
			require.LessOrEqual(t, *applies, 1)
		})
	}
}

// An answer that is another object is no proof of anything.
func TestAnAnswerThatIsAnotherObjectIsNotActedOn(t *testing.T) {
	s := newScene(t)
	foreign := s.deployment(s.tenant, "elsewhere", "web")
	foreign.SetUID("foreign")
	applies, deletes := 0, 0
	s.sabotage.before = func(_ *process, server *simServer, r *apisim.Request) (*apisim.Response, error, bool) {
		switch {
		case server.name == "east" && r.Verb == apisim.Apply && r.Kind == simDeployment:
			applies++
			return &apisim.Response{Object: foreign.DeepCopy()}, nil, true
		case server.name == "east" && r.Verb == apisim.Delete:
			deletes++
		}
		return nil, nil, false
	}
	_, err := s.do(s.tenant, "tenant", &apisim.Request{Verb: apisim.Create, Object: s.deployment(s.tenant, "default", "web")})
	require.NoError(t, err)
	s.place([]string{"east"})
	s.pass(30 * time.Minute)
	require.Zero(t, deletes)
	require.LessOrEqual(t, applies, 60)
	s.requireSynced(ReasonApplyFailed, "another object")
}

// A webhook in the workspace that changes every status.
func TestAStatusThatSomebodyChangesIsWrittenLessAndLess(t *testing.T) {
	for name, tc := range map[string]struct {
		meddle func(s *scene, u *unstructured.Unstructured)
		told   bool
	}{
		"a time in it": {func(s *scene, u *unstructured.Unstructured) {
			u.Object["status"].(map[string]any)["replicas"] = s.scheduler.now.UnixNano()
		}, true},
		"it is dropped": {func(_ *scene, u *unstructured.Unstructured) { delete(u.Object, "status") }, false},
		"no conditions": {func(_ *scene, u *unstructured.Unstructured) {
			delete(u.Object["status"].(map[string]any), "conditions")
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s, m := newScene(t), &meddler{}
			m.admit(s.tenant, "status", func(u *unstructured.Unstructured) { tc.meddle(s, u) })
			writes := s.counted(func(server *simServer, r *apisim.Request) bool { return server == s.tenant && r.Writes() })
			d := s.deploy("east")
			m.on = true
			s.change(func(u *unstructured.Unstructured) { u.Object["spec"].(map[string]any)["replicas"] = int64(6) })
			*writes = 0
			s.pass(30 * time.Minute)
			require.LessOrEqual(t, *writes, fewWrites)
			if tc.told { // what is dropped may be dropped for good after one write
				require.Contains(t, s.events[d.GetUID()], ReasonContested)
			}
			m.on = false
			s.change(func(u *unstructured.Unstructured) { u.Object["spec"].(map[string]any)["replicas"] = int64(5) })
			s.pass(15 * time.Minute)
			s.requireSynced(ReasonSynced)
			n, _ := number(at(s.tenant.Peek(simDeployment, "default", "web").Object, "status")["replicas"])
			require.EqualValues(t, 5, n)
		})
	}
}

// Without our finalizer there is no copy (law 3), and who takes it off is no reason
// to write without end.
func TestAFinalizerThatSomebodyTakesOff(t *testing.T) {
	for name, hook := range map[string]bool{"in the write": true, "after it": false} {
		t.Run(name, func(t *testing.T) {
			s, m := newScene(t), &meddler{on: true}
			off := func(u *unstructured.Unstructured) { u.SetFinalizers(nil) }
			if hook {
				m.admit(s.tenant, "", off)
			} else {
				s.scheduler.spawn(nil, "stripper", func() {
					for m.on {
						s.scheduler.pause(100 * time.Millisecond)
						if u := s.tenant.Peek(simDeployment, "default", "web"); m.on && u != nil && len(u.GetFinalizers()) > 0 {
							u = u.DeepCopy()
							off(u)
							_, _ = s.do(s.tenant, "stripper", &apisim.Request{Verb: apisim.Update, Object: u})
						}
					}
				})
			}
			writes := s.counted(func(server *simServer, r *apisim.Request) bool { return server == s.tenant && r.Writes() })
			d, err := s.do(s.tenant, "tenant", &apisim.Request{Verb: apisim.Create, Object: s.deployment(s.tenant, "default", "web")})
			require.NoError(t, err)
			s.place([]string{"east"})
			s.scheduler.run(s.scheduler.now.Add(30*time.Minute), func() bool { return false })
			if hook {
				require.Empty(t, s.checker.violations)
				require.Nil(t, s.copyOf("east", d))
			}
			require.LessOrEqual(t, *writes, 2*fewWrites)
			s.requireSynced(ReasonContested, "the finalizer "+FinalizerOf("sim"), "no copy is made")
			m.on = false
			s.scheduler.run(s.scheduler.now.Add(15*time.Minute), func() bool { return false })
			require.NotNil(t, s.copyOf("east", d))
			s.requireSynced(ReasonSynced)
		})
	}
}

// A field that admission had overruled stayed so after the webhook was gone.
func TestAFieldThatAdmissionLetsGoOfIsRepaired(t *testing.T) {
	s, m := newScene(t), &meddler{on: true}
	m.admit(s.cluster("east"), "", func(u *unstructured.Unstructured) {
		u.Object["spec"].(map[string]any)["replicas"] = int64(9)
		annotate(u, "note/a", s.scheduler.now.String())
	})
	writes := s.counted(func(server *simServer, r *apisim.Request) bool { return appliesOn("east")(server, r) && !r.DryRun })
	d := s.deploy("east")
	s.change(func(u *unstructured.Unstructured) { annotate(u, "note/a", "x") })
	s.pass(time.Minute)
	s.requireOverruled("spec.replicas", "note/a")
	*writes, m.times = 0, 0
	s.pass(3 * time.Hour)
	require.Zero(t, *writes, "it would be in vain")
	require.LessOrEqual(t, m.times, 4, "it is asked about once in an hour")

	m.on = false
	s.pass(admissionRetry + time.Minute)
	s.requireSynced(ReasonSynced)
	want, _ := replicasOf(s.tenant.Peek(simDeployment, "default", "web"))
	got, _ := replicasOf(s.copyOf("east", d))
	require.Equal(t, want, got)
	require.Equal(t, 1, *writes)
	s.pass(3 * time.Hour)
	require.Equal(t, 1, *writes)
}

func (s *scene) requireOverruled(says ...string) {
	s.t.Helper()
	_, reason, message := s.synced()
	require.Equal(s.t, ReasonOverruled, reason, message)
	for _, part := range says {
		require.Contains(s.t, message, part)
	}
}
