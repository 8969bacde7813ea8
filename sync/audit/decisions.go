package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/go-logr/logr"

	placementcontroller "github.com/tmc-sdk/tmc/placement/controller"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Decided records every decision that a placement controller wrote, and every
// refusal:
//
//	placementcontroller.New(mgr, fleet, engine, placementcontroller.OnDecision(log.Decided), ...)
func (l *Log) Decided(ctx context.Context, d placementcontroller.Decided) {
	if err := l.Record(ctx, entryOfDecision(d)); err != nil {
		logr.FromContextOrDiscard(ctx).Error(err, "A decision was not recorded", "workspace", d.Workspace, "placement", d.Placement)
	}
}

func entryOfDecision(d placementcontroller.Decided) Entry {
	kind := "Placement"
	if d.Placement.Namespace == "" {
		kind = "ClusterPlacement"
	}
	e := Entry{
		Verb: VerbDecide, Actor: "tmc-placement", Workspace: string(d.Workspace), Cause: d.Reason,
		Object:  Object{Kind: v1alpha1.GroupVersion.WithKind(kind), Namespace: d.Placement.Namespace, Name: d.Placement.Name, UID: d.UID},
		Message: targets(d.After) + ", was " + targets(d.Before),
		Before:  digest(targets(d.Before)), After: digest(targets(d.After)),
	}
	if !d.Placed {
		e.Verb, e.Message = VerbRefuse, e.Message+": "+d.Message
	}
	return e
}

// targets writes "eu-1:6 us-1:4"; what work is leaving has a minus.
func targets(list []v1alpha1.Target) string {
	words := make([]string, 0, len(list))
	for i := range list {
		word := list[i].Cluster
		if list[i].Leaving {
			word = "-" + word
		}
		if list[i].Share != nil {
			word = fmt.Sprintf("%s:%d", word, *list[i].Share)
		}
		words = append(words, word)
	}
	if len(words) == 0 {
		return "nowhere"
	}
	return strings.Join(words, " ")
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}
