// Package operations takes clusters out of service and back: cordon, drain,
// evict, uncordon, remove.
//
// # Setup
//
// Each operation is a field of a PhysicalCluster, so that anybody who may edit
// the object can ask for it. The Controller does what the fields alone can't:
// it keeps a PhysicalCluster that is deleted until all work has left, and
// writes how much is left. It runs beside the fleet, on the leader:
//
//	copies := operations.Copies{Selector: transform.SelectorFor(id), Tenant: transform.LabelLogicalCluster, Resources: resources}
//	controller, err := operations.NewController(fleet, platform, copies)
//	err = mgr.Add(controller)
//
// # Usage
//
// An Operator is the same for programs: each call sets the fields, or says what
// it would set, and can wait and tell of progress.
//
//	op, err := operations.NewOperator(platform, operations.WithFleet(fleet))
//	plan, err := op.Drain(ctx, "eu-1", operations.DryRun())
//	_, err = op.Drain(ctx, "eu-1", operations.Wait(func(p operations.Progress) { fmt.Println(p) }))
//
// # Details
//
//	operation  field                             work that is there
//	cordon     spec.unschedulable                stays
//	drain      spec.drain                        leaves, within the budget of disruptions
//	evict      a taint v1alpha1.TaintEvicted     leaves, but for what tolerates the taint;
//	           with a workspace                  that of this tenant alone (OfTenant)
//	uncordon   takes all of the above back       may return
//	remove     deletion, spec.removal            leaves first, or is abandoned
//
// What is left is counted on the cluster itself, live, by the label that copies
// bear. A cluster is released when none was found, and no sooner than Settle
// after its deletion, so that a copy which is being made finds its way back.
//
// # Considerations
//
// A cluster that cannot be asked may hold work: it is not released, and the
// condition Drained says why. One that was lost is released after LostAfter,
// and an event says that work may be left there. spec.removal: Abandon releases
// any cluster at once.
package operations
