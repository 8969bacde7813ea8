package syncer

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestWhetherTheWatchToldOfAWriteIsAskedOfTheCache(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(o *outcome)
		shown  bool // whether there is a copy in the cache
		again  bool // whether the whole errand is done again
	}{
		"it is shown":                              {func(*outcome) {}, true, false},
		"it was made and is shown":                 {func(o *outcome) { o.replaced = "" }, true, false},
		"what was there before is shown":           {func(o *outcome) { o.replaced = "9" }, true, true},
		"another rendering is shown":               {func(o *outcome) { o.digest = "another" }, true, true},
		"nothing is shown":                         {func(*outcome) {}, false, true},
		"it was refused":                           {func(o *outcome) { o.refusal = &RefusalError{} }, true, true},
		"somebody fights over it":                  {func(o *outcome) { o.contested = true }, true, true},
		"the cluster changed it as it was written": {func(o *outcome) { o.fields = "fields" }, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			l, key := stillLoop(t, 1)
			lane := l.lane("cluster-0")
			copied := lane.cached.(stillCopies).obj
			o := outcome{digest: digestOf(copied), replaced: "8"}
			tc.change(&o)
			lane.record(key, o)
			if !tc.shown {
				lane.cached = stillCopies{obj: &unstructured.Unstructured{Object: map[string]any{}}}
			}
			lane.run(t.Context(), errand{key: key, check: true})
			if !tc.again {
				require.Zero(t, lane.queue.Len())
				return
			}
			require.Equal(t, 1, lane.queue.Len())
			e, _ := lane.queue.Get()
			require.Equal(t, errand{key: key}, e)
		})
	}
}
