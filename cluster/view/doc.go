// Package view counts what there is: over all workspaces and clusters for the
// platform, and for each tenant what is its own.
//
// # Setup
//
// A View is fed by a Feed, which follows kinds in all workspaces, and by the
// changes of a fleet. A Handler serves it:
//
//	v := view.New()
//	feed, err := view.NewFeed(v, tenants, fleet, deployment, placement)
//	err = mgr.Add(feed) // a multicluster manager engages it with workspaces
//	http.Handle("/", view.NewHandler(v, view.Delegated(kcp, platformPath)))
//
// # Usage
//
// Fleet, Tenants, Tenant and Objects are the Go API. Over HTTP the same is JSON:
//
//	GET /fleet                     everything; for who may list physicalclusters
//	GET /tenants                   a summary for each tenant; likewise
//	GET /tenants/{name}            the summary of one; for who may list there
//	GET /tenants/{name}/objects    its objects, ?limit= and ?continue=
//
// # Details
//
// Each event changes counters, in constant time, however many objects there
// are; nothing is ever listed to answer a question. Of an object only its name,
// the conditions Synced and Healthy, and the clusters that its status names are
// kept, so that any kind can be followed, Placements among them.
//
// Who asks is for kcp to say: Delegated sends the bearer token of the request,
// and nothing else of it, to the workspace in question and asks there whether
// its owner may list what the answer is about. The server needs no permission
// of its own for that, and keeps an answer for ten seconds.
//
// # Considerations
//
// A workspace that disengaged is unknown, not gone: its objects stay in the
// view, and its summary says since when it is stale; Forget drops a workspace
// that is known to be deleted. A tenant learns of another
// tenant's existence as little as of its objects: both are forbidden.
package view
