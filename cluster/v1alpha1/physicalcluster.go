package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// PhysicalCluster registers one physical cluster with the fleet.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=tmc,shortName=pcl
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Schedulable",type=string,JSONPath=`.status.conditions[?(@.type=="Schedulable")].status`
// +kubebuilder:printcolumn:name="Region",type=string,JSONPath=`.spec.region`
// +kubebuilder:printcolumn:name="Zone",type=string,JSONPath=`.spec.zone`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.status.version`
// +kubebuilder:printcolumn:name="CPU",type=string,JSONPath=`.status.capacity.allocatable.cpu`,priority=1
// +kubebuilder:printcolumn:name="Memory",type=string,JSONPath=`.status.capacity.allocatable.memory`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type PhysicalCluster struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec PhysicalClusterSpec `json:"spec"`
	// +optional
	Status PhysicalClusterStatus `json:"status,omitempty"`
}

// PhysicalClusterList is a list of PhysicalClusters.
//
// +kubebuilder:object:root=true
type PhysicalClusterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []PhysicalCluster `json:"items"`
}

// PhysicalClusterSpec is what the platform team says of a cluster. The labels
// that placements select by are those of the PhysicalCluster object itself.
type PhysicalClusterSpec struct {
	// connection says how to reach the cluster's API server.
	Connection Connection `json:"connection"`

	// region the cluster runs in, for spreading and for topology rules.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Region string `json:"region,omitempty"`

	// zone the cluster runs in. Leave it empty for a cluster that spans zones.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Zone string `json:"zone,omitempty"`

	// provider is the infrastructure that the cluster runs on.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Provider string `json:"provider,omitempty"`

	// properties are facts about the cluster that filters and scorers may use:
	// cost, energy, a generation of hardware. A value that is a Kubernetes
	// quantity ("0.35", "12Gi") can also be compared as a number.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Properties map[string]string `json:"properties,omitempty"`

	// taints repel placements that do not tolerate them: NoSchedule keeps new
	// work away, PreferNoSchedule makes the cluster a poor choice, NoExecute
	// also moves away work that is there. One that names a workspace concerns
	// the work of that tenant alone.
	// +optional
	// +kubebuilder:validation:MaxItems=256
	// +listType=map
	// +listMapKey=key
	// +listMapKey=effect
	// +listMapKey=workspace
	Taints []Taint `json:"taints,omitempty"`

	// unschedulable cordons the cluster: it takes no new work and keeps what
	// it has.
	// +optional
	Unschedulable bool `json:"unschedulable,omitempty"`

	// drain moves all work off the cluster, within the disruption budget.
	// A draining cluster takes no new work.
	// +optional
	Drain bool `json:"drain,omitempty"`

	// removal says what becomes of the work on the cluster when this object is
	// deleted. Drain: the object stays until all work has left, as with drain.
	// Abandon: the object goes at once, and what runs on the cluster stays
	// there, without anybody to look after it.
	// +optional
	// +kubebuilder:default=Drain
	Removal RemovalPolicy `json:"removal,omitempty"`
}

// RemovalPolicy says what becomes of the work on a cluster that is removed.
//
// +kubebuilder:validation:Enum=Drain;Abandon
type RemovalPolicy string

const (
	// RemovalDrain keeps the object until all work has left the cluster.
	RemovalDrain RemovalPolicy = "Drain"
	// RemovalAbandon leaves the work where it is.
	RemovalAbandon RemovalPolicy = "Abandon"
)

// Finalizer keeps a PhysicalCluster from being deleted while work is left on
// the cluster.
const Finalizer = Group + "/work"

// Connection says how work gets to a cluster.
//
// +kubebuilder:validation:XValidation:rule="self.mode == 'Pull' || has(self.secretRef)",message="secretRef is required unless mode is Pull"
// +kubebuilder:validation:XValidation:rule="self.mode == oldSelf.mode",message="mode is immutable: register the cluster under another name"
type Connection struct {
	// mode says who reaches whom. Push: the controller reaches the cluster's API
	// server. Pull: an agent in the cluster fetches its work from the cluster's
	// mailbox, and nobody reaches the cluster.
	// +optional
	// +kubebuilder:default=Push
	Mode ConnectionMode `json:"mode,omitempty"`

	// secretRef names a Secret with a kubeconfig: in push mode of the cluster, in
	// pull mode of its mailbox, which is then an API server that somebody else
	// runs. Without it, in pull mode, the mailbox is a workspace that the
	// controller makes. The kubeconfig's current context is used. The Secret is
	// read again whenever it changes, so credentials rotate without a restart.
	// +optional
	SecretRef SecretReference `json:"secretRef,omitzero"`
}

// ConnectionMode says who reaches whom.
//
// +kubebuilder:validation:Enum=Push;Pull
type ConnectionMode string

const (
	// ConnectionPush has the controller reach the cluster.
	ConnectionPush ConnectionMode = "Push"
	// ConnectionPull has an agent in the cluster reach the cluster's mailbox.
	ConnectionPull ConnectionMode = "Pull"
)

