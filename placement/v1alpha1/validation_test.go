package v1alpha1_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// What an API server allows the rules of an object to cost.
const (
	perCall  = 1_000_000
	perCheck = 10_000_000
)

// kinds that have the spec.
var kinds = []string{"Placement", "ClusterPlacement"}

// judge returns what an API server with our definition says to a spec: the same
// code checks it against the schema and runs the rules.
func judge(t *testing.T, kind string) func(spec string) string {
	t.Helper()
	crds, err := v1alpha1.CRDs()
	require.NoError(t, err)
	var internal apiextensions.JSONSchemaProps
	for _, crd := range crds {
		if crd.Spec.Names.Kind == kind {
			require.NoError(t, apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(crd.Spec.Versions[0].Schema.OpenAPIV3Schema, &internal, nil))
		}
	}
	structural, err := schema.NewStructural(&internal)
	require.NoError(t, err)
	validator, _, err := validation.NewSchemaValidator(&internal)
	require.NoError(t, err)
	rules := cel.NewValidator(structural, true, perCall)
	return func(spec string) string {
		var object map[string]any
		encoded, err := yaml.YAMLToJSON([]byte("{apiVersion: placement.tmc-sdk.dev/v1alpha1, kind: " + kind + ", metadata: {name: a}, spec: " + spec + "}"))
		require.NoError(t, err, spec)
		require.NoError(t, json.Unmarshal(encoded, &object), spec) // whole numbers are integers, as servers have them
		errs := validation.ValidateCustomResource(nil, object, validator)
		broken, _ := rules.Validate(t.Context(), nil, structural, object, nil, perCheck)
		var said []string
		for _, err := range append(errs, broken...) {
			said = append(said, err.Error())
		}
		return strings.Join(said, "\n")
	}
}

func TestTheSchemaRejectsWhatMakesNoSense(t *testing.T) {
	asks := map[string]func(string) string{}
	for _, kind := range kinds {
		asks[kind] = judge(t, kind)
	}
	for spec, want := range map[string]string{
		`{resources: [{kind: ""}]}`:                                                                       "kind",
		`{resources: [{kind: A, name: a, labelSelector: {}}]}`:                                            "name and labelSelector exclude each other",
		`{clusters: {matchProperties: [{key: a, operator: In}]}}`:                                         "need values",
		`{clusters: {matchProperties: [{key: a, operator: Exists, values: [b]}]}}`:                        "take none",
		`{clusters: {matchProperties: [{key: a, operator: Gt, values: [1, 2]}]}}`:                         "must be of type string",
		`{clusters: {matchProperties: [{key: a, operator: Gt, values: ["1", "2"]}]}}`:                     "exactly one value",
		`{clusters: {matchProperties: [{key: a, operator: Gt, values: [much]}]}}`:                         "Gt and Lt compare with a quantity",
		`{clusters: {matchExpressions: [{key: a, operator: Lt, values: ["1.2.3"]}]}}`:                     "Gt and Lt compare with a quantity",
		`{clusters: {matchProperties: [{key: a, operator: SemVer, values: [new]}]}}`:                      "SemVer takes a range of versions",
		`{preferred: [{weight: 1, clusters: {matchExpressions: [{key: a, operator: Gt, values: [x]}]}}]}`: "Gt and Lt compare with a quantity",
		`{reservePercent: 101}`:                     "less than or equal to 100",
		`{reservePercent: -1}`:                      "greater than or equal to 0",
		`{moves: {rebalance: {minGain: 0}}}`:        "greater than or equal to 1",
		`{moves: {rebalance: {minStaySeconds: 1}}}`: "greater than or equal to 60",
		`{overrides: [{mergePatch: {}, jsonPatch: [{op: add, path: /a, value: 1}]}]}`: "give exactly one of",
		`{overrides: [{jsonPatch: [{op: turn, path: /a}]}]}`:                          "Unsupported value",
		`{division: {type: Weighted, weights: [{clusters: {}, weight: -1}]}}`:         "greater than or equal to 0",
		`{division: {type: Most}}`:                                                    "Unsupported value",
		`{clusters: {matchProperties: [{key: a, operator: Like, values: [b]}]}}`:      "Unsupported value",
		`{tolerations: [{value: b}]}`:                                                 "needs operator Exists",
		`{tolerations: [{key: a, operator: Exists, value: b}]}`:                       "takes no value",
		`{tolerations: [{key: a, effect: NoSchedule, tolerationSeconds: 3}]}`:         "goes with effect NoExecute",
		`{tolerations: [{key: a, tolerationSeconds: -3}]}`:                            "greater than or equal to 0",
		`{preferred: [{weight: 101, clusters: {}}]}`:                                  "less than or equal to 100",
		`{scoring: {weights: [{name: a, weight: 1001}]}}`:                             "less than or equal to 1000",
		`{scoring: {properties: [{key: cost, lowest: "1"}]}}`:                         "give both of lowest and highest",
		`{scoring: {properties: [{key: cost, lowest: "2", highest: "1"}]}}`:           "lowest must be a quantity less than highest",
		`{scoring: {properties: [{key: cost, lowest: cheap, highest: dear}]}}`:        "lowest must be a quantity less than highest",
		`{scoring: {properties: [{key: cost, order: Best}]}}`:                         "Unsupported value",
		`{scoring: {expressions: [{expression: ""}]}}`:                                "at least 1 chars long",
		`{affinity: {required: [{placementSelector: {}, scope: World}]}}`:             "Unsupported value",
		`{affinity: {preferred: [{placementSelector: {}, weight: 0}]}}`:               "greater than or equal to 1",
		`{antiAffinity: {required: [{topologyKey: region}]}}`:                         "placementSelector",
		`{count: {min: 3, max: 2}}`:                                                   "min must not be greater than max",
		`{count: {min: 0}}`:                                                           "greater than or equal to 1",
		`{count: {max: 2}, spread: [{topologyKey: region, minGroups: 3}]}`:            "every group needs a cluster",
		`{count: {min: 3}, spread: [{topologyKey: cluster, maxGroups: 2}]}`:           "must not be less than count.min",
		`{spread: [{topologyKey: region, minGroups: 3, maxGroups: 2}]}`:               "minGroups must not be greater than maxGroups",
		`{spread: [{topologyKey: region, maxSkew: 0}]}`:                               "greater than or equal to 1",
		`{division: {type: Even, weights: [{clusters: {}, weight: 1}]}}`:              "weights go with type Weighted",
		`{division: {type: Duplicated, minPerCluster: 1}}`:                            "do not go with type Duplicated",
		`{division: {type: Even, minPerCluster: 3, maxPerCluster: 2}}`:                "must not be greater than maxPerCluster",
		`{overrides: [{}]}`: "give exactly one of jsonPatch, mergePatch and strategicMergePatch",
		`{overrides: [{jsonPatch: [{op: move, path: /a}]}]}`:           "move and copy take from",
		`{priority: 1000001}`:                                          "less than or equal to 1000000",
		`{preemptionPolicy: Always}`:                                   "Unsupported value",
		`{moves: {type: Sometimes}}`:                                   "Unsupported value",
		`{rollout: {waves: [{name: a, clusters: {}}], pauseAfter: b}}`: "must be the name of one of the waves",
		`{rollout: {pauseAfter: b}}`:                                   "must be the name of one of the waves",
		`{rollout: {waves: [{clusters: {}}]}}`:                         "name",
		`{rollout: {maxUnavailable: 0}}`:                               "greater than or equal to 1",
		`{rollout: {deadlineSeconds: 0}}`:                              "greater than or equal to 1",
		`{rollout: {soakSeconds: -1}}`:                                 "greater than or equal to 0",
		`{rollout: {onFailure: Rollback}}`:                             "Unsupported value",
	} {
		for kind, ask := range asks {
			require.Contains(t, ask(spec), want, "%s: %s", kind, spec)
		}
	}
}

