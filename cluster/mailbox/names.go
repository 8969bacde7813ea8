package mailbox

import "github.com/tmc-sdk/tmc/cluster/v1alpha1"

// Names in every mailbox.
const (
	// Namespace holds all that is the agent's: its account and its Lease, with
	// the report. No copy is ever in it.
	Namespace = "tmc-agent"
	// Account is the ServiceAccount of the agent, and the name of its role.
	Account = "agent"
	// Joiner is the ServiceAccount that bootstrap tokens are of: it may ask for
	// a token of Account, and for nothing else.
	Joiner = "joiner"
	// JoinSecret is what the bootstrap token is bound to: with it the token goes.
	JoinSecret = "join"
	// Lease is what the agent renews while it lives.
	Lease = "agent"
	// AnnotationReport on the Lease is the report. It goes with renewals, so that
	// it costs no write of its own.
	AnnotationReport = v1alpha1.Group + "/report"
	// ExportSuffix ends the name of the export that mailboxes in kcp bind.
	ExportSuffix = "-mailbox"
)
