// Package transform is the second step of the one path, Transform: what goes to
// a cluster, as a pure function of the original and the target; and the pure
// part of the way back, what the copies' status makes of the original's.
package transform
