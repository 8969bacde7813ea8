package expression_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tmc-sdk/tmc/transform/expression"
)

func TestASlipInAFieldOfAVariableIsRefusedAtOnce(t *testing.T) {
	tests := map[string]struct {
		reason, text, says string
	}{
		"of the target":     {reason: "it has no such field", text: `{"region": target.regoin}`, says: `target has no field "regoin": it has cluster, labels, properties, provider, region, replicas, version, zone`},
		"of the origin":     {reason: "nor has the origin", text: `{"region": origin.cluster}`, says: `origin has no field "cluster": it has name, namespace, workspace`},
		"in a question":     {reason: "the answer would always be no", text: `has(target.regoin) ? {"a": 1} : {"b": 1}`, says: "regoin"},
		"of a label":        {reason: "labels are the platform's own", text: `{"tier": target.labels.tier}`},
		"of the object":     {reason: "kinds differ", text: `{"x": object.spec.whatever}`},
		"a name of its own": {reason: "a macro may call an element so", text: `{"x": object.spec.list.map(target, target.regoin)}`},
		"by choice":         {reason: "who writes a question mark means it", text: `{"x": target.?regoin.orValue("eu")}`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := expression.Merge("m", tc.text)
			if tc.says == "" {
				require.NoError(t, err, tc.reason)
				return
			}
			require.ErrorContains(t, err, tc.says, tc.reason)
		})
	}
}
