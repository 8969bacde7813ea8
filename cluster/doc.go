// Package cluster holds the fleet: the physical clusters that work can go to.
package cluster
