package syncer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	"github.com/tmc-sdk/tmc/sync/internal/apisim"
	"github.com/tmc-sdk/tmc/transform"
)

const simInstallation = "sim"

var (
	simDeployment = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	simConfigMap  = schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}
	simSecret     = schema.GroupVersionKind{Version: "v1", Kind: "Secret"}
	// simRelated follow what mentions them; an account mentions a Secret in turn.
	simRelated = []schema.GroupVersionKind{simConfigMap, simSecret, accountKind}
)

// simWorld is everything there is: two tenants' workspaces, three physical
// clusters, controllers, and those who make work and trouble.
type simWorld struct {
	scheduler *scheduler
	checker   *checker
	pipeline  *transform.Pipeline
	tenants   []*simServer
	clusters  []*simServer
	processes []*process
	lostAfter time.Duration

	odds                    odds
	sabotage                sabotage
	calm                    bool // no more trouble
	settled                 bool // it has converged, and been silent
	crashBefore, crashAfter int  // the write at which the controller dies

	sharing
	gated bool // a gate vetoes now and then
	// createOnly has ConfigMaps made and deleted, and never changed in between.
	createOnly bool
	// recreate has Deployments made anew whose selector changed, which clusters refuse;
	// tenants change it.
	recreate bool
	lanes    int // how many work for each cluster; 2 where it is zero

	lie    bool // workspaces list nothing for a while
	sick   bool // copies do not become healthy
	poison bool // a tenant has an object that clusters refuse

	commits, requests, writes int
	started                   int
	rivals                    int // when, in commits, two controllers last were
	rivalled                  time.Time
	uids                      int
	nudged                    bool
	acting                    *acting // who makes the change that is being stored
	events                    map[types.UID][]string
	adopted                   map[string]bool
}

// acting is a controller that writes.
type acting struct {
	process *process
	task    *task
	since   int  // commits when what it does began
	late    bool // the write arrives after the controller gave up on it
}

// odds are those of faults, as one in so many writes; zero is never.
type odds struct{ crash, lost, unanswered, late, twice int }

// sabotage breaks a law on purpose, for the test of the checker.
type sabotage struct {
	// before may answer a request in the place of the server.
	before func(p *process, server *simServer, r *apisim.Request) (resp *apisim.Response, err error, done bool)
	// rosy changes what lanes see of copies.
	rosy func(copied *unstructured.Unstructured)
	// hasty queues try again at once what failed.
	hasty bool
	// smuggle shows the loop mentions that are not there.
	smuggle bool
	// clinging replicas go on with what is not of their share any more.
	clinging bool
	// silent and chatty auditors are told of too little and too much.
	silent, chatty bool
	// ajar gates let pass what they veto.
	ajar bool
}

// annotationRegion says on a copy in which region it is.
const annotationRegion = "example.org/region"

// nowhere is a region for which nothing can be rendered.
const nowhere = "nowhere"

// simPipeline renders as every process does, with something that changes with the
// cluster.
func simPipeline() *transform.Pipeline {
	p, err := transform.NewPipeline(simInstallation, transform.With(transform.Func("region", func(_ context.Context, t *transform.Target, obj *unstructured.Unstructured) error {
		if t.Region == nowhere {
			return errors.New("there is no such region")
		}
		annotations := obj.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[annotationRegion] = t.Region
		obj.SetAnnotations(annotations)
		return nil
	})))
	if err != nil {
		panic(err)
	}
	return p
}

