// Package envtest runs real servers for tests: kcp, and physical clusters.
package envtest
