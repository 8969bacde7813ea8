package audit_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/tmc-sdk/tmc/sync/audit"
)

func Example() {
	dir, err := os.MkdirTemp("", "audit")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()

	log, err := audit.Open(audit.Writer("controller-0"), audit.Directory(dir, audit.Rotation{}))
	if err != nil {
		panic(err)
	}
	for _, cluster := range []string{"eu-1", "eu-2"} {
		err = log.Record(context.Background(), audit.Entry{
			Verb: audit.VerbCreate, Workspace: "2x9fk3", Cluster: cluster, Cause: "Placed",
			Object: audit.Object{Kind: appsv1.SchemeGroupVersion.WithKind("Deployment"), Namespace: "shop-abc", Name: "web"},
			After:  "4f1d", Code: 201,
		})
		if err != nil {
			panic(err)
		}
	}
	if err := log.Close(); err != nil {
		panic(err)
	}

	report, err := audit.VerifyDirectory(dir)
	fmt.Println(report.Chains[0].Writer, report.Chains[0].Head.Sequence, err)

	// Somebody would rather have had it on another cluster.
	file := filepath.Join(dir, "audit-controller-0-00000000000000000001.jsonl")
	lines, _ := os.ReadFile(file)
	_ = os.WriteFile(file, []byte(strings.Replace(string(lines), "eu-2", "us-1", 1)), 0o600)
	_, err = audit.VerifyDirectory(dir)
	fmt.Println(strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), ""))
	// Output:
	// controller-0 3 <nil>
	// audit: audit-controller-0-00000000000000000001.jsonl:3: its contents do not have its hash: it was changed
}
