// Package transformtest checks transformers: yours, in three lines.
//
//	func TestMine(t *testing.T) {
//		deployment := transformtest.Object(`{apiVersion: apps/v1, kind: Deployment, ...}`)
//		transformtest.TestTransformer(t, Mine{}, &transform.Target{Region: "eu"}, deployment)
//	}
//
// # Usage
//
// [TestTransformer] checks the contract of transform.Transformer: the same
// result every time, twice is once, nothing else mutated, identity kept, no
// panic on nonsense. Run it with -race to have that checked, too.
//
// [TestGolden] compares what a pipeline makes of the files below a directory
// with what it should; with -update it writes them. [Plan] prints what a
// pipeline would change.
//
// # How it works
//
// Objects that a fuzzer might send are made of those given, with a fixed seed:
// parts of them are replaced by what does not belong there. A transformer may
// refuse such an object with an error; it may not panic.
//
// # Trade-offs
//
// The package registers the flag -update if nobody else did before. A test
// package with a flag of that name of its own must register it by looking it up
// first.
package transformtest
