package syncer

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/cluster/workspaces"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	"github.com/tmc-sdk/tmc/transform"
)

// ResourcesFrom are kinds to sync that change while the loop runs, as those that
// an APIExport exports (workspaces.NewExportedKinds). A kind that comes is synced
// from then on. Of a kind that leaves nothing is deleted or written any more,
// neither copies nor what they mention, until it comes back. Kinds of Placements,
// namespaces, and what can't be copied are left out, and so is a kind that is
// Related, or listed in Resources.
func ResourcesFrom(sources ...workspaces.Kinds) Option {
	return func(o *options) { o.sources = append(o.sources, sources...) }
}

// RelatedFrom are kinds as those of Related that change while the loop runs, as
// those that an APIExport claims (workspaces.ExportedKinds.Claimed).
func RelatedFrom(sources ...workspaces.Kinds) Option {
	return func(o *options) { o.relatedFrom = append(o.relatedFrom, sources...) }
}

// kindSet is what is synced. It never changes; another takes its place.
type kindSet struct {
	resources, related []schema.GroupVersionKind
	// missing are kinds that left the set: copies of them may be anywhere.
	missing []schema.GroupVersionKind
	// clashes are kinds that are left out since their copies would stand where
	// those of another kind do.
	clashes []schema.GroupVersionKind
}

func (s *kindSet) all() []schema.GroupVersionKind { return slices.Concat(s.resources, s.related) }

// changing says whether the set may change at all.
func (o *options) changing() bool { return len(o.sources)+len(o.relatedFrom) > 0 }

// kindSet returns what is to be synced now, given what was before.
func (o *options) kindSet(p *transform.Pipeline, before *kindSet) (*kindSet, error) {
	set, taken := &kindSet{}, map[schema.GroupKind]bool{}
	take := func(list *[]schema.GroupVersionKind, kind schema.GroupVersionKind) bool {
		as := p.KindsOn(kind)[0].GroupKind()
		if taken[as] {
			return false
		}
		taken[as] = true
		*list = append(*list, kind)
		return true
	}
	for _, kind := range o.resources {
		if !take(&set.resources, kind) {
			return nil, fmt.Errorf("syncer: kind %s: another kind has copies of kind %s already, by transform.WithKindMappings", kind.GroupKind(), p.KindsOn(kind)[0].GroupKind())
		}
	}
	for _, kind := range o.related {
		if !take(&set.related, kind) {
			return nil, fmt.Errorf("syncer: related kind %s: another kind has copies of kind %s already, by transform.WithKindMappings", kind.GroupKind(), p.KindsOn(kind)[0].GroupKind())
		}
	}
	add := func(list *[]schema.GroupVersionKind, sources []workspaces.Kinds) {
		for _, source := range sources {
			for _, kind := range source.Kinds() {
				known := func(k schema.GroupVersionKind) bool { return k.GroupKind() == kind.GroupKind() }
				if !syncable(kind) || slices.ContainsFunc(set.all(), known) {
					continue
				}
				if !take(list, kind) {
					set.clashes = append(set.clashes, kind)
				}
			}
		}
	}
	add(&set.related, o.relatedFrom)
	add(&set.resources, o.sources)
	if before != nil {
		for _, kind := range slices.Concat(before.all(), before.missing) {
			same := func(k schema.GroupVersionKind) bool { return k.GroupKind() == kind.GroupKind() }
			if !slices.ContainsFunc(slices.Concat(set.all(), set.missing), same) {
				set.missing = append(set.missing, kind)
			}
		}
	}
	return set, nil
}

// syncable says whether objects of a kind that nobody listed can be synced.
func syncable(kind schema.GroupVersionKind) bool {
	return kind.Kind != "" && kind.Version != "" && kind.Group != v1alpha1.Group &&
		kind.GroupKind() != namespaceKind.GroupKind() && transform.Copyable(kind.GroupKind()) == nil
}

// Kinds returns the kinds that are synced now.
func (l *Loop) Kinds() []schema.GroupVersionKind { return l.kinds() }

// kinds returns all kinds of which there are copies.
func (l *Loop) kinds() []schema.GroupVersionKind { return l.set.Load().all() }

// resources returns the kinds that Placements cover.
func (l *Loop) resources() []schema.GroupVersionKind { return l.set.Load().resources }

func (l *Loop) isRelated(kind schema.GroupVersionKind) bool {
	return slices.Contains(l.set.Load().related, kind)
}

// lacksKinds says whether a kind was synced that is not any more: where its copies
// are can't be told.
func (l *Loop) lacksKinds() bool { return len(l.set.Load().missing) > 0 }

// lacksUsers says whether a kind was synced, and is not any more, that may mention
// others: what its copies need can't be told.
func (l *Loop) lacksUsers() bool {
	return slices.ContainsFunc(l.set.Load().missing, l.mayMention)
}

// watched returns all kinds to watch in workspaces.
func (l *Loop) watched() []schema.GroupVersionKind {
	if l.opts.decider != nil {
		return l.kinds()
	}
	return append(l.kinds(), placementKind, clusterPlacementKind)
}

// followSources follows the kinds that change, until cancel is called.
func (l *Loop) followSources() (cancel func()) {
	var cancels []func()
	for _, source := range slices.Concat(l.opts.sources, l.opts.relatedFrom) {
		cancels = append(cancels, source.Subscribe(l.kindsChanged))
	}
	if len(cancels) > 0 {
		l.kindsChanged()
	}
	return func() {
		for _, cancel := range cancels {
			cancel()
		}
	}
}

// kindsChanged has watches and lanes follow what is to be synced now.
func (l *Loop) kindsChanged() {
	l.changing.Lock()
	defer l.changing.Unlock()
	before := l.set.Load()
	now, err := l.opts.kindSet(l.pipeline, before)
	if err != nil {
		l.logger.Error(err, "The kinds that are synced stay as they are")
		return
	}
	came, left := workspaces.ChangedKinds(before.all(), now.all())
	if clashes, _ := workspaces.ChangedKinds(before.clashes, now.clashes); len(clashes) > 0 {
		l.logger.Error(nil, "Kinds are not synced: their copies would stand where those of another kind do", "kinds", namesOf(clashes))
	}
	l.set.Store(now)
	if len(came)+len(left) == 0 {
		return
	}
	if len(came) > 0 {
		l.logger.Info("Kinds are synced", "kinds", namesOf(came))
	}
	if len(left) > 0 {
		l.logger.Info("Kinds are synced no more; their copies stay as they are", "kinds", namesOf(left))
	}
	for _, lane := range l.allLanes() {
		lane.mu.Lock()
		adjust := lane.adjust
		lane.mu.Unlock()
		if adjust != nil {
			adjust()
		}
	}
	if w, ok := l.watcher.(interface {
		Follow(kinds []schema.GroupVersionKind)
	}); ok {
		w.Follow(l.watched())
	}
}

func namesOf(kinds []schema.GroupVersionKind) string {
	names := make([]string, 0, len(kinds))
	for _, kind := range kinds {
		names = append(names, kind.GroupVersion().String()+" "+kind.Kind)
	}
	return strings.Join(names, ", ")
}
