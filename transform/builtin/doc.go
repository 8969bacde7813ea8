// Package builtin holds the transformers that most platforms need: for images
// (beside transform.Registries), metadata, pods, services, ingresses, storage, jobs, values of the target, and
// patches. Each is a value to hand to transform.With; nothing is on by default.
//
//	p, err := transform.NewPipeline("prod", transform.With(
//		builtin.Must(builtin.Env(builtin.EnvVar{Name: "REGION", Value: "${cluster.region}"})),
//		builtin.PullSecrets("mirror"),
//		builtin.Services(builtin.ServiceRules{}),
//	))
//
// All are pure, may be applied twice, leave alone what does not have the shape
// that they expect (the API server says what is wrong with it), and say which
// kinds they are for. Where two set the same field, the later wins; the order
// is that of the pipeline. Those that add something, as an environment
// variable, leave alone what the tenant has set, and say so where they don't.
//
// docs/transformers.md shows one example of each.
package builtin
