// Package audit proves what was done: every write and delete on a physical
// cluster, every decision, every refusal and forced release, as events of
// audit.k8s.io/v1 in a chain of hashes. Observe and Report tell tenants how
// their work is; this tells an auditor how it came to be so.
//
// # Setup
//
// Open makes a Log. It continues the chain of its writer from the newest file
// in its directory, so a restart leaves no seam, and writes to rotating files
// and to any further Sink, such as a Webhook.
//
// # Usage
//
//	log, err := audit.Open(audit.Writer("controller-0"),
//		audit.Directory("/var/log/tmc", audit.Rotation{}),
//		audit.To(webhook), audit.OnFailure(audit.Block))
//	err = log.Record(ctx, audit.Entry{Verb: audit.VerbDelete, ...})
//	report, err := audit.VerifyDirectory("/var/log/tmc")
//
// # Details
//
// A line is one event in canonical JSON (keys sorted, no spaces). Annotations
// of the event name its writer, its sequence number, the hash of the event
// before it and its own hash, which covers all the rest of the line. So a line
// that was changed, taken out, put in or moved breaks the chain there, and
// Verify names the line. Each writer has a chain of its own. Writers that share
// a directory record each other's heads, so that none can be cut short, or
// vanish, without another's chain telling. Files that rotation removes are
// recorded too: a chain whose beginning is missing says up to where that was
// meant.
//
// A process that dies while it writes leaves half a line at the end of a file.
// Verify reports it and goes on; the writer's next start begins a new file and
// records what it found.
//
// What is lost is explicit. With Block, Record returns only when the event is
// in the file: a full disk stops the work that would go unrecorded. With Count,
// work goes on, and the first event after the gap says how many are missing.
//
// No event holds a secret value: events carry no objects, only digests of
// them. The digests of Secrets are left out, since a short secret can be found
// from its digest by trying; with DigestKey they are keyed. What API servers
// quote in their messages is cut out.
//
// # Considerations
//
// Whoever can write the files of all writers can also make a whole new chain.
// Against that, heads have to be known elsewhere: send the events to a Webhook
// on another machine, or keep the heads that Verify reports and give them to
// the next Verify as Anchors.
//
// Files are flushed to disk every second and when they are rotated or closed,
// not with every event: a machine, not a process, that dies can lose the last
// second. FlushEvery(0) flushes each event, at the price of the disk.
//
// Verify holds 32 bytes per event in memory.
package audit
