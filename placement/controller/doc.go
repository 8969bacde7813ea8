// Package controller is the first step of the one path, Place, for the work of
// all workspaces: it decides where work goes and records it in Placements.
package controller