// SecretReference names one key of a Secret in the same workspace.
type SecretReference struct {
	// namespace of the Secret.
	// +kubebuilder:validation:MinLength=1
	Namespace string `json:"namespace"`
	// name of the Secret.
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`
	// key in the Secret's data.
	// +optional
	// +kubebuilder:default=kubeconfig
	Key string `json:"key,omitempty"`
}

// Taint repels placements that do not tolerate it. It is a Node's taint, one
// level up, and means the same.
type Taint struct {
	// key of the taint, a qualified name.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	Key string `json:"key"`
	// value of the taint.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Value string `json:"value,omitempty"`
	// effect on placements that do not tolerate the taint.
	// +kubebuilder:validation:Enum=NoSchedule;PreferNoSchedule;NoExecute
	Effect corev1.TaintEffect `json:"effect"`
	// workspace is the logical cluster whose work alone the taint concerns, by its
	// name and not by its path. Empty: that of all.
	// +optional
	// +kubebuilder:default=""
	// +kubebuilder:validation:MaxLength=63
	Workspace string `json:"workspace,omitempty"`
	// timeAdded is when the taint was added; tolerationSeconds count from it.
	// +optional
	TimeAdded *metav1.Time `json:"timeAdded,omitempty"`
}

// Conditions of a PhysicalCluster.
const (
	// ConditionReachable says whether the cluster's API server answers.
	ConditionReachable = "Reachable"
	// ConditionIdentified says whether it is known which cluster answers. Its
	// reason is Rebuilt if it is another one than once before.
	ConditionIdentified = "Identified"
	// ConditionReady says whether the cluster can run work: it is reachable,
	// its identity is known, and its capacity and APIs have been read.
	ConditionReady = "Ready"
	// ConditionSchedulable says whether new work may be placed on it.
	ConditionSchedulable = "Schedulable"
	// ConditionDegraded says whether something is wrong with the cluster, or
	// soon will be, though it can run work: nodes that are not ready, an expiring
	// certificate. A cluster that was never degraded does not have it.
	ConditionDegraded = "Degraded"
	// ConditionDrained says whether all work has left a cluster that is drained
	// or being removed. Others do not have it.
	ConditionDrained = "Drained"
)

// Taints that the fleet itself sets on a cluster's State; they are not
// written into the spec.
const (
	// TaintUnreachable (NoSchedule at once, NoExecute after the grace period)
	// is on a cluster whose API server does not answer.
	TaintUnreachable = Group + "/unreachable"
	// TaintUnschedulable (NoSchedule) is on a cordoned cluster.
	TaintUnschedulable = Group + "/unschedulable"
	// TaintDraining (NoSchedule and NoExecute) is on a draining cluster.
	TaintDraining = Group + "/draining"
)

// TaintEvicted (NoExecute) is what an eviction writes into the spec: work that
// does not tolerate it leaves, and may return once the taint is removed. With a
// workspace it evicts one tenant.
const TaintEvicted = Group + "/evicted"

// PhysicalClusterStatus is what the fleet learned of a cluster.
type PhysicalClusterStatus struct {
	// observedGeneration is the generation of the spec that this status is of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions: Reachable, Identified, Ready, Schedulable; Degraded once the
	// cluster was, and Drained while it is drained or being removed.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// clusterUID is the UID of the cluster's kube-system namespace: the
	// identity of the cluster behind the endpoint. A cluster that is rebuilt
	// behind the same endpoint has another one.
	// +optional
	ClusterUID types.UID `json:"clusterUID,omitempty"`

	// version of Kubernetes that the cluster's API server reports.
	// +optional
	Version string `json:"version,omitempty"`

	// capacity of the cluster, summed over its schedulable nodes.
	// +optional
	Capacity *Capacity `json:"capacity,omitempty"`

	// apis that the cluster serves among those that the fleet was asked to
	// look for, as "deployments.v1.apps" or "services.v1.".
	// +optional
	// +listType=set
	APIs []string `json:"apis,omitempty"`

	// work that is left on a cluster that is drained or being removed; where
	// tenants are evicted and nothing else, theirs.
	// +optional
	Work *Work `json:"work,omitempty"`
}

// Work is what is left on a cluster.
type Work struct {
	// copies of tenants' objects.
	Copies int32 `json:"copies"`
	// tenants that the copies belong to.
	Tenants int32 `json:"tenants"`
}

// Capacity of a cluster.
type Capacity struct {
	// nodes that are ready and schedulable.
	Nodes int32 `json:"nodes"`
	// allocatable sums what these nodes offer to pods.
	// +optional
	Allocatable map[corev1.ResourceName]resource.Quantity `json:"allocatable,omitempty"`
	// allocated sums the requests of the pods on them.
	// +optional
	Allocated map[corev1.ResourceName]resource.Quantity `json:"allocated,omitempty"`
	// used is what these nodes use of cpu and memory, where metrics-server tells.
	// +optional
	Used map[corev1.ResourceName]resource.Quantity `json:"used,omitempty"`
	// usedAt is when the oldest of what used sums was measured.
	// +optional
	UsedAt *metav1.Time `json:"usedAt,omitempty"`
}
