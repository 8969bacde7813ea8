package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MostLevels bounds the levels of a spread, as the schema does.
const MostLevels = 4

// PlacementSpec says which objects a Placement covers, on which clusters they
// may go, on how many of them, and how replicas are divided.
//
// The zero value covers the whole namespace, admits every cluster and places
// the work on one of them.
//
// +kubebuilder:validation:XValidation:rule="!has(self.spread) || !has(self.count) || !has(self.count.max) || self.spread.all(s, !has(s.minGroups) || (has(s.whenUnsatisfiable) && s.whenUnsatisfiable == 'ScheduleAnyway') || s.minGroups <= self.count.max)",message="spread.minGroups must not be greater than count.max: every group needs a cluster"
// +kubebuilder:validation:XValidation:rule="!has(self.spread) || !has(self.count) || !has(self.count.min) || self.spread.all(s, s.topologyKey != 'cluster' || !has(s.maxGroups) || (has(s.whenUnsatisfiable) && s.whenUnsatisfiable == 'ScheduleAnyway') || s.maxGroups >= self.count.min)",message="spread.maxGroups over clusters must not be less than count.min"
type PlacementSpec struct {
	// resources that the placement covers. Empty: everything in the namespace
	// that is synced and that no more specific placement covers. An object
	// that several placements cover belongs to the one that names it, then to
	// one that selects it by labels or kind, then to one of the whole
	// namespace; among equals to the oldest, then to the first by name.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Resources []ResourceSelector `json:"resources,omitempty"`

	// clusters that the work may go to. Absent: all.
	// +optional
	Clusters *ClusterSelector `json:"clusters,omitempty"`

	// tolerations let the work go to clusters with matching taints.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Tolerations []Toleration `json:"tolerations,omitempty"`

	// preferred clusters score higher.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Preferred []Preference `json:"preferred,omitempty"`

	// scoring says what makes one cluster better than another. Absent: what
	// the platform says.
	// +optional
	Scoring *Scoring `json:"scoring,omitempty"`

	// affinity draws the work to where that of other Placements is.
	// +optional
	Affinity *Affinity `json:"affinity,omitempty"`

	// antiAffinity keeps the work from where that of other Placements is, and
	// the work of others, once placed, from where this is.
	// +optional
	AntiAffinity *Affinity `json:"antiAffinity,omitempty"`

	// count bounds the number of clusters. Absent: exactly one, or what spread
	// demands.
	// +optional
	Count *Count `json:"count,omitempty"`

	// spread over failure domains, several levels at once.
	// +optional
	// +listType=map
	// +listMapKey=topologyKey
	// +kubebuilder:validation:MaxItems=4
	Spread []Spread `json:"spread,omitempty"`

	// division of replicas over the chosen clusters. Absent: Duplicated.
	// +optional
	Division *Division `json:"division,omitempty"`

	// reservePercent of what each cluster can allocate stays free beside the work.
	// Where the platform keeps more free, that counts: it can be raised and not
	// lowered here. Work that is placed stays when its cluster fills up.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	ReservePercent *int32 `json:"reservePercent,omitempty"`

	// overrides change what is applied on chosen clusters, in order; what the
	// platform changes or refuses on the way comes after them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Overrides []Override `json:"overrides,omitempty"`

	// moves says how work leaves a cluster. Absent: make before break.
	// +optional
	Moves *MovePolicy `json:"moves,omitempty"`

	// rollout says how a changed template spreads over clusters. Absent: to all at
	// once.
	// +optional
	Rollout *Rollout `json:"rollout,omitempty"`

	// priority among Placements: where not all fit, the higher goes first.
	// +optional
	// +kubebuilder:validation:Minimum=-1000000
	// +kubebuilder:validation:Maximum=1000000
	Priority int32 `json:"priority,omitempty"`

	// preemptionPolicy: Never (the default), or PreemptLowerPriority to have
	// others of a lower priority leave where nothing else makes room.
	// +optional
	PreemptionPolicy PreemptionPolicy `json:"preemptionPolicy,omitempty"`

	// suspend keeps the decision and the copies as they are.
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	// dryRun keeps the decision as it is and shows in status.preview what it
	// would be.
	// +optional
	DryRun bool `json:"dryRun,omitempty"`

	// scheduler that chooses the clusters. Absent: the controller of the
	// platform. The choice of any other is read from PlacementDecisions of
	// multicluster.x-k8s.io in the namespace of the Placement that bear its name
	// in the label multicluster.x-k8s.io/placement-key and the scheduler in
	// schedulerName. What the platform allows, and whether a cluster takes the
	// work, is not the scheduler's to say.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Scheduler string `json:"scheduler,omitempty"`
}

