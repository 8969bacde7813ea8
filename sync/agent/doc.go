// Package agent is the way to a physical cluster that nobody reaches from
// outside: a program in it that fetches the cluster's work from its mailbox.
package agent
