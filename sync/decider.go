package syncer

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	"github.com/tmc-sdk/tmc/transform"
)

// Decider says where originals go, in the place of Placement objects: for a
// loop whose originals somebody else has placed already, as an agent's are.
type Decider interface {
	// Name of the decider, for messages.
	Name() string
	// Decide returns the physical clusters that an original goes to. It must be
	// a pure function of the original, which it must not change: it is asked of
	// what the cache shows and, before a copy goes for that no cluster is named
	// any more, of what was read live. None means that nothing is decided: what
	// has copies keeps them.
	Decide(original *unstructured.Unstructured) []string
}

// WithPlacement has a Decider place originals. No Placement is read then: the
// workspaces need not serve any. What a Decider names is a target in good
// standing and what it ceases to name is left at once; replicas are not divided.
// Every kind is listed as one of Resources, none as Related: nothing follows
// what mentions it. Default: Placements decide.
func WithPlacement(d Decider) Option {
	return func(o *options) { o.decider = d }
}

// Here is the Decider of an agent: every copy of the installation goes to the
// cluster, and nothing else. Its originals are the copies that the installation
// keeps in the cluster's mailbox; see docs/pull.md.
func Here(installation, cluster string) Decider { return here{installation, cluster} }

type here struct{ installation, cluster string }

var _ Decider = here{}

// Name implements Decider.
func (h here) Name() string { return "here" }

// Decide implements Decider.
func (h here) Decide(original *unstructured.Unstructured) []string {
	if marks, ok := transform.ReadMarks(original); ok && marks.Installation == h.installation {
		return []string{h.cluster}
	}
	return nil
}

// decided reads what the Decider says of an original.
func (l *Loop) decided(original *unstructured.Unstructured) (*assignment, error) {
	names := l.opts.decider.Decide(original)
	if len(names) == 0 {
		return nil, errUnknown
	}
	a := &assignment{targets: make(map[string]v1alpha1.Target, len(names))}
	for _, name := range names {
		a.targets[name] = v1alpha1.Target{Cluster: name}
	}
	return a, nil
}

// noLongerDecided says of an original that was read live whether the Decider no
// longer names the cluster.
func (l *Loop) noLongerDecided(original *unstructured.Unstructured, cluster string) (bool, error) {
	a, err := l.decided(original)
	if err != nil {
		return false, err
	}
	return !a.names(cluster), nil
}

// namespacesOn returns where originals are that go to a cluster. With a Decider,
// an empty namespace stands for all of a workspace: only the originals tell.
func (l *Loop) namespacesOn(cluster string) []namespaceKey {
	if l.opts.decider == nil {
		return l.decisions.namespacesOn(cluster)
	}
	return l.everywhere()
}

// everywhere names all namespaces of the workspaces that are engaged.
func (l *Loop) everywhere() []namespaceKey {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]namespaceKey, 0, len(l.engaged))
	for ws := range l.engaged {
		all = append(all, namespaceKey{workspace: ws})
	}
	return all
}

// noteEngaged remembers a workspace until it is disengaged.
func (l *Loop) noteEngaged(ctx context.Context, ws multicluster.ClusterName) {
	l.countEngaged(ws, 1)
	l.world.after(ctx, func() { l.countEngaged(ws, -1) })
}

func (l *Loop) countEngaged(ws multicluster.ClusterName, by int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.engaged[ws] += by; l.engaged[ws] == 0 {
		delete(l.engaged, ws)
	}
}

func (o *options) validateDecider() error {
	if o.decider != nil && len(o.related) > 0 {
		return fmt.Errorf("syncer: WithPlacement(%s) and Related exclude each other: list all kinds as Resources", o.decider.Name())
	}
	return nil
}