// newSimWorld builds a world in which nothing happens yet.
func newSimWorld(seed uint64, trace func(string)) *simWorld {
	w := &simWorld{
		scheduler: newScheduler(seed), lostAfter: -1,
		events: map[types.UID][]string{}, adopted: map[string]bool{},
		sharing: sharing{owners: map[string]int{}, holders: map[string]*process{}, rivalries: map[string]rivalry{}},
	}
	w.scheduler.trace = trace
	w.pipeline = simPipeline()
	w.checker = newChecker(w)
	common := []apisim.Kind{
		{GroupVersionKind: namespaceKind, Plural: "namespaces"},
		{GroupVersionKind: simDeployment, Plural: "deployments", Namespaced: true, Status: true},
		{GroupVersionKind: simConfigMap, Plural: "configmaps", Namespaced: true},
		{GroupVersionKind: simSecret, Plural: "secrets", Namespaced: true},
		{GroupVersionKind: accountKind, Plural: "serviceaccounts", Namespaced: true},
		{GroupVersionKind: simPod, Plural: "pods", Namespaced: true, Status: true},
		{GroupVersionKind: simEvent, Plural: "events", Namespaced: true},
	}
	for _, name := range []string{"ws-a", "ws-b"} {
		s := w.server(name, append(common,
			apisim.Kind{GroupVersionKind: placementKind, Plural: "placements", Namespaced: true, Status: true},
			apisim.Kind{GroupVersionKind: clusterPlacementKind, Plural: "clusterplacements", Status: true}))
		s.Untrack() // nobody applies in workspaces
		s.OnCommit(func(c apisim.Commit) { w.checker.upstream(s, c) })
		w.tenants = append(w.tenants, s)
	}
	strict := slices.Clone(common)
	for i := range strict {
		if strict[i].GroupVersionKind == simDeployment {
			strict[i].Immutable = []string{"spec", "selector"}
		}
	}
	for _, name := range []string{"east", "west", "north"} {
		s := w.server(name, strict)
		s.Mutate(w.webhook(s))
		s.Mutate(s.meddle)
		s.OnCommit(func(c apisim.Commit) { w.checker.physical(s, c) })
		w.clusters = append(w.clusters, s)
	}
	for _, tenant := range w.tenants {
		for _, ns := range simNamespaces {
			w.ensureNamespace(tenant, ns)
		}
	}
	return w
}

var simNamespaces = []string{"default", "team"}

func (w *simWorld) server(name string, kinds []apisim.Kind) *simServer {
	s := &simServer{world: w, name: name, uid: w.newUID(), decoded: map[string]decodedPlacement{}}
	s.Server = apisim.New(func() time.Time { return w.scheduler.now }, w.newUID, kinds...)
	return s
}

func (w *simWorld) newUID() types.UID {
	w.uids++
	return types.UID(fmt.Sprintf("uid-%d", w.uids))
}

func (w *simWorld) cluster(name string) *simServer {
	for _, c := range w.clusters {
		if c.name == name {
			return c
		}
	}
	return nil
}

func (w *simWorld) tenant(name string) *simServer {
	for _, t := range w.tenants {
		if t.name == name {
			return t
		}
	}
	return nil
}

// webhook is the admission of a cluster: it defaults, normalises, refuses what
// is bad, on west holds what it likes, and on north writes over a field.
func (w *simWorld) webhook(s *simServer) func(*apisim.Request, *unstructured.Unstructured) error {
	return func(r *apisim.Request, obj *unstructured.Unstructured) error {
		if obj.GetKind() != "Deployment" || r.Subresource != "" {
			return nil
		}
		spec := at(obj.Object, "spec", "template", "spec")
		for _, c := range elements(spec["containers"]) {
			if c["image"] == "bad" {
				return apierrors.NewInvalid(simDeployment.GroupKind(), r.Name, field.ErrorList{field.Invalid(field.NewPath("spec", "image"), "bad", "no such image")})
			}
			c["terminationMessagePath"] = "/dev/termination-log"
			if requests := at(c, "resources", "requests"); requests["cpu"] == "1000m" {
				requests["cpu"] = "1"
			}
		}
		annotations := obj.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations["foreign/admitted"] = s.name
		obj.SetAnnotations(annotations)
		if s.name == "north" {
			spec["terminationGracePeriodSeconds"] = int64(30) // over the tenant's
		}
		if s.name == "west" && obj.GetResourceVersion() == "" && obj.GetLabels()["slow"] != "" {
			obj.SetFinalizers([]string{"example.org/slow"})
		}
		return nil
	}
}

