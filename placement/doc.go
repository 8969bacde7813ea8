// Package placement is the first step of the one path, Place: it decides where
// work goes, and says why.
package placement
