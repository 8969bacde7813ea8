package workspaces

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
)

// ErrNoEndpoint says that no endpoint of the export has answered yet.
var ErrNoEndpoint = errors.New("no endpoint of the export answers")

// Ready is a healthz.Checker: an error until the endpoint slice has been read,
// and while it lists endpoints of which none has been served. An export that
// nobody binds lists none, and that is fine.
func (p *Provider) Ready(*http.Request) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if !p.followed {
		return fmt.Errorf("%w: APIExportEndpointSlice %q has not been read: is the APIExport there, and may the controller read its slices?", ErrNoEndpoint, p.slice)
	}
	for _, e := range p.endpoints {
		if e.inner != nil {
			return nil
		}
	}
	if n := len(p.endpoints); n > 0 {
		return fmt.Errorf("%w: APIExportEndpointSlice %q lists %d", ErrNoEndpoint, p.slice, n)
	}
	return nil
}

// Ready is a healthz.Checker: an error while the objects of a kind are known in
// none of the engaged workspaces. One workspace that withholds a kind makes
// nobody else wait. The error names the kinds.
func (w *Watcher) Ready(*http.Request) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.engagements) == 0 {
		return nil
	}
	known := map[schema.GroupVersionKind]bool{}
	for key := range w.synced {
		known[key.kind] = true
	}
	var unknown []string
	for _, kind := range w.kinds {
		if !known[kind] {
			unknown = append(unknown, kind.GroupVersion().String()+" "+kind.Kind)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	slices.Sort(unknown)
	return fmt.Errorf("%w: %s in %d workspaces", ErrNotSynced, strings.Join(unknown, ", "), w.inSightLocked())
}

// inSightLocked returns how many workspaces are engaged.
func (w *Watcher) inSightLocked() int {
	names := map[multicluster.ClusterName]bool{}
	for e := range w.engagements {
		names[e.name] = true
	}
	return len(names)
}
