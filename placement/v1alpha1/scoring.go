package v1alpha1

// Scoring says which of the fitting clusters are better.
//
// The score of a cluster is the mean of what all scorers give it, 0 to 100, by
// their weights.
type Scoring struct {
	// weights of scorers of the platform for this placement, by name; 0 takes
	// one out. Those not named keep the weight that the platform gives them.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Weights []ScorerWeight `json:"weights,omitempty"`
	// properties of clusters that count, such as cost, carbon or latency.
	// +optional
	// +listType=map
	// +listMapKey=key
	// +kubebuilder:validation:MaxItems=8
	Properties []PropertyScore `json:"properties,omitempty"`
	// expressions in CEL that score.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=4
	Expressions []ExpressionScore `json:"expressions,omitempty"`
	// external scores that count, by the name of who gives them. A cluster
	// that it gives no score, or one that is too old, gets 0; while it gives
	// none at all it does not count.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	External []ScorerWeight `json:"external,omitempty"`
}

// ScorerWeight is the weight of one scorer.
type ScorerWeight struct {
	// name of the scorer.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// weight of the scorer.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	Weight int32 `json:"weight"`
}

// ScoreOrder says which values are better.
//
// +kubebuilder:validation:Enum=Ascending;Descending
type ScoreOrder string

// Orders of a property.
const (
	// ScoreAscending: the lower the value the better, as for cost.
	ScoreAscending ScoreOrder = "Ascending"
	// ScoreDescending: the higher the value the better.
	ScoreDescending ScoreOrder = "Descending"
)

// PropertyScore scores clusters by a property that is a number. The best value
// scores 100 and the worst 0, in proportion between them; a cluster without the
// property, or where it is no number, scores 0.
//
// +kubebuilder:validation:XValidation:rule="has(self.lowest) == has(self.highest)",message="give both of lowest and highest, or neither"
// +kubebuilder:validation:XValidation:rule="!has(self.lowest) || !has(self.highest) || (isQuantity(self.lowest) && isQuantity(self.highest) && quantity(self.lowest).isLessThan(quantity(self.highest)))",message="lowest must be a quantity less than highest"
type PropertyScore struct {
	// key of the property.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	Key string `json:"key"`
	// order: Ascending (the default) prefers low values, Descending high ones.
	// +optional
	Order ScoreOrder `json:"order,omitempty"`
	// weight of the property among the scorers. Default 1.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	Weight *int32 `json:"weight,omitempty"`
	// lowest and highest are the values between which scores are in
	// proportion, as quantities ("0.2", "12Gi"); values beyond score as these.
	// Absent: the lowest and highest value of all clusters.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Lowest string `json:"lowest,omitempty"`
	// highest value, see lowest.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Highest string `json:"highest,omitempty"`
}

// ExpressionScore scores clusters by an expression.
type ExpressionScore struct {
	// expression in CEL over `cluster` and `request`, a number; below 0 is 0
	// and above 100 is 100. A cluster on which it fails scores 0.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	Expression string `json:"expression"`
	// weight of the expression among the scorers. Default 1.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	Weight *int32 `json:"weight,omitempty"`
}

// PreemptionPolicy says whether a placement may push out others.
//
// +kubebuilder:validation:Enum=Never;PreemptLowerPriority
type PreemptionPolicy string

// Preemption policies.
const (
	// PreemptNever waits until there is room.
	PreemptNever PreemptionPolicy = "Never"
	// PreemptLowerPriority has Placements of a lower priority leave clusters
	// where nothing else makes room: the lowest first, and none that could
	// stay.
	PreemptLowerPriority PreemptionPolicy = "PreemptLowerPriority"
)
