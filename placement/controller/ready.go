package controller

import "net/http"

// Ready is a healthz.Checker: an error while the objects of a kind are
// known in none of the engaged workspaces.
func (c *Controller) Ready(r *http.Request) error { return c.watcher.Ready(r) }
