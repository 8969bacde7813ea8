package controller

import (
	"context"
	"slices"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// maxPreviewed clusters are listed by a preview.
const maxPreviewed = 64

// dryRun decides and shows the decision, and keeps what is on record.
func (c *Controller) dryRun(ctx context.Context, q *question, a *answer) error {
	q.dry = true
	would := &answer{status: *a.status.DeepCopy()}
	would.status.Preview = nil
	if len(q.workloads) == 0 {
		would.refuse(q, v1alpha1.ReasonNothingToPlace, "The Placement covers no object.")
	} else if err := c.place(ctx, q, would); err != nil {
		return err
	}
	was, is := chosenOf(a.status.Targets), chosenOf(would.status.Targets)
	outcome := placed(&would.status)
	a.status.Preview = &v1alpha1.Preview{
		ObservedGeneration: q.placement.Generation,
		Reason:             outcome.Reason, Message: outcome.Message,
		Summary: summarize(slices.DeleteFunc(slices.Clone(would.status.Targets), func(t v1alpha1.Target) bool { return t.Leaving })),
		Added:   notIn(was, is), Removed: notIn(is, was),
	}
	a.status.ObservedGeneration = q.placement.Generation
	a.status.Targets = a.keep(q, a.status.Targets, c.poll)
	if placed(&a.status) == nil {
		a.refuse(q, ReasonDryRun, "The Placement was never decided and is a dry run: status.preview has what would be decided. Set spec.dryRun to false to have it so.")
	}
	a.interest.waiting, a.interest.properties = true, true
	return nil
}

// samePreview ignores words and shares.
func samePreview(old, now *v1alpha1.Preview) bool {
	if old == nil || now == nil {
		return old == now
	}
	return old.ObservedGeneration == now.ObservedGeneration && old.Reason == now.Reason &&
		slices.Equal(old.Added, now.Added) && slices.Equal(old.Removed, now.Removed)
}

// chosenOf returns the names of the targets that are not being left.
func chosenOf(targets []v1alpha1.Target) []string {
	names := make([]string, 0, len(targets))
	for _, t := range targets {
		if !t.Leaving {
			names = append(names, t.Cluster)
		}
	}
	return names
}

// notIn returns the names that are not among others, the first ones only.
func notIn(others, names []string) (left []string) {
	for _, name := range names {
		if !slices.Contains(others, name) && len(left) < maxPreviewed {
			left = append(left, name)
		}
	}
	return left
}
