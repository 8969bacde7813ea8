package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/tmc-sdk/tmc/cluster/mailbox"
)

// Reasons of a State that is not ready. The set is closed.
const (
	// ReasonInvalidRegistration: the registration cannot be used, as its
	// message says.
	ReasonInvalidRegistration = "InvalidRegistration"
	// ReasonConnecting: the cluster has not been probed often enough to know.
	ReasonConnecting = "Connecting"
	// ReasonUnreachable: the cluster's API server does not answer.
	ReasonUnreachable = "Unreachable"
	// ReasonUnauthorized: the API server answers and refuses the credentials.
	ReasonUnauthorized = "Unauthorized"
	// ReasonIdentityUnknown: the UID of the kube-system namespace cannot be
	// read, so nothing may be written to the cluster.
	ReasonIdentityUnknown = "IdentityUnknown"
	// ReasonDuplicate: another registration is of the same cluster.
	ReasonDuplicate = "Duplicate"
	// ReasonReading: capacity or served APIs are being read for the first time.
	ReasonReading = "Reading"
	// ReasonAgentReports: the agent of a cluster in pull mode says that the
	// cluster can't run work, and why.
	ReasonAgentReports = "AgentReports"
	// ReasonNoReadyNodes: the API server answers, and no node is ready.
	ReasonNoReadyNodes = "NoReadyNodes"
)

// probeResult is what one probe found.
type probeResult struct {
	// err is nil if the API server answers and says it is ready.
	err error
	// denied says that the credentials were refused, and how.
	denied error
	// identity of the cluster, if it could be read, else why not.
	uid         types.UID
	identityErr error
	// revision of the cluster's storage, which never falls; zero if unknown.
	revision uint64
	// latency of the readiness request.
	latency time.Duration
	// certificateExpiry of the API server; zero if unknown.
	certificateExpiry time.Time
	// unknown, if not nil, is why nothing can be concluded.
	unknown error
	// report of the agent, in pull mode.
	report *mailbox.Report
}

// prober probes one cluster once. The context bounds it.
type prober func(ctx context.Context, l *link) probeResult

// probe asks whether the API server is ready, and who it is. It asks both each
// time: a cluster that is rebuilt behind its endpoint must not pass for the
// old one for longer than one interval.
func probe(ctx context.Context, l *link) probeResult {
	var r probeResult
	start := time.Now()
	for _, path := range []string{"/readyz", "/healthz", "/version"} {
		status, body, resp, err := fetch(ctx, l, path, maxProbeBytes)
		r.latency = time.Since(start)
		if err != nil {
			r.err = err
			return r
		}
		if resp.TLS != nil && len(resp.TLS.PeerCertificates) > 0 {
			r.certificateExpiry = resp.TLS.PeerCertificates[0].NotAfter
		}
		switch {
		case status == http.StatusNotFound || status == http.StatusForbidden:
			// An API server without this path, or that does not show it: it
			// answers, so ask in another way.
			continue
		case status == http.StatusUnauthorized:
			r.denied = fmt.Errorf("GET %s: %s", path, statusText(status, body))
			return r
		case status >= 500:
			r.err = fmt.Errorf("GET %s: %s", path, statusText(status, body))
			return r
		}
		break
	}
	r.identify(ctx, l)
	return r
}

// identityPath is where the namespace is whose UID is a cluster's identity.
const identityPath = "/api/v1/namespaces/kube-system"

// identityList lists that one namespace: a list says, other than the object, at
// which revision the storage is. RBAC that names kube-system allows it:
// https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-resources
const identityList = "/api/v1/namespaces?fieldSelector=metadata.name%3Dkube-system"

// identity is what a list of that namespace, or the namespace, says.
type identity struct {
	Metadata struct {
		UID             types.UID `json:"uid"`
		ResourceVersion string    `json:"resourceVersion"`
	} `json:"metadata"`
	Items []identity `json:"items"`
}

// identify reads the UID of the kube-system namespace, and the revision.
func (r *probeResult) identify(ctx context.Context, l *link) {
	path := identityList
	status, body, _, err := fetch(ctx, l, path, maxProbeBytes)
	if err == nil && (status == http.StatusForbidden || status == http.StatusNotFound) {
		// Credentials that may get and not list: the revision stays unknown.
		path = identityPath
		status, body, _, err = fetch(ctx, l, path, maxProbeBytes)
	}
	if err != nil {
		r.err = err
		return
	}
	switch {
	case status == http.StatusUnauthorized:
		r.denied = fmt.Errorf("GET %s: %s", path, statusText(status, body))
		return
	case status == http.StatusForbidden:
		r.identityErr = errors.New("credentials do not allow get on namespace kube-system: allow it, the UID of that namespace is the cluster's identity")
		return
	case status >= 500:
		r.err = fmt.Errorf("GET %s: %s", path, statusText(status, body))
		return
	case status != http.StatusOK:
		r.identityErr = fmt.Errorf("GET %s: %s", path, statusText(status, body))
		return
	}
	var found identity
	if err := json.Unmarshal(body, &found); err != nil {
		r.identityErr = fmt.Errorf("decode namespace kube-system: %w", err)
		return
	}
	if path == identityList {
		// What is no number says nothing; every API server of Kubernetes counts.
		r.revision, _ = strconv.ParseUint(found.Metadata.ResourceVersion, 10, 64)
		if len(found.Items) > 0 {
			found = found.Items[0]
		}
	}
	if found.Metadata.UID == "" {
		r.identityErr = errors.New("namespace kube-system has no UID: is this a Kubernetes API server?")
		return
	}
	r.uid = found.Metadata.UID
}

// maxProbeBytes bounds an answer to a probe.
const maxProbeBytes = 64 << 10

// fetch reads at most so many bytes of a response.
func fetch(ctx context.Context, l *link, path string, most int64) (int, []byte, *http.Response, error) {
	resp, err := l.get(ctx, path)
	if err != nil {
		return 0, nil, nil, fmt.Errorf("reach API server: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, most))
	if err != nil {
		return 0, nil, nil, fmt.Errorf("read answer of API server: %w", err)
	}
	return resp.StatusCode, body, resp, nil
}

// statusText says what an answer was, with the beginning of a plain-text body.
func statusText(status int, body []byte) string {
	var s struct {
		Message string `json:"message"`
	}
	text := fmt.Sprintf("%d %s", status, http.StatusText(status))
	if json.Unmarshal(body, &s) == nil && s.Message != "" {
		return text + ": " + clip(s.Message, 256)
	}
	return text
}

// clip shortens a text that others wrote.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return string([]rune(s[:n])) + "…"
}
