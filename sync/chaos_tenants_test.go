package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

const (
	movedNamespace   = "default" // has a Placement of the tenant's own, that changes
	defaultNamespace = "team"    // has none: the platform's default applies
	squatNamespace   = "squat"   // foreign objects stand where its copies would go
	ownPlacement     = "own"
	chaosNames       = 5 // of Deployments, in each namespace
	chaosSettingsMax = 2 // of ConfigMaps that they mention
	labelVersion     = "version"
)

// A chaosTenant works in a workspace, and knows what should be in it.
type chaosTenant struct {
	n     int
	ws    tmcenvtest.Workspace
	cl    client.Client
	truth *truth

	mu      sync.Mutex
	works   map[client.ObjectKey]*work  // what has not been deleted
	configs map[client.ObjectKey]string // ConfigMaps and their value
	deeds   map[string]int
	wrong   []string // what a tenant saw that must never be
}

// work is a Deployment as its owner wants it.
type work struct {
	uid      types.UID
	replicas int64
	version  string
	mentions string // a ConfigMap
	foreign  bool   // something of others stands where its copy would go
}

func newChaosTenant(n int, ws tmcenvtest.Workspace, cl client.Client, truth *truth) *chaosTenant {
	return &chaosTenant{
		n: n, ws: ws, cl: cl, truth: truth,
		works: map[client.ObjectKey]*work{}, configs: map[client.ObjectKey]string{}, deeds: map[string]int{},
	}
}

// persist tries until it works: a tenant's request may meet a kcp that is
// killed, and its answer be lost.
func (t *chaosTenant) persist(deed string, try func(ctx context.Context) error) {
	var err error
	for end := time.Now().Add(chaosCalm); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), chaosPatience)
		err = try(ctx)
		cancel()
		if err == nil {
			t.mu.Lock()
			t.deeds[deed]++
			t.mu.Unlock()
			return
		}
	}
	t.complain("tenant %d can't %s: %v", t.n, deed, err)
}

func (t *chaosTenant) complain(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wrong = append(t.wrong, fmt.Sprintf(format, args...))
}

// moveIn makes what is there before the trouble begins.
func (t *chaosTenant) moveIn(ctx context.Context) error {
	for _, ns := range []string{movedNamespace, defaultNamespace} {
		err := t.cl.Create(ctx, object(namespaceKind, "", ns))
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
		for i := range chaosSettingsMax {
			cm := configMap("settings-"+strconv.Itoa(i), "0")
			cm.SetNamespace(ns)
			if err := t.cl.Create(ctx, cm); err != nil {
				return err
			}
			t.configs[client.ObjectKeyFromObject(cm)] = "0"
		}
	}
	return t.place(ctx, movedNamespace, chaosClusters...)
}

// place writes the tenant's Placement of a namespace.
func (t *chaosTenant) place(ctx context.Context, ns string, clusters ...string) error {
	p := &v1alpha1.Placement{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: ownPlacement}}
	p.Spec = v1alpha1.PlacementSpec{
		Clusters: &v1alpha1.ClusterSelector{Names: clusters},
		Count:    &v1alpha1.Count{},
		Division: &v1alpha1.Division{Type: v1alpha1.DivisionEven},
	}
	obj := object(placementKind, ns, ownPlacement)
	err := t.cl.Get(ctx, client.ObjectKeyFromObject(obj), obj)
	if apierrors.IsNotFound(err) {
		obj = &unstructured.Unstructured{Object: toMap(p)}
		obj.SetGroupVersionKind(placementKind)
		return t.cl.Create(ctx, obj)
	}
	if err != nil {
		return err
	}
	obj.Object["spec"] = toMap(p)["spec"]
	return t.cl.Update(ctx, obj)
}

