//go:build unix

package placement_test

import (
	"syscall"
	"time"
)

// cpuTime is what the process has spent on the cores, waiting not counted: on a
// machine that is shared, what a decision costs.
func cpuTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
