package cluster

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/version"
)

// Reasons of concern. The set is closed.
const (
	// ReasonNodesNotReady: some nodes are not ready; with all of them the
	// cluster is not (ReasonNoReadyNodes).
	ReasonNodesNotReady = "NodesNotReady"
	// ReasonCertificateExpiring: the certificate of the API server expires
	// soon, and with it the way to the cluster.
	ReasonCertificateExpiring = "CertificateExpiring"
	// ReasonCredentialsExpiring: the client certificate of the registration
	// expires soon.
	ReasonCredentialsExpiring = "CredentialsExpiring"
	// ReasonVersionSkew: a kubelet is older or newer than Kubernetes supports
	// with the version of the API server.
	ReasonVersionSkew = "VersionSkew"
	// ReasonMailboxUnread: the mailbox of a cluster in pull mode can't be read.
	ReasonMailboxUnread = "MailboxUnread"
)

const (
	// expiresSoon is when an expiry is worth a word.
	expiresSoon = 14 * 24 * time.Hour
	// supportedSkew is how many minor versions a kubelet may be older than the
	// API server.
	supportedSkew = 3
)

// concerns of a member, in the order of the reasons.
func (m *member) concerns(c *capacity, now time.Time) []Concern {
	var all []Concern
	if down := c.existing - c.ready; c.nodesRead && down > 0 && c.ready > 0 {
		all = append(all, Concern{Reason: ReasonNodesNotReady, Message: fmt.Sprintf("look at the nodes of the cluster: %d of %d are not ready", down, c.existing)})
	}
	if expiring(m.certificateExpiry, now) {
		all = append(all, Concern{Reason: ReasonCertificateExpiring, Message: fmt.Sprintf("renew the certificate of the cluster's API server: it expires at %s", m.certificateExpiry.UTC().Format(time.RFC3339))})
	}
	if m.session != nil && expiring(m.session.link.certificateExpiry, now) {
		all = append(all, Concern{Reason: ReasonCredentialsExpiring, Message: fmt.Sprintf("renew the client certificate in the kubeconfig: it expires at %s", m.session.link.certificateExpiry.UTC().Format(time.RFC3339))})
	}
	if m.unread != nil && m.health.known {
		all = append(all, Concern{Reason: ReasonMailboxUnread, Message: "look at the mailbox: what is shown of the cluster is what was last known: " + describe(m.unread)})
	}
	if m.facts.report != nil {
		for _, c := range m.facts.report.Concerns {
			all = append(all, Concern(c))
		}
	}
	if c.nodesRead {
		all = append(all, skew(m.facts.version, c.kinds)...)
	}
	return all
}

func expiring(at, now time.Time) bool { return !at.IsZero() && at.Sub(now) < expiresSoon }

// skew compares the kubelets with the API server.
func skew(server string, kinds []nodeKind) []Concern {
	api, err := version.ParseSemantic(server)
	if err != nil {
		return nil
	}
	for _, k := range kinds {
		v, err := version.ParseSemantic(k.kubelet)
		if err != nil || v.Major() != api.Major() {
			continue
		}
		if v.Minor() > api.Minor() {
			return []Concern{{Reason: ReasonVersionSkew, Message: fmt.Sprintf("upgrade the API server: a kubelet is %s, which is newer than %s", k.kubelet, server)}}
		}
		if api.Minor()-v.Minor() > supportedSkew {
			return []Concern{{Reason: ReasonVersionSkew, Message: fmt.Sprintf("upgrade the nodes: a kubelet is %s, more than %d minor versions older than %s", k.kubelet, supportedSkew, server)}}
		}
	}
	return nil
}

// earliestExpiry of the certificates in a PEM; zero if there is none.
func earliestExpiry(data []byte) (earliest time.Time) {
	for len(data) > 0 {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err == nil && (earliest.IsZero() || cert.NotAfter.Before(earliest)) {
			earliest = cert.NotAfter
		}
	}
	return earliest
}
