package config_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/tmc-sdk/tmc/cluster/access"
	"github.com/tmc-sdk/tmc/examples/controller/config"
	placementcontroller "github.com/tmc-sdk/tmc/placement/controller"
	syncer "github.com/tmc-sdk/tmc/sync"
	"github.com/tmc-sdk/tmc/transform"
)

const least = `
apiVersion: config.tmc-sdk.dev/v1alpha1
kind: ControllerConfiguration
installation: prod
resources: [{group: apps, version: v1, kind: Deployment}]
`

// load decodes least with more lines, which replace those of the same key.
func load(t *testing.T, more string) (*config.Configuration, error) {
	t.Helper()
	var lines []string
	for line := range strings.Lines(least) {
		if key, _, ok := strings.Cut(line, ":"); !ok || !strings.HasPrefix(more, key+":") && !strings.Contains(more, "\n"+key+":") {
			lines = append(lines, line)
		}
	}
	path := filepath.Join(t.TempDir(), "controller.yaml")
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "")+more), 0o600))
	return config.Load(path, config.Known{}, nil)
}

func TestLeastConfigurationHasDefaultsAndComesBack(t *testing.T) {
	c, err := load(t, "")
	require.NoError(t, err)
	require.Equal(t, "tmc-prod", c.LeaderElection.Name)
	require.True(t, *c.LeaderElection.Enabled)

	printed, err := c.Encode()
	require.NoError(t, err)
	again, err := config.Decode(printed)
	require.NoError(t, err, "what is printed is a configuration")
	require.Empty(t, cmp.Diff(c, again))
	again.Default()
	require.Empty(t, cmp.Diff(c, again), "nothing is left to default")
	require.NoError(t, again.Validate(config.Known{}))
}

