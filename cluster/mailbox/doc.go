// Package mailbox is what a hub and the agent of a cluster in pull mode agree
// on: names in the mailbox, the report that an agent writes about its cluster,
// and how a Lease tells whether the agent lives. It is pure: no client, no
// clock.
//
// # Setup
//
// Nothing has to be set up. Package cluster/pull makes mailboxes and lets agents
// join and report, package cluster/fleet reads what they report; both rest on
// this one.
//
// # Usage
//
//	report := mailbox.ReportOf(state)     // the agent, of its own cluster
//	data, err := report.Encode()
//	...
//	report, err := mailbox.Parse(data)    // the hub
//	pulse, verdict := pulse.Next(lease, now)
//
// # Details
//
// A mailbox is a scope of some API server for one cluster alone: a workspace of
// kcp, or a kube-apiserver. Everything of the agent's is in the namespace
// Namespace there; all else is copies, made by the hub.
//
// # Considerations
//
// A report is the word of somebody who may be hostile. Parse bounds it, and the
// hub takes from it what is known of a cluster, never what a platform says of
// one: labels, region, zone, provider and declared properties are those of the
// registration.
package mailbox
