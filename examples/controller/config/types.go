package config

import (
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	placementv1alpha1 "github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Version and kind of the configuration file.
const (
	APIVersion = "config.tmc-sdk.dev/v1alpha1"
	Kind       = "ControllerConfiguration"
)

// Configuration of a controller.
type Configuration struct {
	metav1.TypeMeta `json:",inline"`

	// Mode: Push, Hub (Push, and pull mode for clusters that ask for it) or Agent
	// (the program runs in such a cluster).
	Mode string `json:"mode,omitempty"`
	// Agent says how the program works in mode Agent.
	Agent *Agent `json:"agent,omitempty"`
	// Installation is the id of this installation: two with different ids never
	// touch each other's copies. It can't be changed later.
	Installation string `json:"installation"`
	// Platform leads to the workspace with the PhysicalClusters and the export.
	Platform Platform `json:"platform,omitzero"`
	// LeaderElection has one replica act.
	LeaderElection LeaderElection `json:"leaderElection"`
	// Sharding has all replicas act. Left out: one does.
	Sharding *Sharding `json:"sharding,omitempty"`
	// Serving says what is served, where and to whom.
	Serving Serving `json:"serving"`
	// Logging says what is logged. The level can be changed at run time.
	Logging Logging `json:"logging"`
	// Shutdown says how the controller ends.
	Shutdown Shutdown `json:"shutdown"`
	// Resources are the kinds that are placed and synced. In mode Agent: those that
	// come through the mailbox.
	Resources []Resource `json:"resources"`
	// Related are the kinds that follow what mentions them.
	Related []Resource `json:"related,omitempty"`
	// Export publishes what clusters serve.
	Export Export `json:"export,omitzero"`
	// Fleet finds and probes the physical clusters.
	Fleet Fleet `json:"fleet,omitzero"`
	// Placement decides.
	Placement Placement `json:"placement,omitzero"`
	// Transform changes what goes to a cluster, and what comes back.
	Transform Transform `json:"transform,omitzero"`
	// Sync applies, observes and reports.
	Sync Sync `json:"sync"`
	// Audit proves what was done. Left out: nothing is recorded.
	Audit *Audit `json:"audit,omitempty"`
	// Notify tells another program of decisions, moves and health. Left out: nobody
	// is told.
	Notify *Notify `json:"notify,omitempty"`
	// Tracing shows how changes went through the steps. Left out: no spans.
	Tracing *Tracing `json:"tracing,omitempty"`
}

// Connection is a kubeconfig and a context in it.
type Connection struct {
	// Kubeconfig is the path of a file. Empty: that of the flag --kubeconfig,
	// else the service account of the pod.
	Kubeconfig string `json:"kubeconfig,omitempty"`
	// Context in the file. Empty: its current one.
	Context string `json:"context,omitempty"`
}

// Platform is the platform's workspace in kcp.
type Platform struct {
	Connection `json:",inline"`
}

// LeaderElection is by a Lease.
type LeaderElection struct {
	// Enabled is true unless the controller never has a second replica.
	Enabled *bool `json:"enabled,omitempty"`
	// Connection to the server of the lease; empty: the platform's workspace.
	Connection `json:",inline"`
	// Namespace and Name of the lease.
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	// LeaseDuration, RenewDeadline and RetryPeriod are client-go's.
	LeaseDuration metav1.Duration `json:"leaseDuration,omitzero"`
	RenewDeadline metav1.Duration `json:"renewDeadline,omitzero"`
	RetryPeriod   metav1.Duration `json:"retryPeriod,omitzero"`
}

// Serving is what the controller serves.
type Serving struct {
	// Health is the address of /healthz and /readyz, without TLS; "0" for none.
	Health string `json:"health,omitempty"`
	// Address of /metrics, /fleet, /debug/loglevel and /debug/pprof; "0" for
	// none.
	Address string `json:"address,omitempty"`
	// Authorization of whoever asks: Kubernetes (by TokenReview and
	// SubjectAccessReview) or None, which needs an address on the loopback.
	Authorization string `json:"authorization,omitempty"`
	// Reviewer is the server that is asked. Left out: the platform's workspace;
	// {}: the cluster that the controller runs in.
	Reviewer *Connection `json:"reviewer,omitempty"`
	// CertificateFolder holds tls.crt and tls.key, which are read again when
	// they change. Empty: a certificate is made at the start.
	CertificateFolder string `json:"certificateFolder,omitempty"`
	// Profiling serves /debug/pprof.
	Profiling bool `json:"profiling"`
	// FleetPage serves /fleet.
	FleetPage *bool `json:"fleetPage,omitempty"`
}

// Logging is of the controller's log, on its standard error.
type Logging struct {
	// Level: error, info or debug.
	Level string `json:"level,omitempty"`
	// Format: json or text.
	Format string `json:"format,omitempty"`
}

// Shutdown is what happens on SIGTERM.
type Shutdown struct {
	// Grace is how long work under way may take to end.
	Grace metav1.Duration `json:"grace,omitzero"`
}

// Resource is a kind in the version that workspaces serve.
type Resource struct {
	// Group; empty for the core group.
	Group string `json:"group,omitempty"`
	// Version, as "v1".
	Version string `json:"version"`
	// Kind, as "Deployment".
	Kind string `json:"kind"`
}

// Export is the APIExport that tenants bind.
type Export struct {
	// Name of the export and its endpoint slice.
	Name string `json:"name,omitempty"`
	// Publish keeps its schemas those that the clusters serve; else somebody
	// else writes the export.
	Publish *bool `json:"publish,omitempty"`
	// Claims on built-in APIs beside those that related kinds need.
	Claims []Claim `json:"claims,omitempty"`
	// Binders may bind the export in their workspaces: users and groups.
	Binders []rbacv1.Subject `json:"binders,omitempty"`
	// AllowBreaking and AllowRemoval say which changes of the clusters' schemas
	// may reach the export though tenants have objects that they break.
	AllowBreaking bool `json:"allowBreaking,omitempty"`
	AllowRemoval  bool `json:"allowRemoval,omitempty"`
	// Follow has all that is exported placed and synced. Left out: resources alone.
	Follow *Follow `json:"follow,omitempty"`
}

// Claim is a permission claim of the export.
type Claim struct {
	// Group; empty for the core group.
	Group string `json:"group,omitempty"`
	// Resource in the plural.
	Resource string `json:"resource"`
	// Verbs that are claimed.
	Verbs []string `json:"verbs"`
}

// Fleet is the inventory.
type Fleet struct {
	// Objects reads PhysicalClusters of the platform's workspace.
	Objects *bool `json:"objects,omitempty"`
	// Folder holds kubeconfigs, one for each cluster.
	Folder string `json:"folder,omitempty"`
	// Profiles exchange the inventory with other tools. Left out: no exchange.
	Profiles *Profiles `json:"profiles,omitempty"`
	// Removal keeps PhysicalClusters that are deleted until work has left them. Left
	// out: they go at once.
	Removal *Removal `json:"removal,omitempty"`
	// Trust is what kubeconfigs may have the controller do.
	Trust Trust `json:"trust,omitzero"`
	// Probe policy.
	Probe Probe `json:"probe,omitzero"`
	// Grace is how long a cluster may be silent before its work moves.
	Grace metav1.Duration `json:"grace,omitzero"`
}

// Trust in kubeconfigs that somebody else wrote.
type Trust struct {
	// Files allows them to name files of the controller.
	Files bool `json:"files,omitempty"`
	// Exec lists commands that they may have the controller run.
	Exec []string `json:"exec,omitempty"`
}

// Probe says how often clusters are asked whether they are well.
type Probe struct {
	// Interval between probes, and the time that one may take.
	Interval metav1.Duration `json:"interval,omitzero"`
	Timeout  metav1.Duration `json:"timeout,omitzero"`
	// FailureThreshold and SuccessThreshold are how many in a row count.
	FailureThreshold int `json:"failureThreshold,omitempty"`
	SuccessThreshold int `json:"successThreshold,omitempty"`
}

// Placement is the engine and its controller.
type Placement struct {
	// Scorers beside the built-in ones, or other weights for those.
	Scorers []Scorer `json:"scorers,omitempty"`
	// External are scores that others give, fetched again and again.
	External []ExternalScores `json:"external,omitempty"`
	// WithoutFilters takes built-in filters out.
	WithoutFilters []string `json:"withoutFilters,omitempty"`
	// ReservePercent of what is allocatable stays free on every cluster.
	ReservePercent int `json:"reservePercent,omitempty"`
	// Reservations count what was decided as used for so long at most, while
	// the cluster does not report it yet. 0s: never.
	Reservations *metav1.Duration `json:"reservations,omitempty"`
	// Defaults of the Placements that the controller creates.
	Defaults *placementv1alpha1.PlacementSpec `json:"defaults,omitempty"`
	// Layers of policy above the tenants', the outermost first.
	Layers []Layer `json:"layers,omitempty"`
	// Decisions are exchanged with other tools. Left out: they are not.
	Decisions *Decisions `json:"decisions,omitempty"`
	// Budget of moves.
	Budget Budget `json:"budget,omitzero"`
	// Workers is how many Placements are decided at once.
	Workers int `json:"workers,omitempty"`
	// Settling is how long a Placement that covers nothing waits for objects.
	Settling metav1.Duration `json:"settling,omitzero"`
}

// Scorer is a scorer by name, or one made of a property of the clusters.
type Scorer struct {
	// Name of a scorer that is built in, or that the controller was built
	// with; with Property, any other name.
	Name string `json:"name"`
	// Weight of its score; 0 takes a built-in scorer out.
	Weight int64 `json:"weight"`
	// Property of clusters that is a number, and that scores them: Best scores
	// 100, Worst 0, and what is between in proportion. A cluster without the
	// property scores 0.
	Property string  `json:"property,omitempty"`
	Best     float64 `json:"best,omitempty"`
	Worst    float64 `json:"worst,omitempty"`
}

// ExternalScores are fetched from a URL as a JSON object of clusters and scores.
type ExternalScores struct {
	// Name by which Placements use them.
	Name string `json:"name"`
	// URL that is asked by GET.
	URL string `json:"url"`
	// Every is the interval. Default: 30s.
	Every metav1.Duration `json:"every,omitzero"`
	// MaxAge beyond which scores don't count. Default: 5m; the least counts
	// for all.
	MaxAge metav1.Duration `json:"maxAge,omitzero"`
	// Weight for every Placement; 0: only for those that name the scores.
	Weight int64 `json:"weight,omitempty"`
}

// Layer is a level of policy that is the same for everyone.
type Layer struct {
	// Name, as explanations give it.
	Name string `json:"name"`
	// Clusters beyond which nothing reaches.
	Clusters *placementv1alpha1.ClusterSelector `json:"clusters,omitempty"`
	// MaxClusters of a Placement; 0: no bound.
	MaxClusters int32 `json:"maxClusters,omitempty"`
	// Tolerable taints; null: any, empty: none.
	Tolerable *[]placementv1alpha1.Toleration `json:"tolerable,omitempty"`
	// Spread that every Placement has at least.
	Spread []placementv1alpha1.Spread `json:"spread,omitempty"`
	// ReservePercent of every cluster that stays free beside the work.
	ReservePercent int32 `json:"reservePercent,omitempty"`
	// MaxPriority that a Placement may have; null: any.
	MaxPriority *int32 `json:"maxPriority,omitempty"`
	// NoPreemption: no Placement pushes out others.
	NoPreemption bool `json:"noPreemption,omitempty"`
	// Quota of each workspace.
	Quota *Quota `json:"quota,omitempty"`
	// Rollout that every changed template goes by.
	Rollout *placementv1alpha1.Rollout `json:"rollout,omitempty"`
	// Defaults for what a Placement leaves out.
	Defaults *placementv1alpha1.PlacementSpec `json:"defaults,omitempty"`
}

// Budget bounds moves; 0 is no bound.
type Budget struct {
	// PerMinute, of all, of one workspace, and off the clusters of one region.
	PerMinute    float64 `json:"perMinute,omitempty"`
	PerWorkspace float64 `json:"perWorkspace,omitempty"`
	PerRegion    float64 `json:"perRegion,omitempty"`
	// Burst after a quiet time.
	Burst int `json:"burst,omitempty"`
	// MaxLostShare of the fleet beyond which nothing moves off lost clusters.
	MaxLostShare float64 `json:"maxLostShare,omitempty"`
	// MaxRegionLostShare of a region beyond which nothing moves off its clusters, for
	// RegionHold; more than 1 leaves regions to the rates. Default: 0.55.
	MaxRegionLostShare float64 `json:"maxRegionLostShare,omitempty"`
	// RegionHold is how long that lasts; less than zero: as long as they are lost.
	// Default: 10m.
	RegionHold metav1.Duration `json:"regionHold,omitzero"`
}

// Transform is the pipeline, in order, and the rules for statuses.
type Transform struct {
	// Steps of the pipeline.
	Steps []Step `json:"steps,omitempty"`
	// KeepNames is a file that a restore wrote (kubectl tmc restore --renamed): the
	// copies of workspaces that were renamed stay where they stood.
	KeepNames string `json:"keepNames,omitempty"`
	// Kinds are what kinds are on clusters, where that is not what they are in
	// workspaces.
	Kinds []KindMapping `json:"kinds,omitempty"`
	// Replicas says where more kinds keep the number that is divided.
	Replicas []Replicas `json:"replicas,omitempty"`
	// OwnerReferences has copies name the copies of their owners. Left out: they name
	// none. See "Owner references" in docs/concepts.md for what that costs.
	OwnerReferences bool `json:"ownerReferences,omitempty"`
	// Pods says where more kinds have pod specs, which the transformers of pods are to
	// see.
	Pods []Paths `json:"pods,omitempty"`
	// Returned are fields of spec that clusters decide where tenants do not, and that
	// come back.
	Returned []Paths `json:"returned,omitempty"`
	// NamespaceLabels stand on every namespace that holds copies.
	NamespaceLabels map[string]string `json:"namespaceLabels,omitempty"`
	// Status rules beside the built-in ones.
	Status []StatusRule `json:"status,omitempty"`
}

// Replicas is the field of a kind that is divided among clusters.
type Replicas struct {
	// Group and Kind of the objects.
	Group string `json:"group,omitempty"`
	Kind  string `json:"kind"`
	// Path of the field, as [spec, replicas]. Empty: the kind is not divided.
	Path []string `json:"path,omitempty"`
}

// Sync is the loop.
type Sync struct {
	// Workers is how many originals are reconciled at once.
	Workers int `json:"workers,omitempty"`
	// PerCluster is how many calls are under way to one cluster.
	PerCluster int `json:"perCluster,omitempty"`
	// ReportEvery bounds how often one status is written.
	ReportEvery metav1.Duration `json:"reportEvery,omitzero"`
	// ReleaseLostAfter lets deletions complete that a lost cluster holds up.
	// Left out: never.
	ReleaseLostAfter *metav1.Duration `json:"releaseLostAfter,omitempty"`
	// Tombstones have copies go that a lost cluster still holds when it returns
	// after that. Left out: none are kept.
	Tombstones *Tombstones `json:"tombstones,omitempty"`
	// Deletion says what becomes of copies when their original is deleted.
	Deletion *Deletion `json:"deletion,omitempty"`
	// ProgressWithin is how long copies may take to become healthy before they
	// count as stalled. 0s: for ever. Default: 10m.
	ProgressWithin *metav1.Duration `json:"progressWithin,omitempty"`
	// ObserveOnly writes nothing anywhere; what would be written is in metrics and
	// in the log at level debug: for a first start beside what is there.
	ObserveOnly bool `json:"observeOnly,omitempty"`
	// Strategies of kinds whose copies are not simply kept as they are rendered.
	Strategies []Strategy `json:"strategies,omitempty"`
	// Mentions say where more kinds name related objects that they need.
	Mentions []Mention `json:"mentions,omitempty"`
	// Gates are asked before every write to a cluster: by name, of those that the
	// controller was built with.
	Gates []string `json:"gates,omitempty"`
	// NamespaceObjects go into every namespace that is made on a cluster, before the
	// first copy, as a NetworkPolicy or a ResourceQuota.
	NamespaceObjects []json.RawMessage `json:"namespaceObjects,omitempty"`
	// Conditions are more kinds whose schema has status.conditions, for Synced and
	// Healthy.
	Conditions []GroupKind `json:"conditions,omitempty"`
	// CollectGone retires copies of workspaces that were deleted unseen. Left out:
	// they stay.
	CollectGone *CollectGone `json:"collectGone,omitempty"`
	// Upsync are kinds of which objects that were born on clusters are shown in
	// workspaces.
	Upsync []Upsync `json:"upsync,omitempty"`
	// TidyAfter is how long an empty namespace on a cluster stays.
	TidyAfter metav1.Duration `json:"tidyAfter,omitzero"`
}

// Quota bounds what all Placements of a workspace may use together.
type Quota struct {
	// Replicas at most; 0: no bound.
	Replicas int64 `json:"replicas,omitempty"`
	// Resources that may be requested at most, as {cpu: "40"}; those not named have
	// no bound.
	Resources corev1.ResourceList `json:"resources,omitempty"`
}