func TestMistakesNameTheFieldAndTheRemedy(t *testing.T) {
	for name, tt := range map[string]struct{ reason, more, want string }{
		"other version":       {"a file of the future must not be half understood", "apiVersion: config.tmc-sdk.dev/v2\n", `this controller reads apiVersion "config.tmc-sdk.dev/v1alpha1"`},
		"unknown field":       {"a typing slip must not fall back to a default", "sync: {worker: 3}\n", `unknown field "sync.worker"`},
		"field twice":         {"which of the two counts?", "logging: {level: info}\nlogging: {level: debug}\n", "already set"},
		"no installation":     {"marks need it", "installation: \"\"\n", "installation: Required value: give this installation an id"},
		"bad installation":    {"it goes into labels", "installation: A_b\n", "installation: Invalid value"},
		"no kinds":            {"there would be nothing to do", "resources: []\n", "resources: Required value: list at least one kind"},
		"kind twice":          {"in which version?", "related: [{group: apps, version: v1beta1, kind: Deployment}]\n", "related[0]: Duplicate value"},
		"namespace":           {"they follow", "related: [{version: v1, kind: Namespace}]\n", "related[0].kind: Invalid value: \"Namespace\": namespaces follow"},
		"open and unasked":    {"metrics say what tenants run", "serving: {authorization: None}\n", "serving.address: Invalid value: \":8443\": without authorization it must be on the loopback"},
		"address":             {"", "serving: {health: \"8081\"}\n", "serving.health: Invalid value: \"8081\": give it as host:port"},
		"lease":               {"two could lead", "leaderElection: {leaseDuration: 5s}\n", "leaderElection.leaseDuration: Invalid value: \"5s\": must be longer than renewDeadline"},
		"shard lease":         {"one late renewal is no death", "sharding: {leaseDuration: 5s}\n", "sharding.leaseDuration: Invalid value: \"5s\": must be at least twice renewEvery"},
		"nobody leads":        {"two would write one status", "sharding: {}\nleaderElection: {enabled: false}\n", "leaderElection.enabled: Invalid value: false: must be true with sharding"},
		"level":               {"", "logging: {level: loud}\n", `logging.level: Unsupported value: "loud": supported values: "error", "info", "debug"`},
		"no clusters":         {"", "fleet: {objects: false}\n", "fleet.folder: Required value"},
		"probe":               {"", "fleet: {probe: {interval: 1s}}\n", "fleet.probe.timeout: Invalid value: \"5s\": must not be longer than the interval"},
		"no collector":        {"", "tracing: {endpoint: \"collector:4317\"}\n", "tracing.endpoint: Invalid value: \"collector:4317\": must be an http or https URL"},
		"notify":              {"", "notify: {url: chat}\n", "notify.url: Invalid value: \"chat\": must be one of http or https"},
		"sample ratio":        {"", "tracing: {endpoint: \"http://c\", sampleRatio: 2}\n", "tracing.sampleRatio: Invalid value: 2: must be between 0 and 1"},
		"audit collector":     {"", "audit: {otlp: {url: collector}}\n", "audit.otlp.url: Invalid value: \"collector\": must be one of http or https"},
		"profiles":            {"", "fleet: {profiles: {publish: {}}}\n", "fleet.profiles.publish.namespace: Required value"},
		"profiles of nobody":  {"a profile does not choose what is run", "fleet: {profiles: {read: {namespace: fleet}}}\n", "fleet.profiles.read.providers: Required value"},
		"names kept":          {"copies would be made a second time", "transform: {keepNames: nowhere.json}\n", "transform.keepNames: Invalid value: \"nowhere.json\": open nowhere.json"},
		"negative":            {"", "sync: {workers: -1}\n", "sync.workers: Invalid value: -1: must be above 0"},
		"scorer":              {"", "placement: {scorers: [{name: Cheap, weight: 1}]}\n", `there is no scorer "Cheap": there are [Balance FreeCapacity MostAllocated`},
		"scorer weight":       {"", "placement: {scorers: [{name: Taints, weight: 5000}]}\n", "weight 5000: 0 to 1000"},
		"property scorer":     {"", "placement: {scorers: [{name: Carbon, weight: 1, property: carbon}]}\n", "best and worst are both 0"},
		"step":                {"", "transform: {steps: [{use: Nonsense}]}\n", `transform.steps[0].use: Unsupported value: "Nonsense"`},
		"step of neither":     {"", "transform: {steps: [{name: a}]}\n", "set one of use (a transformer by name) and expression"},
		"parameters":          {"", "transform: {steps: [{use: StorageClasses, with: {Fallback: fast}}]}\n", `transform.steps[0].with: Invalid value: "": decode parameters: json: unknown field "Fallback"`},
		"parameters refused":  {"", "transform: {steps: [{use: Env, with: [{name: \"\"}]}]}\n", "transform.steps[0].with"},
		"expression":          {"", "transform: {steps: [{name: a, expression: {merge: \"{\"}}]}\n", "transform.steps[0].expression"},
		"expression, unnamed": {"", "transform: {steps: [{expression: {merge: \"{}\"}}]}\n", "give the step a name"},
		"same name twice":     {"", "transform: {steps: [{use: Claims}, {use: Claims}]}\n", "transform.steps: Invalid value"},
		"status":              {"", "transform: {status: [{kind: Widget}]}\n", "transform.status[0]: Invalid value: \"Widget\": a rule needs a kind, and aggregate, fields, health or drop"},
		"budget":              {"", "placement: {budget: {perMinute: -1}}\n", "placement.budget.perMinute: Invalid value: -1"},
		"defaults":            {"", "placement: {defaults: {count: {min: 3, max: 2}}}\n", "placement.defaults"},
		"layer":               {"", "placement: {layers: [{maxClusters: 2}]}\n", "placement.layers[0].name: Required value"},
		"layer's quota":       {"", "placement: {layers: [{name: a, quota: {resources: {cpu: \"-1\"}}}]}\n", "placement.layers[0].quota.resources[cpu]: Invalid value: \"-1\": must not be negative"},
		"layer's reserve":     {"", "placement: {layers: [{name: a, reservePercent: 100}]}\n", "placement.layers[0].reservePercent: Invalid value: 100: must be from 0 to 99"},
		"layer's spread":      {"", "placement: {layers: [{name: a, spread: [{}]}]}\n", "placement.layers[0].spread: Invalid value"},
		"regions":             {"", "placement: {budget: {maxRegionLostShare: -1}}\n", "placement.budget.maxRegionLostShare: Invalid value: -1"},
		"decisions":           {"", "placement: {decisions: {clusterNamespace: A_b}}\n", "placement.decisions.clusterNamespace: Invalid value: \"A_b\""},
		"scores":              {"", "placement: {external: [{name: cost, url: cost}]}\n", "placement.external[0]: Invalid value: \"cost\": url \"cost\" must be one of http or https"},
		"reserve":             {"", "placement: {reservePercent: 101}\n", "a reserve of 101 percent"},
		"audit to nowhere":    {"", "audit: {}\n", "audit.directory: Required value"},
		"audit webhook":       {"", "audit: {webhook: {url: \"ftp://x\", onFull: Drop}}\n", "audit.webhook.onFull: Unsupported value"},
		"mode":                {"", "mode: Pull\n", `mode: Unsupported value: "Pull": supported values: "Push", "Hub", "Agent"`},
		"agent of a hub":      {"somebody believes that it is one", "mode: Hub\nagent: {}\n", "agent: Forbidden: it says how an agent works: set mode: Agent"},
		"agent that places":   {"decisions are the hub's", "mode: Agent\nplacement: {workers: 3}\n", "placement: Forbidden: the hub sees to it: leave it out"},
		"agent that renames":  {"it is in the mailbox what it is on the cluster", "mode: Agent\ntransform: {kinds: [{kind: A, to: {kind: B}}]}\n", "transform.kinds: Forbidden"},
		"agent that releases": {"who gives a cluster up is the hub", "mode: Agent\nsync: {releaseLostAfter: 1h}\n", "sync: Forbidden: the hub sees to it: leave deletion, tombstones, releaseLostAfter, collectGone, mentions and upsync out"},
		"agent that shares":   {"", "mode: Agent\nsharding: {}\n", "sharding: Forbidden"},
		"silence":             {"the hub counts no longer time", "mode: Agent\nagent: {silence: 1h}\n", "agent.silence: Invalid value: \"1h0m0s\": must be between 1s and 5m0s"},
		"agent's Secret":      {"", "mode: Agent\nagent: {secret: A/b}\n", "agent.secret: Invalid value: \"A/b\""},
		"deletion":            {"", "sync: {deletion: {default: Keep}}\n", "sync.deletion.default: Unsupported value: \"Keep\""},
		"deletion allowed":    {"", "sync: {deletion: {allowed: [orphan]}}\n", "sync.deletion.allowed[0]: Unsupported value: \"orphan\""},
		"tombstones":          {"nobody dies there", "sync: {tombstones: {}}\n", "sync.releaseLostAfter: Required value"},
		"mapping":             {"", "transform: {kinds: [{group: apps, kind: Deployment, to: {kind: Namespace}}]}\n", "can't be mapped to Namespace"},
		"progress":            {"", "sync: {progressWithin: -1s}\n", "sync.progressWithin: Invalid value"},
		"strategy":            {"", "sync: {strategies: [{strategy: Once, kinds: [{group: batch, kind: Job}]}]}\n", "sync.strategies[0].strategy: Unsupported value: \"Once\": supported values: \"CreateOnly\", \"ObserveOnly\", \"Recreate\""},
		"strategy of nothing": {"", "sync: {strategies: [{strategy: Recreate, kinds: []}]}\n", "sync.strategies[0].kinds: Required value"},
		"strategy twice":      {"which of the two?", "sync: {strategies: [{strategy: Recreate, kinds: [{kind: A}]}, {strategy: CreateOnly, kinds: [{kind: A}]}]}\n", "sync.strategies[1].kinds[0]: Duplicate value"},
		"mention of others":   {"others follow nobody", "sync: {mentions: [{kind: Database, names: Secret, path: spec.secret}]}\n", "sync.mentions[0].names: Invalid value: \"Secret\": must be the kind of one of related"},
		"mention, path":       {"", "related: [{version: v1, kind: Secret}]\nsync: {mentions: [{kind: Database, names: Secret, path: \"spec..x\"}]}\n", "mentions[0].path: path \"spec..x\": a field has no name"},
		"gate":                {"", "sync: {gates: [Freeze]}\n", `there is no gate "Freeze": this controller was built with []`},
		"namespace object":    {"", "sync: {namespaceObjects: [{apiVersion: v1, kind: ResourceQuota}]}\n", "namespaceObjects[0]: it needs apiVersion, kind and metadata.name"},
		"in one namespace":    {"", "sync: {namespaceObjects: [{apiVersion: v1, kind: ResourceQuota, metadata: {name: a, namespace: b}}]}\n", "leave metadata.namespace out"},
		"collect, no control": {"an empty kcp proves everything", "sync: {collectGone: {shards: [{context: a}]}}\n", "sync.collectGone.control: Required value"},
		"collect, no shards":  {"", "sync: {collectGone: {control: abc}}\n", "sync.collectGone.shards: Required value"},
		"pods":                {"", "transform: {pods: [{kind: Train, paths: []}]}\n", "pods[0]: it needs a kind and paths"},
		"pods that are known": {"", "transform: {pods: [{group: apps, kind: Deployment, paths: [spec]}]}\n", "the pods of a Deployment are known"},
		"returned":            {"", "transform: {returned: [{kind: Service, paths: [status.x]}]}\n", "status.x of Service can't come back"},
		"namespace labels":    {"", "transform: {namespaceLabels: {tmc-sdk.dev/a: b}}\n", "it is reserved"},
		"two aggregations":    {"", "transform: {status: [{kind: A, aggregate: \"{}\", fields: {sum: [a]}}]}\n", "set aggregate, or fields"},
		"health":              {"", "transform: {status: [{kind: A, health: \"{\"}]}\n", "transform.status[0]"},
		"upsync":              {"", "sync: {upsync: [{version: v1}]}\n", "sync.upsync[0].kind: Required value"},
		"claim":               {"", "export: {claims: [{resource: services}]}\n", "export.claims[0].verbs: Required value"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, tt.more)
			require.ErrorContains(t, err, tt.want, tt.reason)
		})
	}
}

