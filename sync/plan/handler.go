package plan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/cluster/workspaces"
	placementcontroller "github.com/tmc-sdk/tmc/placement/controller"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	syncer "github.com/tmc-sdk/tmc/sync"
)

// Loop knows what would be written to clusters. *syncer.Loop is one.
type Loop interface {
	Plan(ctx context.Context) (*syncer.Plan, error)
	PlanFor(ctx context.Context, s syncer.Supposition) (*syncer.Plan, error)
}

// Placer knows what would be decided. *placementcontroller.Controller is one.
type Placer interface {
	Foresee(ctx context.Context, s placementcontroller.Supposition) ([]placementcontroller.Foreseen, error)
}

var (
	_ Loop   = (*syncer.Loop)(nil)
	_ Placer = (*placementcontroller.Controller)(nil)
)

// Handler serves plans. Make one with NewHandler; it is safe for concurrent use.
type Handler struct {
	loop   Loop
	placer Placer
	ready  func(*http.Request) error
	turn   chan struct{} // taken by the request that is answered
}

var _ http.Handler = (*Handler)(nil)

// Option changes a Handler.
type Option func(*Handler)

// OnlyIf has the handler answer with status 503, and the error, while ready returns
// one: on a standby, which knows nothing that it could plan with. Default: it always
// answers.
func OnlyIf(ready func(*http.Request) error) Option {
	return func(h *Handler) { h.ready = ready }
}

// mostBytes bounds a Request.
const mostBytes = 16 << 20

// NewHandler returns a handler of what a loop and a placement controller know.
// Without a placer, as in an agent, only GET is answered.
func NewHandler(loop Loop, placer Placer, opts ...Option) (*Handler, error) {
	if loop == nil {
		return nil, errors.New("plan: a loop is needed: pass the one that syncer.New returned")
	}
	h := &Handler{loop: loop, placer: placer, ready: func(*http.Request) error { return nil }, turn: make(chan struct{}, 1)}
	for _, opt := range opts {
		opt(h)
	}
	return h, nil
}

// refusal is an error with the HTTP status that tells of it.
type refusal struct {
	code int
	err  error
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := h.answer(w, r)
	if err != nil {
		http.Error(w, err.Error(), codeOf(err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(answer) // who asked has gone
}

// codeOf returns the HTTP status of an error.
func codeOf(err error) int {
	var r *refusal
	switch {
	case errors.As(err, &r):
		return r.code
	case errors.Is(err, syncer.ErrUnknown), errors.Is(err, workspaces.ErrNotSynced), errors.Is(err, multicluster.ErrClusterNotFound):
		return http.StatusServiceUnavailable
	}
	return http.StatusUnprocessableEntity
}

func (h *Handler) answer(w http.ResponseWriter, r *http.Request) (*Answer, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		return nil, &refusal{http.StatusMethodNotAllowed, fmt.Errorf("plan: %s is not served: GET asks for what would be done now, POST for what would follow from a change", r.Method)}
	}
	if err := h.ready(r); err != nil {
		return nil, &refusal{http.StatusServiceUnavailable, fmt.Errorf("plan: this replica can't tell: %w; ask the one that leads", err)}
	}
	select {
	case h.turn <- struct{}{}:
		defer func() { <-h.turn }()
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if r.Method == http.MethodGet {
		p, err := h.loop.Plan(r.Context())
		if err != nil {
			return nil, err
		}
		a := &Answer{}
		a.add(p)
		return a, nil
	}
	q := &Request{}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostBytes)).Decode(q); err != nil {
		return nil, &refusal{http.StatusBadRequest, fmt.Errorf("plan: read the request: %w", err)}
	}
	return h.suppose(r.Context(), q)
}

// suppose answers what would follow.
func (h *Handler) suppose(ctx context.Context, q *Request) (*Answer, error) {
	switch {
	case h.placer == nil:
		return nil, &refusal{http.StatusNotImplemented, errors.New("plan: nothing is decided here: ask the controller that places")}
	case q.Workspace == "" || len(q.Objects) == 0:
		return nil, &refusal{http.StatusBadRequest, errors.New("plan: name the workspace, by its logical cluster, and at least one object")}
	}
	before, then := placementcontroller.Supposition{Workspace: q.Workspace}, syncer.Supposition{Workspace: q.Workspace}
	for _, o := range q.Objects {
		if o == nil {
			return nil, &refusal{http.StatusBadRequest, errors.New("plan: an object is null")}
		}
		kind := o.GroupVersionKind()
		if o.GetName() == "" || kind.Kind == "" || kind.Version == "" {
			return nil, &refusal{http.StatusBadRequest, fmt.Errorf("plan: an object has no name, kind or version (%s %s)", kind, o.GetName())}
		}
		if kind.Group != v1alpha1.Group {
			before.Objects, then.Originals = append(before.Objects, o), append(then.Originals, o)
			continue
		}
		p := &v1alpha1.Placement{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, p); err != nil {
			return nil, &refusal{http.StatusBadRequest, fmt.Errorf("plan: read %s %s: %w", kind.Kind, o.GetName(), err)}
		}
		p.ManagedFields = nil
		before.Placements = append(before.Placements, p)
	}
	foreseen, err := h.placer.Foresee(ctx, before)
	if err != nil {
		return nil, err
	}
	a := &Answer{}
	then.Placements = a.decide(q.Workspace, foreseen)
	p, err := h.loop.PlanFor(ctx, then)
	if err != nil {
		return nil, err
	}
	a.add(p)
	return a, nil
}
