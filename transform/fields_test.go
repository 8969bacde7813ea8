package transform_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"

	"github.com/tmc-sdk/tmc/transform"
)

var database = transform.Fields{
	Kind:     "Cluster",
	Sum:      []string{"instances", "deep.er.count"},
	Min:      []string{"lag", "storage"},
	Max:      []string{"load"},
	Any:      []string{"failover"},
	All:      []string{"synced"},
	Agree:    []string{"version"},
	Worst:    []transform.Ranking{{Field: "phase", Values: []string{"Failed", "Creating", "Ready"}}},
	Merge:    []transform.Keyed{{Field: "endpoints", Keys: []string{"host", "port"}}},
	Together: []string{"Ready", "failover"},
}

func TestFields(t *testing.T) {
	checkStatus(t, database, map[string]statusCase{
		"sum":             {"integers, at any depth", []string{"{instances: 1, deep: {er: {count: 2}}}", "{instances: 2, deep: {er: {count: 3}}}"}, "{observedGeneration: 6, instances: 3, deep: {er: {count: 5}}}"},
		"sum of nonsense": {"what is no integer does not count", []string{"{instances: 1.5}", "{instances: 2}"}, "{observedGeneration: 6, instances: 2}"},
		"min, max":        {"numbers and quantities", []string{"{lag: 10, load: 9, storage: 1Gi}", "{lag: 9, load: 10.5, storage: 900Mi}"}, "{observedGeneration: 6, lag: 9, load: 10.5, storage: 900Mi}"},
		"any":             {"one is enough, if all have the field", []string{"{failover: false}", "{failover: true}"}, "{observedGeneration: 6, failover: true}"},
		"not together":    {"not all have it", []string{"{failover: true}", "{}"}, "{observedGeneration: 6}"},
		"all":             {"one that lacks it is not", []string{"{synced: true}", "{}"}, "{observedGeneration: 6, synced: false}"},
		"all are":         {"every one", []string{"{synced: true}", "{synced: true}"}, "{observedGeneration: 6, synced: true}"},
		"agree":           {"the same", []string{"{version: '17'}", "{version: '17'}"}, "{observedGeneration: 6, version: '17'}"},
		"differ":          {"left out", []string{"{version: '17'}", "{version: 17}"}, "{observedGeneration: 6}"},
		"worst":           {"by the ranking", []string{"{phase: Ready}", "{phase: Creating}", "{phase: Ready}"}, "{observedGeneration: 6, phase: Creating}"},
		"merge":           {"by all keys", []string{"{endpoints: [{host: a, port: 1, x: y}]}", "{endpoints: [{host: a, port: 1}, {host: a, port: 2}]}"}, "{observedGeneration: 6, endpoints: [{host: a, port: 1, x: y}, {host: a, port: 2}]}"},
		"unnamed":         {"what is not declared is left out", []string{"{secret: x}", "{secret: x}"}, "{observedGeneration: 6}"},
		"condition":       {"Ready when all are", []string{"{conditions: [{type: Ready, status: 'True'}]}", "{}"}, "{observedGeneration: 6}"},
	})
}

// observation draws what a cluster may show.
func observation(rt *rapid.T) transform.Observed {
	seen := transform.Observed{Cluster: fmt.Sprintf("c%d", rapid.IntRange(0, 4).Draw(rt, "cluster"))}
	status := map[string]any{}
	for field, values := range map[string][]any{
		"observedGeneration": {int64(1), int64(2), "x"},
		"instances":          {int64(1), int64(2), "x", nil},
		"lag":                {int64(1), int64(7), "3", 0.5, "1Gi", []any{}},
		"load":               {int64(1), int64(7), "zz"},
		"failover":           {true, false, "x"},
		"synced":             {true, false},
		"version":            {"17", "18", int64(17), map[string]any{"a": "b"}},
		"phase":              {"Ready", "Failed", "Odd"},
		"endpoints":          {[]any{map[string]any{"host": "a"}}, []any{map[string]any{"host": "b"}, "x"}, "x"},
		"conditions": {
			[]any{map[string]any{"type": "Ready", "status": "True", "message": "m"}},
			[]any{map[string]any{"type": "Ready", "status": "False"}, map[string]any{"type": "Ready", "status": "True"}, "x"},
			[]any{map[string]any{"type": "Stalled", "status": "Unknown", "message": "n"}},
			"x",
		},
	} {
		if i := rapid.IntRange(-1, len(values)-1).Draw(rt, field); i >= 0 {
			status[field] = values[i]
		}
	}
	if rapid.IntRange(0, 5).Draw(rt, "there") > 0 {
		seen.Copy = &unstructured.Unstructured{Object: map[string]any{"kind": "X", "metadata": map[string]any{"generation": int64(2)}, "status": status}}
	}
	return seen
}