// An agent's file has no more than what counts for an agent, and comes back.
func TestAgentsConfigurationHasNothingOfTheHubs(t *testing.T) {
	c, err := load(t, "mode: Agent\ntransform: {steps: [{use: Claims}]}\nsync: {workers: 2}\nfleet: {probe: {interval: 20s}}\n")
	require.NoError(t, err)
	require.Equal(t, &config.Agent{Bootstrap: "/etc/tmc/bootstrap/kubeconfig", Namespace: "tmc-agent", Secret: "mailbox", Silence: metav1.Duration{Duration: time.Minute}}, c.Agent)
	require.Equal(t, "tmc-agent", c.LeaderElection.Namespace)
	printed, err := c.Encode()
	require.NoError(t, err)
	for _, section := range []string{"placement:", "export:", "platform:", "deletion:"} {
		require.NotContains(t, string(printed), section)
	}
	again, err := config.Decode(printed)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(c, again))
	again.Default()
	require.Empty(t, cmp.Diff(c, again))
	require.NoError(t, again.Validate(config.Known{}))
}

// What the loop and the pipeline can be built with beside steps and kinds, all at
// once, and the rights that follow.
func TestTheRareSettingsReachTheRooms(t *testing.T) {
	more := `
related: [{version: v1, kind: Secret}]
transform:
  ownerReferences: true
  pods: [{group: ml.example, kind: Train, paths: ["spec.workers[*].template.spec"]}]
  returned: [{kind: Service, paths: [spec.clusterIP]}]
  namespaceLabels: {pod-security.kubernetes.io/enforce: restricted}
  status:
  - {group: ml.example, kind: Train, fields: {sum: [lost], worst: [{field: phase, values: [Failed, Running]}]}, health: '{"health": copy.status.phase == "Done" ? "Healthy" : "Progressing"}'}
  - {group: db.example, kind: Database, project: '{"lag": copy.status.lag}', fields: {max: [lag]}}
placement:
  decisions: {followOnly: true, clusterNamespace: decisions}
  budget: {regionHold: 5m}
  layers:
  - {name: platform, maxPriority: 10, noPreemption: true, reservePercent: 5, spread: [{topologyKey: region, minGroups: 2}], quota: {replicas: 50, resources: {cpu: "40"}}}
notify: {url: "https://events.example/in", queue: 50}
fleet: {removal: {}}
sync:
  strategies: [{strategy: Recreate, kinds: [{group: batch, kind: Job}]}, {strategy: ObserveOnly, kinds: [{kind: Service}]}]
  mentions: [{group: db.example, kind: Database, names: Secret, path: "spec.users[*].secret"}]
  gates: [Freeze]
  namespaceObjects: [{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: default-deny}, spec: {podSelector: {}}}]
  conditions: [{group: db.example, kind: Database}]
  collectGone: {control: 2abc, shards: [{kubeconfig: shard.kubeconfig}]}
`
	known := config.Known{Gates: map[string]syncer.Gate{"Freeze": syncer.GateFunc("Freeze", func(context.Context, *syncer.Proposal) error { return nil })}}
	path := filepath.Join(t.TempDir(), "controller.yaml")
	require.NoError(t, os.WriteFile(path, []byte(least+more), 0o600))
	c, err := config.Load(path, known, nil)
	require.NoError(t, err)
	printed, err := c.Encode()
	require.NoError(t, err)
	again, err := config.Decode(printed)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(c, again), "what is printed is the same configuration")

	policy, err := c.Placement.PolicyLayers()[0].Policy(t.Context(), &placementcontroller.Scope{})
	require.NoError(t, err)
	require.Equal(t, &placementcontroller.Policy{
		MaxPriority: new(int32(10)), NoPreemption: true, ReservePercent: 5, Spread: c.Placement.Layers[0].Spread,
		Quota: &placementcontroller.Quota{Replicas: 50, Resources: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("40")}},
	}, policy)

	p, err := c.Transform.Pipeline("prod", known)
	require.NoError(t, err)
	require.True(t, p.MapsOwners())
	require.True(t, p.DeclaresPods(schema.GroupKind{Group: "ml.example", Kind: "Train"}))
	require.Equal(t, "restricted", p.Namespace(transform.Origin{LogicalCluster: "x", Namespace: "y"}).GetLabels()["pod-security.kubernetes.io/enforce"])
	rules, err := c.Transform.StatusRules()
	require.NoError(t, err)
	health, _ := rules.Health(&unstructured.Unstructured{Object: map[string]any{"apiVersion": "ml.example/v1", "kind": "Train", "status": map[string]any{"phase": "Done"}}})
	require.Equal(t, transform.Healthy, health)
	require.Equal(t, 30*time.Minute, c.Sync.CollectGone.After.Duration)
	require.Equal(t, time.Hour, c.Fleet.Removal.LostAfter.Duration)
	_, err = c.Sync.CollectGone.Register(func(config.Connection) (*rest.Config, error) { return &rest.Config{Host: "https://shard"}, nil })
	require.NoError(t, err)
	require.Contains(t, fmt.Sprint(c.ClusterRules()), "[networking.k8s.io] [networkpolicies]", "what goes into namespaces has to be written")
	require.Contains(t, fmt.Sprint(c.PlatformRules()), "[patch] [cluster.tmc-sdk.dev] [physicalclusters]")
	_, err = c.Sync.LoopOptions(config.Known{})
	require.ErrorContains(t, err, `there is no gate "Freeze"`)
}

