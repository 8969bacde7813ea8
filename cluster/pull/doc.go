// Package pull lets clusters take their work themselves: an agent in a cluster
// fetches it from the cluster's mailbox, instead of a hub reaching into the
// cluster. It makes mailboxes, gives agents credentials for theirs alone, and
// has agents report.
package pull
