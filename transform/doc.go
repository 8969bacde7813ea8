// Package transform is the second step of the one path, Transform: what goes to
// a cluster, as a pure function of the original and the target; and the pure
// part of the way back, what the copies' status makes of the original's.
//
// # Set-up
//
// A [Pipeline] has the id of the installation and the transformers, in order:
//
//	mirror, err := transform.Registries(transform.Mirror{From: "docker.io", To: "mirror.example/hub"})
//	...
//	pipeline, err := transform.NewPipeline("prod", transform.With(mirror, myTransformer))
//
// The sync loop takes it and does the rest. [Pipeline.Render] is what it calls,
// and what a test or a command line may call without a server.
//
// # Usage
//
// A [Transformer] has a name and one method, which changes the object that it
// is given; [Func] makes one of a function, [For] one of a function on a typed
// object, [Match] restricts one to kinds, labels, workspaces and clusters, and
// [Within] to parts of an object. Package transformtest checks yours in three
// lines.
//
// An [Aggregator] makes one status of those of the copies, and [StatusRules]
// say which serves which kind: the kinds of Kubernetes by [Fields], a declaration
// of what is summed, merged and agreed on, which serves for CRDs as well. A
// [Tally] counts one cluster's news without looking at the others again.
// [Health] says how a copy does, and [HealthBy] has a platform's rule say so for a
// kind. Few fields of a spec come back, where the platform says so: see
// [WithReturned].
//
// # How it works
//
// Render copies the original without status and without the metadata that
// belongs to its workspace: all but labels and annotations that are the
// tenant's own, so that nobody can forge marks. It puts the copy where the
// [Naming] says, stamps the [Marks] on it that tie it to the original and to
// the installation, applies the overrides of the owner's Placement, runs the
// transformers, which so have the last word, and writes the target's share of
// the replicas.
//
// At the end a guard looks, and if it finds anything once more after each
// transformer, to say which one it was: API version,
// kind, namespace, name and marks are as they were; no label or annotation of
// tmc-sdk.dev or kcp.io was added; no other metadata, and no status. Else the
// object goes nowhere, and an [*IdentityError] says who did what. A transformer
// that panics is an error of that transformer.
//
// # Trade-offs
//
// Transformers share one copy and see each other's work: order matters, and is
// that of the options. The guard protects the identity and not the spec: what
// transformers do there is the platform's to answer for, or to bound by Within.
//
// Replicas are divided only for kinds that are known to have them: see
// [WithReplicas]. Reserved labels and annotations are taken from all metadata
// within an object as well, as of the templates of pods, because what a cluster
// makes of these would pass for copies; an override that writes them there is
// refused. Owner references are dropped, for a garbage collector would take a copy away
// on nobody's proof when its owner's copy moves or is made anew. Kinds whose names mean something, as CustomResourceDefinition, can't
// be copied: [ErrKindRefused].
package transform