// ResourceSelector selects objects by group and kind, and by name or labels.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.name) && has(self.labelSelector))",message="name and labelSelector exclude each other"
type ResourceSelector struct {
	// group of the objects; empty for the core group.
	// +optional
	Group string `json:"group,omitempty"`
	// kind of the objects.
	// +kubebuilder:validation:MinLength=1
	Kind string `json:"kind"`
	// name of the one object.
	// +optional
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name,omitempty"`
	// labelSelector over the objects' labels.
	// +optional
	LabelSelector *metav1.LabelSelector `json:"labelSelector,omitempty"`
}

// ClusterSelector selects physical clusters. All its parts must match.
type ClusterSelector struct {
	// names of the clusters; empty for all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	Names []string `json:"names,omitempty"`
	// matchLabels must all be on the cluster.
	// +optional
	MatchLabels map[string]string `json:"matchLabels,omitempty"`
	// matchExpressions over the cluster's labels must all hold.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	MatchExpressions []Requirement `json:"matchExpressions,omitempty"`
	// matchProperties over the cluster's properties must all hold.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	MatchProperties []Requirement `json:"matchProperties,omitempty"`
	// expression in CEL over `cluster` and `request` must be true.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Expression string `json:"expression,omitempty"`
}

// Operator compares a label or a property with values.
//
// +kubebuilder:validation:Enum=In;NotIn;Exists;DoesNotExist;Gt;Lt;SemVer
type Operator string

// Operators.
const (
	// OpIn: the value is one of the values.
	OpIn Operator = "In"
	// OpNotIn: the value is none of the values, or there is none.
	OpNotIn Operator = "NotIn"
	// OpExists: there is a value.
	OpExists Operator = "Exists"
	// OpDoesNotExist: there is no value.
	OpDoesNotExist Operator = "DoesNotExist"
	// OpGt: the value is a quantity greater than the one value.
	OpGt Operator = "Gt"
	// OpLt: the value is a quantity less than the one value.
	OpLt Operator = "Lt"
	// OpSemVer: the value is a semantic version within the one value, a range
	// such as ">=1.34.0 <1.37.0".
	OpSemVer Operator = "SemVer"
)

// Requirement is one rule over a label or property.
//
// +kubebuilder:validation:XValidation:rule="self.operator in ['Exists','DoesNotExist'] ? !has(self.values) || size(self.values) == 0 : has(self.values) && size(self.values) > 0",message="In, NotIn, Gt, Lt and SemVer need values; Exists and DoesNotExist take none"
// +kubebuilder:validation:XValidation:rule="!(self.operator in ['Gt','Lt','SemVer']) || (has(self.values) && size(self.values) == 1)",message="Gt, Lt and SemVer take exactly one value"
// +kubebuilder:validation:XValidation:rule="!(self.operator in ['Gt','Lt']) || !has(self.values) || size(self.values) != 1 || isQuantity(self.values[0])",message="Gt and Lt compare with a quantity"
// +kubebuilder:validation:XValidation:rule="self.operator != 'SemVer' || !has(self.values) || size(self.values) != 1 || self.values[0].matches('[0-9]')",message="SemVer takes a range of versions, such as >=1.34.0 <1.37.0"
type Requirement struct {
	// key of the label or property.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	Key string `json:"key"`
	// operator that compares.
	Operator Operator `json:"operator"`
	// values to compare with.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=317
	Values []string `json:"values,omitempty"`
}

// Toleration tolerates taints, as a Pod's toleration does.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.operator) && self.operator == 'Exists') || !has(self.value) || size(self.value) == 0",message="operator Exists takes no value"
// +kubebuilder:validation:XValidation:rule="(has(self.key) && size(self.key) > 0) || (has(self.operator) && self.operator == 'Exists')",message="a toleration without a key needs operator Exists: it tolerates every taint"
// +kubebuilder:validation:XValidation:rule="!has(self.tolerationSeconds) || !has(self.effect) || self.effect == 'NoExecute'",message="tolerationSeconds goes with effect NoExecute alone"
type Toleration struct {
	// key of the taint; empty with operator Exists tolerates every taint.
	// +optional
	Key string `json:"key,omitempty"`
	// operator: Equal (the default) or Exists.
	// +optional
	// +kubebuilder:validation:Enum=Equal;Exists
	Operator corev1.TolerationOperator `json:"operator,omitempty"`
	// value of the taint, for Equal.
	// +optional
	Value string `json:"value,omitempty"`
	// effect to tolerate; empty for all.
	// +optional
	// +kubebuilder:validation:Enum=NoSchedule;PreferNoSchedule;NoExecute
	Effect corev1.TaintEffect `json:"effect,omitempty"`
	// tolerationSeconds bounds how long a NoExecute taint is tolerated, from
	// the time it was added. Absent: for ever.
	// +optional
	// +kubebuilder:validation:Minimum=0
	TolerationSeconds *int64 `json:"tolerationSeconds,omitempty"`
}