// do sends a request of somebody who is no controller; it may fail.
func (w *simWorld) do(s *simServer, who string, r *apisim.Request) (*unstructured.Unstructured, error) {
	r.Manager = who
	if r.Object != nil {
		r.Kind, r.Namespace, r.Name = r.Object.GroupVersionKind(), r.Object.GetNamespace(), r.Object.GetName()
	}
	resp, err := s.Do(context.Background(), r)
	if r.Writes() {
		w.scheduler.note("%s: %s on %s: %v", who, r, s.name, err)
	}
	if err != nil {
		return nil, err
	}
	return resp.Object, nil
}

func simObject(kind schema.GroupVersionKind, namespace, name string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetGroupVersionKind(kind)
	u.SetNamespace(namespace)
	u.SetName(name)
	return u
}

func (w *simWorld) ensureNamespace(s *simServer, name string) {
	if s.Peek(namespaceKind, "", name) == nil {
		_, _ = w.do(s, "admin", &apisim.Request{Verb: apisim.Create, Object: simObject(namespaceKind, "", name)})
	}
}

// placementOf returns the Placement of a namespace and what it decided. Both are
// shared and must not be changed.
func placementOf(tenant *simServer, ns string) (*unstructured.Unstructured, *v1alpha1.Placement) {
	u := tenant.Peek(placementKind, ns, "default")
	if u == nil {
		return nil, nil
	}
	if known := tenant.decoded[ns]; known.stored == u { // what is stored never changes
		return u, known.placement
	}
	p, err := decode(u.DeepCopy())
	if err != nil {
		panic(err)
	}
	tenant.decoded[ns] = decodedPlacement{u, p}
	return u, p
}

// decodedPlacement is a Placement that was decoded, and from what.
type decodedPlacement struct {
	stored    *unstructured.Unstructured
	placement *v1alpha1.Placement
}

// decide records a decision as the placement controller does.
func (w *simWorld) decide(tenant *simServer, ns string, targets []v1alpha1.Target) {
	u, _ := placementOf(tenant, ns)
	if u == nil {
		obj := simObject(placementKind, ns, "default")
		obj.Object["spec"] = map[string]any{}
		created, err := w.do(tenant, "placement", &apisim.Request{Verb: apisim.Create, Object: obj})
		if err != nil {
			return
		}
		u = created
	}
	placed := metav1.Condition{Type: v1alpha1.ConditionPlaced, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonPlaced, LastTransitionTime: metav1.NewTime(epoch)}
	if len(targets) == 0 {
		placed.Status, placed.Reason, placed.Message = metav1.ConditionFalse, v1alpha1.ReasonNoClusterFits, "no cluster fits"
	}
	status, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&v1alpha1.PlacementStatus{
		ObservedGeneration: u.GetGeneration(), Targets: targets, Conditions: []metav1.Condition{placed},
	})
	if err != nil {
		panic(err)
	}
	u = u.DeepCopy()
	u.Object["status"] = status
	names := ""
	for _, t := range targets {
		names += fmt.Sprintf(" %s(leaving %t)", t.Cluster, t.Leaving)
	}
	w.scheduler.note("placement of %s/%s:%s", tenant.name, ns, names)
	_, _ = w.do(tenant, "placement", &apisim.Request{Verb: apisim.Update, Subresource: "status", Object: u})
}

// alive returns the processes that run.
func (w *simWorld) alive() []*process {
	var alive []*process
	for _, p := range w.processes {
		if !p.dead {
			alive = append(alive, p)
		}
	}
	return alive
}

// where returns where the copy of an original stands.
func (w *simWorld) where(tenant string, original *unstructured.Unstructured) (namespace, name string) {
	return w.pipeline.Locate(original.GroupVersionKind(), transform.Origin{LogicalCluster: tenant, Namespace: original.GetNamespace(), Name: original.GetName()})
}

func (w *simWorld) broken() bool { return len(w.checker.violations) > 0 }
