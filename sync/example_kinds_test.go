package syncer_test

import (
	"log"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/tmc-sdk/tmc/cluster/workspaces"
	syncer "github.com/tmc-sdk/tmc/sync"
)

// Everything that an export exports is synced, as it changes, but for one kind;
// and the ConfigMaps and Secrets that it mentions, while the export claims them.
// The placement controller takes the same kinds by an option of the same name.
func ExampleResourcesFrom() {
	platform := &rest.Config{Host: "https://kcp.example.com/clusters/root:platform"}
	exported, err := workspaces.NewExportedKinds(platform, "tmc", workspaces.ExportedOptions{
		Exclude: []schema.GroupKind{{Group: "billing.example.com", Kind: "Invoice"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	claimed := exported.Claimed(map[schema.GroupVersionKind]string{
		corev1.SchemeGroupVersion.WithKind("ConfigMap"): "configmaps",
		corev1.SchemeGroupVersion.WithKind("Secret"):    "secrets",
	})
	_ = []syncer.Option{syncer.ResourcesFrom(exported), syncer.RelatedFrom(claimed)} // for syncer.New
	// mgr.GetLocalManager().Add(exported) has it follow the export.
}