// Preference raises or lowers the score of the clusters that it selects.
type Preference struct {
	// weight, added to the preference score of the clusters selected.
	// +kubebuilder:validation:Minimum=-100
	// +kubebuilder:validation:Maximum=100
	Weight int32 `json:"weight"`
	// clusters that are preferred.
	Clusters ClusterSelector `json:"clusters"`
}

// Count bounds a number of clusters.
//
// +kubebuilder:validation:XValidation:rule="!has(self.max) || !has(self.min) || self.min <= self.max",message="min must not be greater than max"
type Count struct {
	// min is the least number of clusters; fewer is no decision. Default 1.
	// +optional
	// +kubebuilder:validation:Minimum=1
	Min *int32 `json:"min,omitempty"`
	// max is the greatest number of clusters. Absent: every cluster that fits.
	// +optional
	// +kubebuilder:validation:Minimum=1
	Max *int32 `json:"max,omitempty"`
}

// Topology keys with a meaning of their own. Any other key is looked up in the
// labels of the cluster, then in its properties.
const (
	// TopologyRegion is the cluster's region.
	TopologyRegion = "region"
	// TopologyZone is the cluster's zone.
	TopologyZone = "zone"
	// TopologyProvider is the cluster's provider.
	TopologyProvider = "provider"
)

// Spread demands that the chosen clusters lie in several failure domains.
//
// +kubebuilder:validation:XValidation:rule="!has(self.maxGroups) || !has(self.minGroups) || self.minGroups <= self.maxGroups",message="minGroups must not be greater than maxGroups"
type Spread struct {
	// topologyKey that groups the clusters: region, zone, provider, or the
	// name of a label or property. Clusters without a value do not fit a hard
	// spread.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	TopologyKey string `json:"topologyKey"`
	// minGroups is the least number of groups. Default 1.
	// +optional
	// +kubebuilder:validation:Minimum=1
	MinGroups *int32 `json:"minGroups,omitempty"`
	// maxGroups is the greatest number of groups. Absent: no bound.
	// +optional
	// +kubebuilder:validation:Minimum=1
	MaxGroups *int32 `json:"maxGroups,omitempty"`
	// maxSkew bounds by how many clusters two chosen groups may differ.
	// Absent: no bound.
	// +optional
	// +kubebuilder:validation:Minimum=1
	MaxSkew *int32 `json:"maxSkew,omitempty"`
	// whenUnsatisfiable: DoNotSchedule (the default) or ScheduleAnyway.
	// +optional
	// +kubebuilder:validation:Enum=DoNotSchedule;ScheduleAnyway
	WhenUnsatisfiable corev1.UnsatisfiableConstraintAction `json:"whenUnsatisfiable,omitempty"`
}

// DivisionType says how replicas are divided.
//
// +kubebuilder:validation:Enum=Duplicated;Even;Weighted;Capacity;Packed
type DivisionType string

// Ways to divide replicas.
const (
	// DivisionDuplicated gives every cluster all replicas.
	DivisionDuplicated DivisionType = "Duplicated"
	// DivisionEven gives every cluster the same share.
	DivisionEven DivisionType = "Even"
	// DivisionWeighted gives shares by the weights below.
	DivisionWeighted DivisionType = "Weighted"
	// DivisionCapacity gives shares by free capacity.
	DivisionCapacity DivisionType = "Capacity"
	// DivisionPacked fills as few clusters as possible.
	DivisionPacked DivisionType = "Packed"
)

// Division says how replicas are divided over the chosen clusters. The parts
// always sum to the object's replicas.
//
// +kubebuilder:validation:XValidation:rule="self.type == 'Weighted' || !has(self.weights)",message="weights go with type Weighted"
// +kubebuilder:validation:XValidation:rule="self.type != 'Duplicated' || (!has(self.minPerCluster) && !has(self.maxPerCluster))",message="minPerCluster and maxPerCluster bound what is divided: they do not go with type Duplicated"
// +kubebuilder:validation:XValidation:rule="!has(self.minPerCluster) || !has(self.maxPerCluster) || self.minPerCluster <= self.maxPerCluster",message="minPerCluster must not be greater than maxPerCluster"
type Division struct {
	// type of division.
	Type DivisionType `json:"type"`
	// weights of clusters, for Weighted; the first entry that selects a
	// cluster gives its weight, 1 where none does.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Weights []ClusterWeight `json:"weights,omitempty"`
	// minPerCluster replicas for every chosen cluster.
	// +optional
	// +kubebuilder:validation:Minimum=0
	MinPerCluster *int32 `json:"minPerCluster,omitempty"`
	// maxPerCluster replicas on any cluster.
	// +optional
	// +kubebuilder:validation:Minimum=1
	MaxPerCluster *int32 `json:"maxPerCluster,omitempty"`
}

// ClusterWeight gives clusters a weight.
type ClusterWeight struct {
	// clusters that get the weight.
	Clusters ClusterSelector `json:"clusters"`
	// weight, in proportion to the weights of the others; 0 gives no replicas.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	Weight int32 `json:"weight"`
}
