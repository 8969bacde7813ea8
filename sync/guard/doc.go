// Package guard makes a physical cluster refuse, by itself, what the sync loop
// would never send: so that a bug, a stolen credential or a crafted object meets
// a second wall that does not run our code.
//
// # Setup
//
// An administrator of a physical cluster applies what Policies returns, once.
// The loop gets the objects of every tenant's namespace (DefaultDeny, Quota and
// what else the platform wants there) by syncer.WithNamespaceObjects, and the
// level of Pod Security Admission by transform.WithNamespaceLabels.
//
// # Usage
//
//	policies, err := guard.Policies(guard.Writer{
//		Installation: "production-eu",
//		Username:     "system:serviceaccount:tmc-system:controller",
//		PodSecurity:  guard.Restricted,
//	})
//
// # Details
//
// Policies are ValidatingAdmissionPolicies of Kubernetes (v1, since 1.30), with
// their bindings; one for what the loop may write, and one that keeps others
// from forging, changing or taking off its marks. They name fields of the marks
// (package transform) and nothing else of the SDK.
//
// # Considerations
//
// A policy adds to RBAC, it does not replace it: give the loop's user no more
// than cluster/access says. Adoption writes to what does not bear our marks yet;
// a Writer that adopts has to say so.
package guard
