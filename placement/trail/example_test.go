package trail_test

import (
	"fmt"

	"github.com/tmc-sdk/tmc/placement/trail"
)

// The trace of a change is known to whoever can read the object.
func ExampleOf() {
	fmt.Println(trail.Of("2b4a1c9e-0d2f-4a77-9f0e-6f6b1f0c8a11", 3).TraceID())
	// Output: 60afdd47d1df88bc33e368b4dba7a213
}
