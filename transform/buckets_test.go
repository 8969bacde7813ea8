package transform_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/labels"
	"pgregory.net/rapid"

	"github.com/tmc-sdk/tmc/transform"
)

// The bucket is in the marks of copies that exist: it must never change.
func TestBucketsStayWhatTheyAre(t *testing.T) {
	for name, want := range map[string]int{"1abc": 84, "2x9a": 17, "root": 69} {
		require.Equal(t, want, transform.BucketOf(name), name)
	}
}

func TestASelectorForBucketsSelectsWhatIsStampedAndNoOther(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		buckets := rapid.SliceOfNDistinct(rapid.IntRange(0, transform.Buckets-1), 0, 20, rapid.ID).Draw(rt, "buckets")
		workspace := rapid.StringMatching(`[a-z0-9]{1,16}`).Draw(rt, "workspace")
		obj := object(t, deployment)
		transform.Marks{Installation: "prod", Origin: transform.Origin{LogicalCluster: workspace, Name: "web"}}.Stamp(obj)
		mine := false
		for _, b := range buckets {
			mine = mine || b == transform.BucketOf(workspace)
		}
		selector := transform.SelectorForBuckets("prod", buckets)
		read, err := labels.Parse(selector.String())
		require.NoError(rt, err, "servers read it as text")
		require.Equal(rt, mine, read.Matches(labels.Set(obj.GetLabels())))
		require.Equal(rt, strconv.Itoa(transform.BucketOf(workspace)), obj.GetLabels()[transform.LabelBucket])
		require.False(rt, transform.SelectorForBuckets("other", buckets).Matches(labels.Set(obj.GetLabels())))
	})
}
