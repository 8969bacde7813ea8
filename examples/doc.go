// Package examples holds the programs that a reader runs, one a folder, and the
// checks that keep the project's pages true.
package examples
