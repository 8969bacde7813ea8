package syncer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// LabelUpsync with the id of the installation as its value on an object that
// was born on a physical cluster asks for it to be shown upstream. On the
// object that is shown, it says who shows it.
const LabelUpsync = "tmc-sdk.dev/upsync"

// AnnotationSource on an object that is shown upstream names the cluster that
// it was born on, and its UID there.
const AnnotationSource = "tmc-sdk.dev/source"

// AnnotationSourceName on an object that is shown upstream is the name of its
// source, where it is shown under another.
const AnnotationSourceName = "tmc-sdk.dev/source-name"

// Upsync shows, in workspaces, objects that were born on physical clusters: a
// Secret that an operator made there, say. Shown is what stands in a namespace
// of copies, is of one of these kinds and bears LabelUpsync; only such objects
// are watched. It appears in the workspace's namespace under its name, without
// the cluster's metadata, is kept as its source is, is never synced down, and
// leaves when its source is proven to be gone. Where an object of that name
// exists already, nothing is written, and an event there says so.
//
// The workspaces have to serve the kinds, and to accept a claim for writing
// them. None by default: what a cluster holds comes up only by choice.
func Upsync(kinds ...schema.GroupVersionKind) Option {
	return func(o *options) {
		for _, kind := range kinds {
			o.upsyncOf(kind).labelled = true
		}
	}
}

// UpsyncOf shows, in workspaces, the objects of a kind that belong to copies, and
// appear and leave as Upsync says, but need no label:
//
//   - what a copy controls, by owner references with UIDs, through others if need
//     be: the Pods of a Deployment's ReplicaSet, the EndpointSlices of a Service;
//   - Endpoints of a Service that is a copy;
//   - PersistentVolumeClaims of a StatefulSet that is a copy, and those that a Pod
//     mounts which belongs to a copy;
//   - Events that regard a copy, under the original's name, or what belongs to one.
//
// What belongs is proven by reads from the cluster, in the namespace of the copy
// alone: an object of another namespace never comes up, whatever it says of itself.
// A copy itself never does.
//
// Nothing can be selected on the server here: all objects of the kind are watched,
// in one watch per cluster, of their metadata alone, and those in namespaces of ours
// are remembered by name. An object is read when it is shown.
//
// The kind is given in a version that clusters and workspaces serve.
func UpsyncOf(kind schema.GroupVersionKind, opts ...UpsyncOption) Option {
	return func(o *options) {
		rule := o.upsyncOf(kind)
		rule.belonging = true
		for _, opt := range opts {
			opt(rule)
		}
	}
}

// UpsyncOption says how UpsyncOf shows the objects of a kind.
type UpsyncOption func(*upsyncRule)

// UpsyncMost bounds how many objects of the kind one namespace of a workspace has
// shown, from all clusters: what comes later waits until one leaves, and an event on
// the namespace's Placement says so. Default: 500, of Events 100.
func UpsyncMost(n int) UpsyncOption {
	return func(r *upsyncRule) { r.most = n }
}

// UpsyncClusterInName says whether what is shown is called NAME.CLUSTER, so that
// objects of one name can be shown from several clusters: the Pods of a StatefulSet,
// say. A name that would be too long, or not unique since the cluster's name has a
// dot, ends in a hash. Default: true of Endpoints and PersistentVolumeClaims, whose
// names are the same everywhere, and else false: controllers make names unique.
func UpsyncClusterInName(yes bool) UpsyncOption {
	return func(r *upsyncRule) { r.clusterInName = yes }
}

// upsyncRule says what of a kind is shown, and how.
type upsyncRule struct {
	kind schema.GroupVersionKind
	// labelled and belonging say what: that which bears LabelUpsync, and that which
	// belongs to copies.
	labelled, belonging bool
	clusterInName       bool
	most                int
}

const (
	mostExhibits     = 500
	mostEventsShown  = 100
	longestName      = 253
	longestLabelName = 63
)

// upsyncOf returns the rule of a kind, made at its first mention.
func (o *options) upsyncOf(kind schema.GroupVersionKind) *upsyncRule {
	for _, rule := range o.upsync {
		if rule.kind == kind {
			return rule
		}
	}
	rule := &upsyncRule{kind: kind, most: mostExhibits}
	switch kind.GroupKind() {
	case schema.GroupKind{Kind: "Endpoints"}, schema.GroupKind{Kind: "PersistentVolumeClaim"}:
		rule.clusterInName = true
	}
	if isEvent(kind) {
		rule.most = mostEventsShown
	}
	o.upsync = append(o.upsync, rule)
	return rule
}

