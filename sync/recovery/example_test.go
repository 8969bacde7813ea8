package recovery_test

import (
	"bytes"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/tmc-sdk/tmc/sync/recovery"
	"github.com/tmc-sdk/tmc/transform"
)

func ExampleRead() {
	var file bytes.Buffer
	b := recovery.Backup{Workspaces: []recovery.Workspace{{Path: "root:team-a", Cluster: "2abc"}}}
	if err := b.Write(&file); err != nil {
		panic(err)
	}
	_, err := recovery.Read(strings.NewReader(strings.Replace(file.String(), "team-a", "team-b", 1)))
	fmt.Println(err)
	// Output: the backup is damaged: its contents do not have its checksum
}

func ExampleKeepNames() {
	naming, err := recovery.KeepNames(transform.HashedNaming{}, recovery.Renamed{Clusters: map[string]string{"2abc": "7xyz"}})
	if err != nil {
		panic(err)
	}
	kind := appsv1.SchemeGroupVersion.WithKind("Deployment")
	before, _ := transform.HashedNaming{}.Locate(kind, transform.Origin{LogicalCluster: "2abc", Namespace: "shop", Name: "web"})
	after, _ := naming.Locate(kind, transform.Origin{LogicalCluster: "7xyz", Namespace: "shop", Name: "web"})
	fmt.Println(before == after)
	// Output: true
}
