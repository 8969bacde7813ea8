package syncer

import (
	"net/http"

	"sigs.k8s.io/controller-runtime/pkg/healthz"
)

// readier is implemented by what reads originals and knows whether it knows
// them.
type readier interface{ Ready(*http.Request) error }

var _ healthz.Checker = (*Loop)(nil).Ready

// Ready is a healthz.Checker: an error while the objects of a kind are known in
// none of the engaged workspaces. Copies on a cluster that can't be read don't
// make the loop unready: it serves the other clusters.
func (l *Loop) Ready(r *http.Request) error {
	if w, ok := l.watcher.(readier); ok {
		return w.Ready(r)
	}
	return nil
}
