package envtest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const verbWatch = "watch"

// A request is what one asks of an API server, in the words of Kubernetes.
type request struct {
	verb     string
	resource string // with its subresource, if any; empty outside the API
	path     string
}

// readRequest tells what is asked. A path may begin with that of a workspace or
// of a virtual workspace.
func readRequest(r *http.Request) request {
	resource, named := resourceOf(r.URL.Path)
	return request{verb: verbOf(r, named), resource: resource, path: r.URL.Path}
}

func verbOf(r *http.Request, named bool) string {
	switch r.Method {
	case http.MethodPost:
		return "create"
	case http.MethodPut:
		return "update"
	case http.MethodPatch:
		return "patch"
	case http.MethodDelete:
		if named {
			return "delete"
		}
		return "deletecollection"
	}
	if watch, err := strconv.ParseBool(r.URL.Query().Get("watch")); err == nil && watch {
		return verbWatch
	}
	if named {
		return "get"
	}
	return "list"
}

// resourceOf reads the path of a URL: the resource, with its subresource, and
// whether one object is named.
func resourceOf(path string) (resource string, named bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	// A workspace may have any name: what counts comes after the last of them.
	if i := slices.Index(parts, "clusters"); i >= 0 && i+2 <= len(parts) {
		parts = parts[i+2:]
	}
	switch {
	case len(parts) > 2 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		parts = parts[3:]
	default:
		return "", false
	}
	// A namespace is a resource, too, and has subresources of its own.
	if parts[0] == "namespaces" && len(parts) > 2 && parts[2] != "status" && parts[2] != "finalize" {
		parts = parts[2:]
	}
	if len(parts) > 2 {
		return parts[0] + "/" + parts[2], true
	}
	return parts[0], len(parts) == 2
}

// refuse answers as an API server does that refuses. Clients of Kubernetes read
// the reason from it.
func refuse(w http.ResponseWriter, code, retryAfter int) {
	reasons := map[int]metav1.StatusReason{
		http.StatusTooManyRequests:     metav1.StatusReasonTooManyRequests,
		http.StatusInternalServerError: metav1.StatusReasonInternalError,
		http.StatusServiceUnavailable:  metav1.StatusReasonServiceUnavailable,
		http.StatusGatewayTimeout:      metav1.StatusReasonTimeout,
		http.StatusForbidden:           metav1.StatusReasonForbidden,
		http.StatusUnauthorized:        metav1.StatusReasonUnauthorized,
	}
	status := metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure, Code: int32(code), //nolint:gosec // an HTTP status
		Reason: reasons[code], Message: "a storm of the test: " + http.StatusText(code),
	}
	if retryAfter > 0 {
		status.Details = &metav1.StatusDetails{RetryAfterSeconds: int32(retryAfter)} //nolint:gosec // seconds of a test
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(status) // whoever does not listen need not know
}
