// Package patient lets caches wait for a server that is down, instead of
// backing off.
//
// # Setup
//
// Config wraps the transport of a rest.Config. Whatever builds a cache from the
// result needs to know nothing of it.
//
// # Details
//
// client-go's reflector doubles its pause after each failure, up to a minute:
// after an outage of twenty seconds a watch comes back as much as 45 seconds
// after the server did, and neither controller-runtime nor the providers of kcp
// let one choose the pauses. So requests for lists and watches do not fail here
// while the server is not ready: they wait, together look once every half
// second whether it is, and are sent again once it is. The reflector sees one
// slow request and never begins to back off.
//
// # Considerations
//
// A server that is ready has the last word: whatever it answers, a refusal
// included, is passed on. Requests that nobody can cancel never wait, so that
// nothing outlives its owner.
package patient
