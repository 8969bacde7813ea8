package inventory

import (
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	inventoryv1alpha1 "sigs.k8s.io/cluster-inventory-api/apis/v1alpha1"

	"github.com/tmc-sdk/tmc/cluster"
)

// The bounds of the API.
const (
	longestName, longestValue = 253, 1024
)

// propertiesOf a cluster, sorted by name. What the API does not admit is left
// out.
func propertiesOf(st *cluster.State) []inventoryv1alpha1.Property {
	all := maps.Clone(st.Properties)
	if all == nil {
		all = map[string]cluster.Property{}
	}
	for name, value := range map[string]string{corev1.LabelTopologyRegion: st.Region, corev1.LabelTopologyZone: st.Zone, cluster.PropertyProvider: st.Provider} {
		if value != "" {
			all[name] = cluster.Property{Text: value}
		}
	}
	var list []inventoryv1alpha1.Property
	for _, name := range slices.Sorted(maps.Keys(all)) {
		p := all[name]
		if name == "" || len(name) > longestName || p.Text == "" || len(p.Text) > longestValue {
			continue
		}
		property := inventoryv1alpha1.Property{Name: name, Value: p.Text}
		if !p.ObservedAt.IsZero() {
			// The API knows whole seconds.
			property.LastObservedTime = metav1.NewTime(p.ObservedAt.Truncate(time.Second))
		}
		list = append(list, property)
	}
	return list
}

// setStatus replaces what is ours; others' conditions and access providers
// stay.
func setStatus(status, want *inventoryv1alpha1.ClusterProfileStatus) {
	if want.Version.Kubernetes != "" {
		status.Version = want.Version
	}
	status.Properties = want.Properties
	for _, c := range want.Conditions {
		meta.SetStatusCondition(&status.Conditions, c)
	}
}

func orText(s, otherwise string) string {
	if s != "" {
		return s
	}
	return otherwise
}
