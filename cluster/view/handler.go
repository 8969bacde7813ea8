package view

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"sigs.k8s.io/controller-runtime/pkg/log"
)

// ErrDenied says that who asks may not see what they ask for.
var ErrDenied = errors.New("not allowed")

// ErrUnauthenticated says that it is not known who asks.
var ErrUnauthenticated = errors.New("not authenticated")

// Gate says who may see what.
type Gate interface {
	// Admit returns nil if who made the request may see a tenant, or with an
	// empty name everything; ErrDenied or ErrUnauthenticated if not, and any
	// other error if it can't be told.
	Admit(r *http.Request, tenant string) error
}

// GateFunc is a Gate.
type GateFunc func(r *http.Request, tenant string) error

var _ Gate = GateFunc(nil)

// Admit implements Gate.
func (f GateFunc) Admit(r *http.Request, tenant string) error { return f(r, tenant) }

// NewHandler serves a view to those whom the gate admits. Serve it with TLS
// alone: requests bear credentials.
func NewHandler(v *View, gate Gate) http.Handler {
	h := &handler{view: v, gate: gate}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /fleet", h.admitted("", func(*http.Request) (any, error) { return v.Fleet(), nil }))
	mux.HandleFunc("GET /tenants", h.admitted("", func(*http.Request) (any, error) {
		return map[string]any{"items": v.Tenants()}, nil
	}))
	mux.HandleFunc("GET /tenants/{name}", h.admitted("name", h.tenant))
	mux.HandleFunc("GET /tenants/{name}/objects", h.admitted("name", h.objects))
	return mux
}

type handler struct {
	view *View
	gate Gate
}

// errNotFound and errBadRequest are for who was admitted.
var (
	errNotFound   = errors.New("nothing is known of the tenant")
	errBadRequest = errors.New("limit is from 1 to 1000, and continue is what an answer gave")
)

// admitted answers those whom the gate admits to the tenant that the path
// names; with no parameter, to everything.
func (h *handler) admitted(parameter string, answer func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		tenant := ""
		if parameter != "" {
			if tenant = r.PathValue(parameter); !validTenant(tenant) {
				refuse(w, ErrDenied)
				return
			}
		}
		if err := h.gate.Admit(r, tenant); err != nil {
			if !errors.Is(err, ErrDenied) && !errors.Is(err, ErrUnauthenticated) {
				log.FromContext(r.Context()).Error(err, "asking who may see the view failed")
			}
			refuse(w, err)
			return
		}
		body, err := answer(r)
		if err != nil {
			refuse(w, err)
			return
		}
		write(w, http.StatusOK, body)
	}
}

// validTenant says whether a text can be the name of a logical cluster: it goes
// into a path.
func validTenant(name string) bool {
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != ':' {
			return false
		}
	}
	return name != "" && len(name) <= 253
}

func (h *handler) tenant(r *http.Request) (any, error) {
	t, ok := h.view.Tenant(r.PathValue("name"))
	if !ok {
		return nil, errNotFound
	}
	return t, nil
}

// page is how many objects an answer has unless asked otherwise, and most at
// most.
const page, most = 100, 1000

func (h *handler) objects(r *http.Request) (any, error) {
	name := r.PathValue("name")
	if _, ok := h.view.Tenant(name); !ok {
		return nil, errNotFound
	}
	limit, from := page, 0
	for parameter, value := range map[string]*int{"limit": &limit, "continue": &from} {
		if text := r.URL.Query().Get(parameter); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil {
				return nil, errBadRequest
			}
			*value = n
		}
	}
	if limit < 1 || limit > most || from < 0 {
		return nil, errBadRequest
	}
	all := h.view.Objects(name)
	from = min(from, len(all))
	to := min(from+limit, len(all))
	answer := map[string]any{"items": all[from:to], "total": len(all)}
	if to < len(all) {
		answer["continue"] = strconv.Itoa(to)
	}
	return answer, nil
}

func refuse(w http.ResponseWriter, err error) {
	status, message := http.StatusServiceUnavailable, "it can't be told now who may see this; try again"
	switch {
	case errors.Is(err, ErrUnauthenticated):
		status, message = http.StatusUnauthorized, "send a bearer token that kcp knows"
	case errors.Is(err, ErrDenied):
		status, message = http.StatusForbidden, "ask for permission to list placements in the workspace, or physicalclusters in the platform's"
	case errors.Is(err, errNotFound):
		status, message = http.StatusNotFound, err.Error()
	case errors.Is(err, errBadRequest):
		status, message = http.StatusBadRequest, err.Error()
	}
	write(w, status, map[string]any{"status": status, "message": message})
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client went away
}