func (o *options) validateUpsync() error {
	seen := map[schema.GroupKind]bool{}
	for _, rule := range o.upsync {
		switch kind := rule.kind; {
		case kind.Kind == "" || kind.Version == "":
			return fmt.Errorf("syncer: kind %q to show upstream is incomplete: version and kind are needed", kind.String())
		case seen[kind.GroupKind()]:
			return fmt.Errorf("syncer: kind %s is shown upstream in two versions: name one in Upsync and UpsyncOf", kind.GroupKind())
		case kind.GroupKind() == namespaceKind.GroupKind():
			return fmt.Errorf("syncer: kind Namespace can't be shown upstream: workspaces have their own")
		case rule.most < 1:
			return fmt.Errorf("syncer: UpsyncMost(%d) of %s: must be at least 1", rule.most, kind.GroupKind())
		}
		seen[rule.kind.GroupKind()] = true
	}
	return nil
}

// isEvent says whether a kind is that of Events, of either group.
func isEvent(kind schema.GroupVersionKind) bool {
	return kind.Kind == "Event" && (kind.Group == "" || kind.Group == "events.k8s.io")
}

// shownRule returns the rule of a kind; nil where nothing of it is shown.
func (l *Loop) shownRule(kind schema.GroupVersionKind) *upsyncRule {
	i := slices.IndexFunc(l.opts.upsync, func(r *upsyncRule) bool { return r.kind == kind })
	if i < 0 {
		return nil
	}
	return l.opts.upsync[i]
}

// selector selects what a cluster has to tell of; nil for all of the kind.
func (r *upsyncRule) selector(installation string) labels.Selector {
	if r.belonging {
		return nil
	}
	return labels.SelectorFromSet(labels.Set{LabelUpsync: installation})
}

// nameOf returns what an object of a cluster is called where it is shown.
func (r *upsyncRule) nameOf(source, cluster string) string {
	if !r.clusterInName {
		return source
	}
	name, most, unique := source+"."+cluster, longestName, !strings.Contains(cluster, ".")
	if r.kind.GroupKind() == (schema.GroupKind{Kind: "Service"}) { // whose names are labels of DNS
		name, most, unique = strings.ReplaceAll(name, ".", "-"), longestLabelName, false
	}
	if unique && len(name) <= most {
		return name
	}
	sum := sha256.Sum256([]byte(source + "\x00" + cluster))
	suffix := "-" + hex.EncodeToString(sum[:5])
	return strings.TrimRight(name[:min(len(name), most-len(suffix))], "-.") + suffix
}

// isShown says whether an object of a workspace is shown there by upsync.
func isShown(obj *unstructured.Unstructured) bool {
	label, _ := at(obj.Object, "metadata", "labels")[LabelUpsync].(string)
	source, _ := at(obj.Object, "metadata", "annotations")[AnnotationSource].(string)
	return label != "" && source != ""
}

// sourceOf returns where an object that is shown was born.
func sourceOf(shown *unstructured.Unstructured) (cluster, uid string) {
	cluster, uid, _ = strings.Cut(shown.GetAnnotations()[AnnotationSource], "/")
	return cluster, uid
}

// sourceNameOf returns what an object that is shown is called where it was born.
func sourceNameOf(shown *unstructured.Unstructured) string {
	if name := shown.GetAnnotations()[AnnotationSourceName]; name != "" {
		return name
	}
	return shown.GetName()
}

// shownChanged has the cluster that an object was born on look at what a
// workspace shows of it; false if the object is no such thing.
func (l *Loop) shownChanged(key Key, obj *unstructured.Unstructured) bool {
	if l.shownRule(key.Kind) == nil {
		return false
	}
	cluster, source := "", ""
	if known, ok := l.showcases.exhibit(key.showcase(), key.Name); ok && known.uid == obj.GetUID() {
		cluster, source = known.cluster, known.source // whatever somebody wrote into it
	} else if isShown(obj) {
		cluster, _ = sourceOf(obj)
		source = sourceNameOf(obj)
	} else {
		return false
	}
	if lane := l.lane(cluster); lane != nil {
		key.Name = source
		lane.queue.Add(errand{born: true, key: key})
	}
	return !slices.Contains(obj.GetFinalizers(), l.finalizer) // one that was synced before somebody marked it
}

// startUpsync begins to look after what workspaces show.
func (l *Loop) startUpsync(ctx context.Context) {
	if len(l.opts.upsync) == 0 {
		return
	}
	queue := l.world.queue()
	l.mu.Lock()
	l.overseer = queue
	l.mu.Unlock()
	for _, ws := range l.allEngaged() {
		l.oversee(ws)
	}
	l.world.spawn(func() { l.overseeAll(ctx, queue) })
	l.world.spawn(func() {
		l.world.await(ctx, nil)
		queue.ShutDown()
	})
}