// What docs/deploy.md shows of the configuration is one, block by block.
func TestTheGuideShowsSettingsThatThereAre(t *testing.T) {
	page, err := os.ReadFile("../../../docs/deploy.md")
	require.NoError(t, err)
	blocks := strings.Split(string(page), "```yaml\n")[1:]
	require.GreaterOrEqual(t, len(blocks), 6)
	for _, block := range blocks {
		block, _, _ := strings.Cut(block, "```")
		_, err := load(t, block)
		require.NoError(t, err, "in:\n%s", block)
	}
}

func TestKindsMayBeTheExportsAndOthersOnClusters(t *testing.T) {
	c, err := load(t, `resources: []
export: {follow: {exclude: [{group: apps, kind: DaemonSet}], versions: [{group: apps, version: v1, kind: Deployment}]}}
transform: {kinds: [{group: apps, kind: Deployment, to: {group: work.example, kind: App}, versions: [v2, v1]}]}
`)
	require.NoError(t, err)
	_, err = c.Export.Follow.Kinds(&rest.Config{Host: "https://kcp"}, c.Export.Name)
	require.NoError(t, err)
	p, err := c.Transform.Pipeline("prod", config.Known{})
	require.NoError(t, err)
	deployment := schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	app := schema.GroupKind{Group: "work.example", Kind: "App"}
	require.Equal(t, []schema.GroupVersionKind{app.WithVersion("v2"), app.WithVersion("v1")}, p.KindsOn(deployment))

	c.Resources = []config.Resource{{Group: "apps", Version: "v1", Kind: "Deployment"}}
	require.Equal(t, []schema.GroupVersionKind{app.WithVersion("v2"), app.WithVersion("v1")}, c.KindsOn(p))
	require.Contains(t, fmt.Sprint(c.ClusterRules()), "[work.example] [apps]")
	require.NotContains(t, fmt.Sprint(c.ClusterRules()), "deployments")
}

