package syncer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Strategy is how copies of a kind are kept.
type Strategy string

// Strategies. The set is closed.
const (
	// StrategyApply applies what is rendered and repairs drift. The default.
	StrategyApply Strategy = "Apply"
	// StrategyCreateOnly makes copies and deletes them, and never changes one
	// in between: for what belongs to the cluster once it is there.
	StrategyCreateOnly Strategy = "CreateOnly"
	// StrategyObserveOnly writes no copies and deletes none; the status of those
	// that are there still comes up, and an original is deleted without waiting
	// for them: for a kind that is handed over to somebody else.
	StrategyObserveOnly Strategy = "ObserveOnly"
	// StrategyRecreate is StrategyApply, but where a field is immutable and
	// changed, the copy is deleted and made anew. What is lost by that is told
	// in an event on the original. It is the one deletion of a copy whose
	// original lives and is placed there (Law 1): the platform asks for it here.
	StrategyRecreate Strategy = "Recreate"
)

// WithStrategy sets the strategy of some kinds.
func WithStrategy(s Strategy, kinds ...schema.GroupKind) Option {
	return func(o *options) {
		if o.strategies == nil {
			o.strategies = map[schema.GroupKind]Strategy{}
		}
		for _, kind := range kinds {
			o.strategies[kind] = s
		}
	}
}

func (o *options) validateStrategies() error {
	for kind, s := range o.strategies {
		switch s {
		case StrategyApply, StrategyCreateOnly, StrategyObserveOnly, StrategyRecreate:
		default:
			return fmt.Errorf("syncer: strategy %q of %s: there is Apply, CreateOnly, ObserveOnly and Recreate", s, kind)
		}
	}
	return nil
}

// follows says whether a kind has a strategy.
func (l *Loop) follows(s Strategy, kind schema.GroupVersionKind) bool {
	return l.opts.strategies[kind.GroupKind()] == s
}

// observed is the intent for a kind that is only observed.
func observed(cluster string, copied *unstructured.Unstructured) intent {
	if copied != nil {
		return intent{copied: copied}
	}
	return intent{refusal: &RefusalError{
		Reason: ReasonSuspended, Cluster: cluster, Message: "objects of this kind are only observed here, and there is none on the cluster",
	}}
}

// immutable returns the fields that a server refused to change because they
// never change; nil if that is not why it refused.
func immutable(err error) []string {
	var status apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	var fields []string
	for _, c := range status.Status().Details.Causes {
		updates := c.Type == metav1.CauseType(field.ErrorTypeForbidden) && strings.Contains(c.Message, "updates to ")
		if c.Field != "metadata.uid" && (updates || strings.Contains(c.Message, "immutable")) {
			fields = append(fields, c.Field)
		}
	}
	slices.Sort(fields)
	return slices.Compact(fields)
}

// unlessImmutable sees to a change that the server refused as one of a field
// that never changes. It returns what else there is to tell.
func (l *lane) unlessImmutable(ctx context.Context, key Key, original *unstructured.Unstructured, todo intent, err error) error {
	fields := immutable(err)
	if len(fields) == 0 || todo.copied == nil {
		return err
	}
	if l.loop.follows(StrategyRecreate, key.Kind) {
		return l.recreate(ctx, key, original, todo, fields)
	}
	return &RefusalError{Reason: ReasonRefused, Cluster: l.name, Err: err, Message: fmt.Sprintf(
		"%s can't be changed: take the change back, or delete the object and make it anew; lost by that: %s",
		strings.Join(fields, ", "), lostBy(key.Kind.GroupKind()))}
}

// recreate deletes a copy of which the server refuses to change an immutable
// field; it is made anew when it is gone.
func (l *lane) recreate(ctx context.Context, key Key, original *unstructured.Unstructured, todo intent, fields []string) error {
	err := l.loop.admit(ctx, &Proposal{Action: ActionDeleted, Cause: CauseImmutable, Cluster: l.name, Key: key, Original: original, Copy: todo.copied})
	if err != nil {
		return err
	}
	if free, err := l.part(ctx, key, todo.copied); err != nil {
		return err
	} else if !free {
		return &RefusalError{Reason: ReasonRecreated, Cluster: l.name, Message: "the copy is made anew as soon as no other names it as its owner"}
	}
	uid := todo.copied.GetUID()
	err = l.live.Delete(ctx, todo.copied, client.Preconditions{UID: &uid}, client.PropagationPolicy(metav1.DeletePropagationBackground))
	l.loop.audit(ctx, Change{
		Action: ActionDeleted, Cause: CauseImmutable, Original: key, OriginalUID: original.GetUID(), Placement: todo.decided,
		Cluster: l.name, CopyUID: uid, Before: digestOf(todo.copied), Err: err,
	})
	if err := client.IgnoreNotFound(err); err != nil {
		return err
	}
	told := &RefusalError{Reason: ReasonRecreated, Cluster: l.name, Message: fmt.Sprintf(
		"%s can't be changed in place, so the copy is deleted and made anew; lost by that: %s", strings.Join(fields, ", "), lostBy(key.Kind.GroupKind()))}
	l.loop.tell(ctx, key, original, told)
	return told // until the new one is there
}

// lostBy says what goes with a copy of a kind that is made anew.
func lostBy(kind schema.GroupKind) string {
	switch kind.Kind {
	case "Deployment", "ReplicaSet", "DaemonSet", "ReplicationController":
		return "its pods stop, and new ones start"
	case "StatefulSet":
		return "its pods stop, and new ones start with the same volumes"
	case "Job":
		return "its progress; it starts from the beginning"
	case "PersistentVolumeClaim", "PersistentVolume":
		return "the data, if the volume's reclaim policy is Delete"
	case "Service":
		return "its cluster IP and its load balancer address"
	case "ConfigMap", "Secret":
		return "nothing but a moment in which it is not there"
	case "Pod":
		return "the pod stops, and a new one starts"
	}
	return "its status, and what the cluster keeps with the object"
}
