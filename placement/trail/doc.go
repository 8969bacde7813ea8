// Package trail gives every version of an object a trace of its own, whose id
// every process can compute. So one trace shows how a change went through the
// five steps (Place, Transform, Apply, Observe and Report, and Retire at the
// end), though a placement controller, a sync loop and the lanes to several
// clusters did it, in several processes and with restarts between.
//
// # Usage
//
//	ctx = trail.Context(ctx, original.GetUID(), original.GetGeneration())
//	ctx, span := tracer.Start(ctx, trail.Apply)
//
// and, for who looks for it,
//
//	id := trail.Of(uid, generation).TraceID()
//
// # Details
//
// Nothing is written to an object for this: an annotation would cost a write to
// kcp, the scarcest thing there is. The id is a digest of the UID and the
// generation, both of which everybody reads who acts on the object anyway. From a
// copy it is found as well, since the marks of a copy name the UID of its
// original.
//
// A decision has the trace of its Placement's UID and generation. The spans of an
// original link to that; its own trace links nowhere else.
//
// # Considerations
//
// Spans have a parent that nobody exports, which stands for the version itself;
// viewers show them side by side under it. What happens to a version long after
// its change, as the repair of drift, belongs to the same trace.
//
// Whoever samples has to do so by trace id alone (TraceIDRatioBased of the SDK,
// without ParentBased around it: the parent always says that it is sampled).
// Then all processes keep the same traces, and keep them whole.
package trail