// Rights follow from what is configured.
func TestRightsGrowWithWhatIsTurnedOn(t *testing.T) {
	c, err := load(t, "")
	require.NoError(t, err)
	least := c.LeaseRules()
	c, err = load(t, "sharding: {}\nsync: {releaseLostAfter: 24h, tombstones: {}}\n")
	require.NoError(t, err)
	require.Equal(t, slices.Concat(least, access.ShardingRules(), access.TombstoneRules()), c.LeaseRules())
	c, err = load(t, "sync: {releaseLostAfter: 24h, tombstones: {kubeconfig: other}}\n")
	require.NoError(t, err)
	require.Equal(t, least, c.LeaseRules(), "they are kept elsewhere")
}

// TestEveryTransformerCanBeConfigured makes each built-in transformer of a file.
func TestEveryTransformerCanBeConfigured(t *testing.T) {
	with := map[string]string{
		"Affinity":        `{podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: []}}`,
		"DNS":             `{policy: None, config: {nameservers: [10.0.0.10]}}`,
		"Digests":         `{"registry.example/web:1": "sha256:` + strings.Repeat("a", 64) + `"}`,
		"Env":             `[{name: REGION, value: "${cluster.region}"}]`,
		"Hosts":           `{example.com: "${cluster.region}.example.net"}`,
		"Inject":          `{containers: [{name: side, image: side}]}`,
		"JSONPatch":       `[{op: add, path: /spec/paused, value: true}]`,
		"MergePatch":      `{spec: {paused: true}}`,
		"Metadata":        `{setLabels: {region: "${cluster.region}"}, removeLabels: ["internal/*"]}`,
		"NodeSelector":    `{pool: tenants}`,
		"PullSecrets":     `[pull]`,
		"References":      `{synced: [{kind: PriorityClass, group: scheduling.k8s.io}], more: [{in: {group: example.org, kind: Widget}, to: {kind: ConfigMap}, holder: spec, field: config}]}`,
		"Registries":      `[{from: docker.io, to: mirror.example}]`,
		"Resources":       `{scale: {cpu: 0.5}, max: {memory: 8Gi}}`,
		"StorageClasses":  `{map: {fast: gp3}, default: standard, clear: true}`,
		"StrategicMerge":  `{spec: {paused: true}}`,
		"Substitute":      `["spec.host"]`,
		"Tolerations":     `[{key: tenants, operator: Exists}]`,
		"TopologySpread":  `[{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway}]`,
		"IngressClasses":  `{map: {nginx: public}}`,
		"GatewayClasses":  `{map: {a: b}}`,
		"PriorityClasses": `{map: {a: b}}`,
		"RuntimeClasses":  `{map: {a: b}}`,
	}
	for name := range config.Builtins() {
		t.Run(name, func(t *testing.T) {
			step := "transform: {steps: [{name: it, use: " + name + ", with: " + with[name] + ", for: [{kinds: [{group: apps, kind: Deployment}], targets: {matchLabels: {env: prod}}}]}]}\n"
			c, err := load(t, step)
			require.NoError(t, err)
			p, err := c.Transform.Pipeline("prod", config.Known{})
			require.NoError(t, err)
			require.IsType(t, &transform.Pipeline{}, p)
		})
	}
}

