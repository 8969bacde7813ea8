package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	syncer "github.com/tmc-sdk/tmc/sync"
)

// A gate that freezes one cluster. Pass it to New by WithGate.
func ExampleGateFunc() {
	freeze := syncer.GateFunc("freeze", func(_ context.Context, p *syncer.Proposal) error {
		if p.Cluster == "east" {
			return errors.New("east is frozen until the audit is over; ask the platform team")
		}
		return nil
	})
	for _, cluster := range []string{"east", "west"} {
		fmt.Println(cluster, freeze.Admit(context.Background(), &syncer.Proposal{Action: syncer.ActionCreated, Cluster: cluster}))
	}
	// Output:
	// east east is frozen until the audit is over; ask the platform team
	// west <nil>
}

// What Loop.Plan returns prints as a diff.
func ExamplePlan_Print() {
	plan := &syncer.Plan{Unknown: 2, Steps: []syncer.Step{{
		Action: syncer.ActionConfigured, Cause: syncer.CauseChanged, Cluster: "east", Waits: "the installation",
		Original:    syncer.Key{Kind: schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, Workspace: "2x9abc", Namespace: "default", Name: "settings"},
		Copy:        client.ObjectKey{Namespace: "default-o2b46w", Name: "settings"},
		Differences: []syncer.Difference{{Path: "data.color", Was: `"blue"`, Becomes: `"green"`}, {Path: "metadata.labels.stage", Was: `"test"`}},
	}}}
	if err := plan.Print(os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// configured ConfigMap 2x9abc|default/settings on east as default-o2b46w/settings (Changed), waits: the installation
	//    ~ data.color: "blue" -> "green"
	//    - metadata.labels.stage: "test"
	// 1 steps; 2 copies of workspaces that can't be seen stay as they are
}

// An auditor gets one Change for every write to a cluster; it reads as a line.
func ExampleAuditFunc() {
	log := syncer.AuditFunc(func(_ context.Context, c syncer.Change) { fmt.Println(c) })
	log.Audit(context.Background(), syncer.Change{
		Action: syncer.ActionDeleted, Cause: syncer.CauseMoved, Cluster: "east", Copy: client.ObjectKey{Namespace: "default-o2b46w", Name: "web"},
		Original: syncer.Key{Kind: schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, Workspace: "2x9abc", Namespace: "default", Name: "web"},
	})
	// Output: deleted Deployment 2x9abc|default/web as default-o2b46w/web on east, because Moved
}
