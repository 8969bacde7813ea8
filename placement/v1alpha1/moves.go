package v1alpha1

// MoveType says in which order a move happens.
//
// +kubebuilder:validation:Enum=MakeBeforeBreak;BreakBeforeMake
type MoveType string

// Orders of a move.
const (
	// MoveMakeBeforeBreak keeps the old copy until the new ones are healthy.
	MoveMakeBeforeBreak MoveType = "MakeBeforeBreak"
	// MoveBreakBeforeMake retires the old copy first: for work that must
	// never run twice.
	MoveBreakBeforeMake MoveType = "BreakBeforeMake"
)

// MovePolicy says how work leaves a cluster.
type MovePolicy struct {
	// type of move. Default MakeBeforeBreak.
	// +optional
	Type MoveType `json:"type,omitempty"`
	// rebalance moves work that need not move to clusters that suit it better.
	// Absent: work moves only when it must.
	// +optional
	Rebalance *Rebalance `json:"rebalance,omitempty"`
}

// Rebalance says when work moves without need. It moves within the platform's
// budget of moves, as all else does.
type Rebalance struct {
	// minGain is by how much the mean score of the clusters, 0 to 100, must
	// grow. Default 5.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	MinGain *int32 `json:"minGain,omitempty"`
	// minStaySeconds is the least time that work stays on a cluster before it
	// moves for this. Default 3600.
	// +optional
	// +kubebuilder:validation:Minimum=60
	// +kubebuilder:validation:Maximum=31536000
	MinStaySeconds *int64 `json:"minStaySeconds,omitempty"`
}