func TestClaimsAreWhatRelatedKindsNeed(t *testing.T) {
	claimed := func(more string) (out []string) {
		c, err := load(t, more)
		require.NoError(t, err)
		for _, claim := range c.PermissionClaims() {
			out = append(out, claim.Resource)
		}
		return out
	}
	require.Equal(t, []string{"namespaces", "events"}, claimed(""), "no Secrets are synced, so none can be read")
	require.Equal(t, []string{"namespaces", "events", "configmaps", "secrets"}, claimed("related: [{version: v1, kind: Secret}, {version: v1, kind: ConfigMap}]\n"))
	require.Equal(t, []string{"namespaces", "events", "services"}, claimed("export: {claims: [{resource: services, verbs: [get]}]}\n"))
}

// What a restore wrote keeps copies where they stood.
func TestNamesAreKeptAfterARecovery(t *testing.T) {
	path := filepath.Join(t.TempDir(), "renamed.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"clusters": {"before": "after"}, "uids": {}}`), 0o600))
	was, err := load(t, "")
	require.NoError(t, err)
	now, err := load(t, "transform: {keepNames: "+path+"}\n")
	require.NoError(t, err)
	kind := schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	where := func(c *config.Configuration, logicalCluster string) string {
		p, err := c.Transform.Pipeline(c.Installation, config.Known{})
		require.NoError(t, err)
		namespace, _ := p.Locate(kind, transform.Origin{LogicalCluster: logicalCluster, Namespace: "default", Name: "web"})
		return namespace
	}
	require.Equal(t, where(was, "before"), where(now, "after"))
	require.Equal(t, where(was, "other"), where(now, "other"))
}
