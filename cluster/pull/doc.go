// Package pull lets clusters take their work themselves: an agent in a cluster
// fetches it from the cluster's mailbox, instead of a hub reaching into the
// cluster. It is on either side of the steps Apply and Observe: it makes
// mailboxes, gives each agent credentials for its own alone, and has it report.
//
// # Setup
//
// At the hub, mailboxes as workspaces of kcp below the platform's:
//
//	mailboxes, err := pull.NewWorkspaces(platform, "tmc", resources...)
//	registrar, err := pull.NewRegistrar(mailboxes)
//	err = mgr.GetLocalManager().Add(registrar)
//	source := cluster.FromObjects(platform, cluster.WithMailboxes(mailboxes))
//
// Another API server becomes a mailbox by Prepare.
//
// # Usage
//
// NewToken makes a bootstrap token; in the cluster, Join exchanges it for
// Credentials, which a Store keeps and Resume finds again. A Reporter renews the
// agent's Lease. Package sync/agent puts these together with the loop. Revoke ends
// an agent's access.
//
// # Details
//
// Tokens are ServiceAccount tokens of the mailbox's own server: no server of ours
// has to be reached, and what a token is worth is what RBAC in the mailbox says
// (AgentRules). A bootstrap token is bound to a Secret, with which it ends.
//
// A mailbox whose cluster is registered no more is closed: first the agent is
// shut out, and then, if no copy is left, the workspace goes. In the other order
// the agent would take the end of the mailbox for that of its work.
//
// # Considerations
//
// With kcp every write to a mailbox is one to kcp; docs/pull.md counts them.
package pull