// work goes on until ctx ends, and ends what it began.
func (t *chaosTenant) work(ctx context.Context, d *rand.Rand) {
	for pause(ctx, time.Duration(50+d.IntN(250))*time.Millisecond) {
		ns := []string{movedNamespace, defaultNamespace}[d.IntN(2)]
		key := client.ObjectKey{Namespace: ns, Name: "web-" + strconv.Itoa(d.IntN(chaosNames))}
		w := t.works[key]
		switch roll := d.IntN(100); {
		case roll < 6:
			var chosen []string
			for _, i := range d.Perm(len(chaosClusters))[:1+d.IntN(len(chaosClusters))] {
				chosen = append(chosen, chaosClusters[i])
			}
			t.persist("move", func(ctx context.Context) error { return t.place(ctx, movedNamespace, chosen...) })
		case roll < 14:
			cm := client.ObjectKey{Namespace: ns, Name: "settings-" + strconv.Itoa(d.IntN(chaosSettingsMax))}
			t.configure(cm, strconv.Itoa(d.IntN(1_000_000)))
		case w == nil:
			w = &work{replicas: int64(1 + d.IntN(5)), version: strconv.Itoa(d.IntN(1_000_000))}
			if d.IntN(2) == 0 {
				w.mentions = "settings-" + strconv.Itoa(d.IntN(chaosSettingsMax))
			}
			t.create(key, w)
		case roll < 30:
			t.remove(key, w)
		default:
			t.change(key, w, int64(1+d.IntN(5)), strconv.Itoa(d.IntN(1_000_000)))
		}
	}
}

func (t *chaosTenant) create(key client.ObjectKey, w *work) {
	d := deployment(key.Name, w.replicas)
	d.SetNamespace(key.Namespace)
	d.SetLabels(map[string]string{labelVersion: w.version})
	if w.mentions != "" {
		mentioning(d, w.mentions)
	}
	container := d.Object["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)["containers"].([]any)[0].(map[string]any)
	container["resources"] = map[string]any{"requests": map[string]any{"cpu": "10m"}}
	t.persist("create", func(ctx context.Context) error {
		obj := d.DeepCopy()
		err := t.cl.Create(ctx, obj)
		if !apierrors.IsAlreadyExists(err) {
			w.uid = obj.GetUID()
			return err
		}
		// Either the last one is not gone yet, or the answer to our own request
		// was lost: nobody else creates here.
		if err := t.cl.Get(ctx, key, obj); err != nil {
			return err
		}
		if obj.GetDeletionTimestamp() != nil || obj.GetLabels()[labelVersion] != w.version {
			return errors.New("the one before is still going")
		}
		w.uid = obj.GetUID()
		return nil
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	t.works[key] = w
}

func (t *chaosTenant) change(key client.ObjectKey, w *work, replicas int64, version string) {
	t.persist("change", func(ctx context.Context) error {
		obj := object(deploymentKind, key.Namespace, key.Name)
		err := t.cl.Get(ctx, key, obj)
		if apierrors.IsNotFound(err) || err == nil && (obj.GetUID() != w.uid || obj.GetDeletionTimestamp() != nil) {
			t.complain("original lost: %s of tenant %d, which nobody deleted: %v", key, t.n, err)
			return nil
		}
		if err != nil {
			return err
		}
		labels := obj.GetLabels()
		labels[labelVersion] = version
		obj.SetLabels(labels)
		if err := unstructured.SetNestedField(obj.Object, replicas, "spec", "replicas"); err != nil {
			return err
		}
		return t.cl.Update(ctx, obj)
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	w.replicas, w.version = replicas, version
}

func (t *chaosTenant) remove(key client.ObjectKey, w *work) {
	t.mu.Lock()
	delete(t.works, key)
	t.mu.Unlock()
	t.truth.intend(w.uid)
	t.persist("delete", func(ctx context.Context) error {
		err := t.cl.Delete(ctx, object(deploymentKind, key.Namespace, key.Name), client.Preconditions{UID: &w.uid})
		if apierrors.IsConflict(err) {
			return nil // the answer was lost, and it is gone
		}
		return client.IgnoreNotFound(err)
	})
}

func (t *chaosTenant) configure(key client.ObjectKey, value string) {
	t.persist("configure", func(ctx context.Context) error {
		cm := object(configMapKind, key.Namespace, key.Name)
		if err := t.cl.Get(ctx, key, cm); err != nil {
			return err
		}
		cm.Object["data"] = map[string]any{"key": value}
		return t.cl.Update(ctx, cm)
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	t.configs[key] = value
}

// deeds says how much was done.
func (c *chaos) deeds() string {
	sum := map[string]int{}
	for _, t := range c.tenants {
		for deed, n := range t.deeds {
			sum[deed] += n
		}
	}
	var parts []string
	for _, deed := range slices.Sorted(maps.Keys(sum)) {
		parts = append(parts, fmt.Sprintf("%s %d", deed, sum[deed]))
	}
	return strings.Join(parts, ", ")
}