// lazy hides that an aggregator is Incremental.
type lazy struct{ transform.Aggregator }

// However the news came, a tally says what the aggregator says of the whole.
func TestTallyIsAggregate(t *testing.T) {
	for _, aggregator := range append(allAggregators(), database, lazy{database}) {
		t.Run(fmt.Sprintf("%T %s", aggregator, aggregator.Name()), func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				tally := transform.NewTally(aggregator)
				members := map[string]transform.Observed{}
				for range rapid.IntRange(0, 12).Draw(rt, "events") {
					seen := observation(rt)
					if rapid.IntRange(0, 3).Draw(rt, "leaves") == 0 {
						delete(members, seen.Cluster)
						tally.Remove(seen.Cluster)
					} else {
						members[seen.Cluster] = seen
						tally.Set(seen)
					}
				}
				copies := make([]transform.Observed, 0, len(members))
				for _, name := range []string{"c0", "c1", "c2", "c3", "c4"} {
					if seen, ok := members[name]; ok {
						copies = append(copies, seen)
					}
				}
				want, err := aggregator.Aggregate(original(t), copies)
				require.NoError(t, err)
				got, err := tally.Status(original(t))
				require.NoError(t, err)
				if diff := cmp.Diff(want, got); diff != "" {
					rt.Fatalf("(-aggregate +tally):\n%s", diff)
				}
			})
		})
	}
}

func fleet(size int) []transform.Observed {
	copies := make([]transform.Observed, size)
	for i := range copies {
		copies[i] = member(i, int64(i%5))
	}
	return copies
}

func member(i int, ready int64) transform.Observed {
	return transform.Observed{Cluster: fmt.Sprintf("cluster-%04d", i), Copy: &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"generation": int64(3)},
		"status": map[string]any{
			"observedGeneration": int64(3), "replicas": int64(5), "readyReplicas": ready, "updatedReplicas": int64(5), "availableReplicas": ready,
			"conditions": []any{
				map[string]any{"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "message": "Deployment has minimum availability.", "lastTransitionTime": "2026-01-01T00:00:00Z"},
				map[string]any{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "message": "has successfully progressed.", "lastTransitionTime": "2026-01-01T00:00:00Z"},
			},
		},
	}}}
}

// BenchmarkAggregate counts one cluster's event among 1,000 (and 10), by a tally
// and by putting all together again.
func BenchmarkAggregate(b *testing.B) {
	upstream := object(b, `{apiVersion: apps/v1, kind: Deployment, metadata: {generation: 7}}`)
	for _, size := range []int{10, 1000} {
		copies := fleet(size)
		aggregator := aggregatorFor("apps", "Deployment")
		b.Run(fmt.Sprintf("tally/%d", size), func(b *testing.B) {
			tally := transform.NewTally(aggregator)
			for _, c := range copies {
				tally.Set(c)
			}
			news := []transform.Observed{member(size/2, 1), member(size/2, 2)}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				tally.Set(news[i%2])
				if _, err := tally.Status(upstream); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("reassembly/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := aggregator.Aggregate(upstream, copies); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func ExampleFields() {
	status, err := database.Aggregate(parse(`{kind: Cluster, metadata: {generation: 2}}`), []transform.Observed{
		{Cluster: "eu-1", Copy: parse(`{kind: Cluster, status: {instances: 2, version: "17", phase: Ready}}`)},
		{Cluster: "us-1", Copy: parse(`{kind: Cluster, status: {instances: 1, version: "17", phase: Creating}}`)},
	})
	if err != nil {
		panic(err)
	}
	show(status)
	// Output:
	// instances: 3
	// phase: Creating
	// version: "17"
}

func ExampleNewTally() {
	tally := transform.NewTally(database)
	original := parse(`{kind: Cluster}`)
	for _, seen := range []transform.Observed{
		{Cluster: "eu-1", Copy: parse(`{kind: Cluster, status: {instances: 2}}`)},
		{Cluster: "us-1", Copy: parse(`{kind: Cluster, status: {instances: 1}}`)},
		{Cluster: "us-1", Copy: parse(`{kind: Cluster, status: {instances: 5}}`)},
	} {
		tally.Set(seen)
		status, _ := tally.Status(original)
		fmt.Println(status)
	}
	// Output:
	// map[instances:2]
	// map[instances:3]
	// map[instances:7]
}
