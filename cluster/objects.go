package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tmc-sdk/tmc/cluster/internal/follow"
	"github.com/tmc-sdk/tmc/cluster/internal/patient"
	"github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

// ObjectsOption changes how a source of PhysicalCluster objects works.
type ObjectsOption func(*objects)

// WithTrust sets what the kubeconfigs in the Secrets may make the controller
// do. By default: nothing.
func WithTrust(t Trust) ObjectsOption { return func(o *objects) { o.trust = t } }

// Mailboxes finds the mailboxes of clusters in pull mode. *pull.Workspaces is one.
type Mailboxes interface {
	// Config returns the way to a cluster's mailbox, with the rights to read and
	// write there what goes to the cluster. An error means that there is none yet,
	// or that it can't be told: it is asked again.
	Config(ctx context.Context, cluster string) (*rest.Config, error)
}

// WithMailboxes says where the mailboxes are of PhysicalClusters in pull mode that
// name no Secret. By default nowhere: such clusters are not ready.
func WithMailboxes(m Mailboxes) ObjectsOption { return func(o *objects) { o.mailboxes = m } }

// FromObjects returns a source of the PhysicalCluster objects in the workspace
// (or cluster) that the config leads to, with the kubeconfigs in the Secrets
// that they name. Both are watched: what changes takes effect at once, new
// credentials too.
//
// It needs get, list and watch on physicalclusters, and on the Secrets of the
// namespaces that the objects name. A cluster leaves the fleet when its object
// was deleted, which is read live; an object that a list does not show is not
// thereby deleted.
func FromObjects(cfg *rest.Config, opts ...ObjectsOption) Source {
	o := &objects{config: cfg}
	for _, opt := range opts {
		opt(o)
	}
	return o
}

type objects struct {
	config    *rest.Config
	trust     Trust
	mailboxes Mailboxes
}

var _ Source = (*objects)(nil)

// Name implements Source.
func (*objects) Name() string { return "objects" }

// Run implements Source.
func (o *objects) Run(ctx context.Context, sink Sink) error {
	if o.config == nil {
		return errors.New("read PhysicalClusters: no config")
	}
	// Watches wait for a server that is down; who reads live hears of it.
	c, err := newObjectsClient(patient.Config(o.config, follow.Lists("physicalclusters", "secrets")))
	if err != nil {
		return err
	}
	l := newObjectsLoop(c, o.trust, sink)
	l.mailboxes = o.mailboxes
	return l.run(ctx)
}

// newObjectsClient reads PhysicalClusters and Secrets.
func newObjectsClient(cfg *rest.Config) (client.WithWatch, error) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("build scheme: %w", err)
	}
	if err := corev1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("build scheme: %w", err)
	}
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(v1alpha1.GroupVersion.WithKind("PhysicalCluster"), meta.RESTScopeRoot)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Secret"), meta.RESTScopeNamespace)
	c, err := client.NewWithWatch(cfg, client.Options{Scheme: scheme, Mapper: mapper})
	if err != nil {
		return nil, fmt.Errorf("build client: %w", err)
	}
	return c, nil
}

// registrationOf turns an object and the Secret that it names into what the
// fleet needs. secretErr says why there is no Secret.
func registrationOf(pc *v1alpha1.PhysicalCluster, secret *corev1.Secret, secretErr error, trust Trust) Registration {
	reg := registered(pc)
	ref := secretRef(pc)
	if secretErr != nil {
		reg.Err = fmt.Errorf("read Secret %s/%s: %w", ref.Namespace, ref.Name, secretErr)
		return reg
	}
	data, ok := secret.Data[ref.Key]
	if !ok {
		reg.Err = fmt.Errorf("put a kubeconfig under key %q of Secret %s/%s: the key is missing", ref.Key, ref.Namespace, ref.Name)
		return reg
	}
	if reg.Config, reg.Err = LoadKubeconfig(data, trust); reg.Err != nil {
		reg.Err = fmt.Errorf("key %q of Secret %s/%s: %w", ref.Key, ref.Namespace, ref.Name, reg.Err)
	}
	return reg
}

// registered is what an object says of a cluster, but for the way to it.
func registered(pc *v1alpha1.PhysicalCluster) Registration {
	reg := Registration{
		Name:       pc.Name,
		Pull:       pc.Spec.Connection.Mode == v1alpha1.ConnectionPull,
		Labels:     maps.Clone(pc.Labels),
		Region:     pc.Spec.Region,
		Zone:       pc.Spec.Zone,
		Provider:   pc.Spec.Provider,
		Properties: maps.Clone(pc.Spec.Properties),
		// Who deletes the object wants no new work there.
		Unschedulable: pc.Spec.Unschedulable || pc.DeletionTimestamp != nil,
		Drain:         pc.Spec.Drain || (pc.DeletionTimestamp != nil && pc.Spec.Removal != v1alpha1.RemovalAbandon),
		CreatedAt:     pc.CreationTimestamp.Time,
		LastUID:       pc.Status.ClusterUID,
		generation:    pc.Generation,
	}
	for i := range pc.Spec.Taints {
		reg.Taints = append(reg.Taints, *pc.Spec.Taints[i].DeepCopy())
	}
	if c := meta.FindStatusCondition(pc.Status.Conditions, v1alpha1.ConditionReachable); c != nil && c.Status == metav1.ConditionFalse {
		reg.UnreachableSince = c.LastTransitionTime.Time
	}
	return reg
}

// secretRef returns the reference with its default.
func secretRef(pc *v1alpha1.PhysicalCluster) v1alpha1.SecretReference {
	ref := pc.Spec.Connection.SecretRef
	if ref.Key == "" {
		ref.Key = "kubeconfig"
	}
	return ref
}

// liveTimeout bounds one live read.
const liveTimeout = 15 * time.Second
