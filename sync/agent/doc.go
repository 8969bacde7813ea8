// Package agent is the way to a physical cluster that nobody reaches from
// outside: a program in it that fetches the cluster's work from its mailbox, and
// reports there what became of it.
//
// # Setup
//
// Join with a bootstrap token, once, or resume; then compose and start:
//
//	credentials, err := pull.Join(ctx, token, store)
//	a, err := agent.New(ctx, agent.Config{
//		Home: home, Mailbox: credentials, Installation: "prod", Resources: kinds,
//	})
//	err = a.Start(ctx)
//
// # Details
//
// The loop is that of package sync: the mailbox is its one workspace, the agent's
// own cluster its fleet, syncer.Here its Decider, transform.SameNaming its naming.
// So a copy goes only on live proof from the mailbox; an agent that can't reach
// it, or whose access was revoked, touches nothing, and repairs what drifts.
//
// # Considerations
//
// The hub's transformers have run already. What guards namespaces on the cluster
// is the agent's to put there (WithPipeline, WithLoop). See docs/pull.md.
package agent
