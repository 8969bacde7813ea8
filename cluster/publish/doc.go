// Package publish makes the APIs of physical clusters known to kcp.
package publish