func TestTheSchemaAdmitsWhatMakesSense(t *testing.T) {
	ask := judge(t, "Placement")
	for _, spec := range []string{
		`{}`,
		`{tolerations: [{operator: Exists}, {key: a, tolerationSeconds: 0}, {key: a, value: b, effect: NoSchedule}]}`,
		`{scoring: {weights: [{name: Balance, weight: 3}], properties: [{key: cost}, {key: carbon, order: Ascending, weight: 2, lowest: 100m, highest: 1k}], expressions: [{expression: "1"}], external: [{name: a, weight: 0}]}}`,
		`{affinity: {required: [{placementSelector: {matchLabels: {app: db}}}], preferred: [{placementSelector: {}, topologyKey: region, scope: Workspace, weight: 5}]}}`,
		`{count: {max: 2}, spread: [{topologyKey: region, minGroups: 3, whenUnsatisfiable: ScheduleAnyway}]}`,
		`{division: {type: Weighted, weights: [{clusters: {names: [a]}, weight: 0}], minPerCluster: 1, maxPerCluster: 1}}`,
		`{rollout: {}}`,
		`{reservePercent: 15, clusters: {matchProperties: [{key: cost, operator: Lt, values: ["0.35"]}, {key: m, operator: Gt, values: [12Gi]}, {key: v, operator: SemVer, values: [">=1.34.0 <1.37.0"]}]}}`,
		`{rollout: {waves: [{name: a, clusters: {names: [x]}}, {name: b, clusters: {matchLabels: {c: d}}}], pauseAfter: a, paused: true, maxUnavailable: 3, onFailure: Continue}}`,
		`{priority: -5, preemptionPolicy: PreemptLowerPriority, suspend: true, moves: {type: BreakBeforeMake}}`,
	} {
		require.Empty(t, ask(spec), spec)
	}
}

// An API server takes the definitions: their rules cost no more than it allows.
func TestTheDefinitionsAreAccepted(t *testing.T) {
	crds, err := v1alpha1.CRDs()
	require.NoError(t, err)
	require.Len(t, crds, len(kinds))
	for _, crd := range crds {
		apiextensionsv1.SetDefaults_CustomResourceDefinition(crd)
		apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&crd.Spec)
		var internal apiextensions.CustomResourceDefinition
		require.NoError(t, apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(crd, &internal, nil))
		internal.Status.StoredVersions = []string{crd.Spec.Versions[0].Name}
		require.Empty(t, crdvalidation.ValidateCustomResourceDefinition(t.Context(), &internal), crd.Name)
	}
}

// The page that explains rollouts shows one that an API server takes.
func TestTheRolloutOfItsPageIsAdmitted(t *testing.T) {
	page, err := os.ReadFile("../../docs/rollout.md")
	require.NoError(t, err)
	_, text, found := strings.Cut(string(page), "```yaml\n")
	require.True(t, found)
	text, _, _ = strings.Cut(text, "```")
	p := &v1alpha1.Placement{}
	require.NoError(t, yaml.UnmarshalStrict([]byte(text), p))
	require.NoError(t, placement.ValidateSpec(&p.Spec))
	spec, err := yaml.Marshal(map[string]any{"rollout": p.Spec.Rollout})
	require.NoError(t, err)
	encoded, err := yaml.YAMLToJSON(spec)
	require.NoError(t, err)
	require.Empty(t, judge(t, "Placement")(string(encoded)))
}
