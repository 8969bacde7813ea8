// Package recovery keeps what cannot be recomputed, and brings it back: Retire
// never runs because kcp was lost, so copies run on while nobody knows their
// originals, and this is how they get their originals back.
//
// # Setup
//
// Take reads a Backup from the platform's workspace and from those of tenants:
// PhysicalClusters, Placements with their decisions, the originals of given
// kinds, and which workspace each was in. Write puts it into a file that carries
// its version and its checksum; Read refuses one that does not have them.
//
// # Usage
//
// With kcp rebuilt, its workspaces made and bound, and the controller stopped:
//
//	b, err := recovery.Read(file)
//	result, err := recovery.Restore(ctx, b, target)        // into the workspaces
//	actions, err := recovery.Readopt(ctx, cfg, recovery.Copies{...}, result.Renamed) // each cluster
//	naming, err := recovery.KeepNames(transform.HashedNaming{}, result.Renamed)
//	pipeline, err := transform.NewPipeline(id, transform.WithNaming(naming), ...)
//
// # Details
//
// A rebuilt kcp gives workspaces other logical clusters, and objects other UIDs.
// Copies are tied to both by their marks, and stand in namespaces that are
// called after the first. Restore says what became what; Readopt writes the new
// marks on the very copies of this installation that bear the old ones, under
// their UIDs; KeepNames lets the copies stay where they stand. Nothing in a pod
// template changes, so no pod restarts.
//
// Each step can be repeated: what is there already is left as it is, also when
// it differs. A restored decision is not decided anew, since a decision changes
// only when it must.
//
// # Considerations
//
// Secrets are in a backup only if they are asked for, and then as anybody can
// read them: keep the file accordingly. Status is not kept but that of
// Placements: the loop writes it anew.
//
// KeepNames is needed for as long as a workspace lives that was renamed.
package recovery
