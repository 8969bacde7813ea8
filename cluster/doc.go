// Package cluster holds the fleet: the physical clusters that work can go to.
// It is what the step Place chooses from, and what Apply and Observe connect
// through.
package cluster
