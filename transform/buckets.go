package transform

import (
	"hash/fnv"
	"strconv"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// Buckets is into how many buckets logical clusters fall, and so the most replicas
// that can share them out. It is part of the marks and can't be changed.
const Buckets = 256

// BucketOf returns the bucket of a logical cluster, from 0 to Buckets-1: a hash of
// its name (32-bit FNV-1a).
func BucketOf(logicalCluster string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(logicalCluster)) // never fails
	return int(h.Sum32() % Buckets)
}

// SelectorForBuckets selects the copies of an installation whose logical clusters
// are in the given buckets. Without any it selects nothing.
func SelectorForBuckets(installation string, buckets []int) labels.Selector {
	values := make([]string, 0, max(len(buckets), 1))
	for _, b := range buckets {
		values = append(values, strconv.Itoa(b))
	}
	if len(values) == 0 {
		values = append(values, "none") // servers take an empty selector for one that selects all
	}
	in, err := labels.NewRequirement(LabelBucket, selection.In, values)
	if err != nil {
		return labels.SelectorFromSet(labels.Set{LabelBucket: "none"}) // never: a number is a valid value
	}
	return SelectorFor(installation).Add(*in)
}
