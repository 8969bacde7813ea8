package cluster

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/version"

	"github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

// Properties that the fleet collects, next to those that were declared; a
// declared property of the same name counts. What the nodes do not agree on is
// left out. Region and zone have the names of the nodes' labels, so that they
// serve as topology keys too. Numbers that change all the time, that of nodes
// for one, are fields of State instead: a property that changes has placements
// decided and copies rendered again.
const (
	// PropertyVersion is the version of Kubernetes, as "v1.36.3".
	PropertyVersion = v1alpha1.Group + "/kubernetes-version"
	// PropertyOldestKubelet is the oldest version of a kubelet.
	PropertyOldestKubelet = v1alpha1.Group + "/oldest-kubelet-version"
	// PropertyProvider is the infrastructure that nodes are of, as "aws" or
	// "kind".
	PropertyProvider = v1alpha1.Group + "/provider"
	// PropertyRegion is the region of all nodes.
	PropertyRegion = corev1.LabelTopologyRegion
	// PropertyZone is the zone of all nodes.
	PropertyZone = corev1.LabelTopologyZone
	// PropertyArchitecture is the architecture of all nodes, as "amd64".
	PropertyArchitecture = corev1.LabelArchStable
	// PropertyOS is the operating system of all nodes, as "linux".
	PropertyOS = corev1.LabelOSStable
)

// nodeKind is what is kept of a node beside its capacity. Most nodes of a
// cluster are of few kinds.
type nodeKind struct {
	region, zone, provider, arch, os, kubelet string
}

func nodeKindOf(n *corev1.Node) nodeKind {
	k := nodeKind{
		region: n.Labels[corev1.LabelTopologyRegion], zone: n.Labels[corev1.LabelTopologyZone],
		arch: n.Status.NodeInfo.Architecture, os: n.Status.NodeInfo.OperatingSystem, kubelet: n.Status.NodeInfo.KubeletVersion,
	}
	if provider, _, ok := strings.Cut(n.Spec.ProviderID, "://"); ok {
		k.provider = provider
	}
	return k
}

// nodesOfKind counts nodes of one kind.
type nodesOfKind struct {
	kind  nodeKind
	nodes int32
}

// collected is what properties are made of.
type collected struct {
	kinds   []nodeKind
	version string
	// read says that the nodes have been.
	read bool
	// reported is what an agent says in the place of nodes.
	reported map[string]string
}

func (c *collected) equal(o *collected) bool {
	return c.version == o.version && c.read == o.read && slices.Equal(c.kinds, o.kinds) && maps.Equal(c.reported, o.reported)
}

// properties returns what was collected. What is as it was keeps its time.
func (c *collected) properties(old map[string]Property, now time.Time) map[string]Property {
	values := map[string]string{PropertyVersion: c.version}
	if c.read {
		values[PropertyOldestKubelet] = c.oldestKubelet()
		for name, of := range map[string]func(nodeKind) string{
			PropertyProvider:     func(k nodeKind) string { return k.provider },
			PropertyRegion:       func(k nodeKind) string { return k.region },
			PropertyZone:         func(k nodeKind) string { return k.zone },
			PropertyArchitecture: func(k nodeKind) string { return k.arch },
			PropertyOS:           func(k nodeKind) string { return k.os },
		} {
			values[name] = c.agreed(of)
		}
	}
	for _, name := range reportedProperties {
		values[name] = cmp.Or(values[name], c.reported[name])
	}
	all := make(map[string]Property, len(values))
	for name, text := range values {
		if text == "" {
			continue
		}
		if p, ok := old[name]; ok && p.Text == text {
			all[name] = p
			continue
		}
		all[name] = ParseProperty(text, now)
	}
	return all
}

// agreed returns the value that all nodes have, empty if they differ.
func (c *collected) agreed(of func(nodeKind) string) string {
	if len(c.kinds) == 0 {
		return ""
	}
	value := of(c.kinds[0])
	for _, k := range c.kinds[1:] {
		if of(k) != value {
			return ""
		}
	}
	return value
}

func (c *collected) oldestKubelet() (text string) {
	var oldest *version.Version
	for _, k := range c.kinds {
		v, err := version.ParseSemantic(k.kubelet)
		if err == nil && (oldest == nil || v.LessThan(oldest)) {
			oldest, text = v, k.kubelet
		}
	}
	return text
}

// collectLocked brings the member's properties up to date: those that were
// collected, and above them those that were declared. It is free if nothing
// changed, for it is asked at every publication.
func (m *member) collectLocked(c *capacity, now time.Time) {
	found := collected{kinds: c.kinds, version: m.facts.version, read: c.nodesRead}
	if m.facts.report != nil {
		found.reported = m.facts.report.Properties
	}
	if m.properties != nil && found.equal(&m.collected) {
		return
	}
	m.collected = found
	m.found = found.properties(m.found, now)
	m.properties = maps.Clone(m.found)
	maps.Copy(m.properties, m.declared)
}

// declare takes over the properties of the registration. One that is as it was
// keeps its time: a property whose time alone changed did not change.
func (m *member) declare() {
	old := m.declared
	m.declared = make(map[string]Property, len(m.reg.Properties))
	for k, v := range m.reg.Properties {
		if p, ok := old[k]; ok && p.Text == v {
			m.declared[k] = p
			continue
		}
		m.declared[k] = ParseProperty(v, m.reg.Observed[k])
	}
	m.properties = nil // made anew
}

func compareKinds(a, b nodeKind) int {
	return cmp.Or(cmp.Compare(a.region, b.region), cmp.Compare(a.zone, b.zone), cmp.Compare(a.provider, b.provider),
		cmp.Compare(a.arch, b.arch), cmp.Compare(a.os, b.os), cmp.Compare(a.kubelet, b.kubelet))
}
