// Package bench runs the scheduler of Karmada and our engine on the same
// fleets, in one process. It is a module of its own, so that nothing here is a
// dependency of the SDK.
//
//	cd .ci/bench/placement && go test -run '^$' -bench . -cpu 1
package bench
