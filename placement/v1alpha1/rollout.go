package v1alpha1

// Rollout says how a changed template spreads over the clusters that have a copy
// already. Each object that the Placement covers is rolled out by itself.
//
// A change is everything that differs in what would be applied to a cluster but
// these: replicas and shares, which follow at once also where an older template
// is kept; and overrides that name clusters, which whoever wrote them has staged,
// and which go at once where the template is the newest. A copy where there was
// none is no change either: work that has to move does not wait.
//
// +kubebuilder:validation:XValidation:rule="!has(self.pauseAfter) || size(self.pauseAfter) == 0 || (has(self.waves) && self.waves.exists(w, w.name == self.pauseAfter))",message="pauseAfter must be the name of one of the waves"
type Rollout struct {
	// waves of clusters, in order: a wave begins when every copy in those before
	// it has the new template and is healthy. A cluster belongs to the first wave
	// that selects it; those that none selects come last. Absent: one wave.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Waves []Wave `json:"waves,omitempty"`

	// maxUnavailable is how many clusters may at a time have a changed copy, or one
	// that was just made, that is not healthy yet, or not answer. Copies that are
	// not healthy before they are changed go first in their wave. Default 1.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	MaxUnavailable *int32 `json:"maxUnavailable,omitempty"`

	// deadlineSeconds is how long a changed copy may take to become healthy, from
	// when it was last written. After that, or as soon as its cluster has given it
	// up, the rollout has failed there. Default 600.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=604800
	DeadlineSeconds *int32 `json:"deadlineSeconds,omitempty"`

	// soakSeconds is the least time between the last change in a wave and the
	// first in the next. Default 0.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=604800
	SoakSeconds *int32 `json:"soakSeconds,omitempty"`

	// onFailure: Stop (the default) changes no further copy while the rollout has
	// failed on a cluster; a newer template is another rollout, and begins anew.
	// Continue goes on as if the copy were healthy.
	// +optional
	OnFailure RolloutFailure `json:"onFailure,omitempty"`

	// paused keeps every copy at the template that it has.
	// +optional
	Paused bool `json:"paused,omitempty"`

	// pauseAfter names a wave after which the rollout waits, until this is changed
	// or removed.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	PauseAfter string `json:"pauseAfter,omitempty"`
}

// Wave is a group of clusters that get a new template before others.
type Wave struct {
	// name of the wave.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// clusters of the wave: by their labels, or by name where the list of waves is
	// to be an order of clusters.
	Clusters ClusterSelector `json:"clusters"`
}

// RolloutFailure says what becomes of a rollout that failed on a cluster.
//
// +kubebuilder:validation:Enum=Stop;Continue
type RolloutFailure string

// What becomes of a rollout that failed on a cluster.
const (
	// RolloutStop changes no further copy.
	RolloutStop RolloutFailure = "Stop"
	// RolloutContinue goes on.
	RolloutContinue RolloutFailure = "Continue"
)

// Defaults of a Rollout.
const (
	// DefaultMaxUnavailable of a Rollout.
	DefaultMaxUnavailable int32 = 1
	// DefaultDeadlineSeconds of a Rollout.
	DefaultDeadlineSeconds int32 = 600
)
