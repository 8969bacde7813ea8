// Package expression makes transformers and aggregators of CEL, for platforms
// that keep their rules in configuration and not in Go. It is apart from
// package transform so that nobody else has to link an interpreter.
//
// # Usage
//
// [Merge] makes a transformer of an expression that says what the object should
// have, as the apply configurations of Kubernetes' MutatingAdmissionPolicy do;
// [Patch] of one that gives the operations of a JSON patch. [Aggregate] makes
// an aggregator of one that computes a status.
//
//	spread, err := expression.Merge("spread", `{"spec": {"template": {"metadata": {"labels": {"region": target.region}}}}}`,
//		expression.When(`object.kind == "Deployment" && target.region != ""`))
//
// Expressions of transformers see:
//
//	object   the object, as it stands in the pipeline
//	target   cluster, region, zone, provider, version, labels, properties, replicas (absent: null)
//	origin   workspace, namespace, name
//
// and those of aggregators original and copies, a list of {cluster, status,
// replicas} sorted by cluster. The libraries are CEL's own and those of
// strings, lists, sets, math and optionals. escapeKey(text), or
// jsonpatch.escapeKey(text), makes a key fit into the path of a patch.
//
// # How it works
//
// Expressions are compiled and type-checked once; a slip is an error when the
// pipeline is built. At run time they see the object as it is, without a copy,
// and are stopped when they cost more than [Limit] says. What they return is
// copied, so that it shares nothing with the object.
//
// # Trade-offs
//
// Objects have no schema here: object.spec.repplicas compiles, and fails when
// it is run. Lists in a Merge replace those of the object, as in RFC 7386: to
// change one element, use Patch, or map the list. The guard of the pipeline
// holds for expressions as for all other transformers.
package expression
