package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	apisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/kcp-dev/sdk/apis/apis/v1alpha2"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/tmc-sdk/tmc/cluster/access"
	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	"github.com/tmc-sdk/tmc/sync/audit"
	"github.com/tmc-sdk/tmc/transform"
)

var update = flag.Bool("update", false, "write what is printed to the golden files")

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func condition(kind, reason, message string, is bool) metav1.Condition {
	status := metav1.ConditionFalse
	if is {
		status = metav1.ConditionTrue
	}
	return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message, LastTransitionTime: metav1.NewTime(now.Add(-time.Hour))}
}

func physical(name, region string, mod ...func(*clusterv1alpha1.PhysicalCluster)) clusterv1alpha1.PhysicalCluster {
	amounts := func(cpu, memory, pods string) map[corev1.ResourceName]resource.Quantity {
		return map[corev1.ResourceName]resource.Quantity{
			corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory), corev1.ResourcePods: resource.MustParse(pods),
		}
	}
	pc := clusterv1alpha1.PhysicalCluster{
		ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(now.Add(-48 * time.Hour))},
		Spec:       clusterv1alpha1.PhysicalClusterSpec{Region: region, Zone: region + "-a", Provider: "metal"},
		Status: clusterv1alpha1.PhysicalClusterStatus{
			Version: "v1.36.3",
			Conditions: []metav1.Condition{
				condition(clusterv1alpha1.ConditionReachable, "Answering", "", true),
				condition(clusterv1alpha1.ConditionReady, "Ready", "", true),
			},
			Capacity: &clusterv1alpha1.Capacity{Nodes: 2, Allocatable: amounts("8", "32Gi", "100"), Allocated: amounts("2", "8Gi", "10")},
		},
	}
	for _, m := range mod {
		m(&pc)
	}
	return pc
}

func fleetOf(list ...clusterv1alpha1.PhysicalCluster) *clusterv1alpha1.PhysicalClusterList {
	return &clusterv1alpha1.PhysicalClusterList{Items: list}
}

func cordoned(pc *clusterv1alpha1.PhysicalCluster) { pc.Spec.Unschedulable = true }

func unreachable(pc *clusterv1alpha1.PhysicalCluster) {
	pc.Status.Conditions = []metav1.Condition{
		condition(clusterv1alpha1.ConditionReachable, "Unreachable", "dial tcp: refused", false),
		condition(clusterv1alpha1.ConditionReady, "Unreachable", "dial tcp: refused", false),
	}
	pc.Status.Capacity = nil
}

func placed(namespace, name string, clusters ...string) v1alpha1.Placement {
	p := v1alpha1.Placement{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: name, Annotations: map[string]string{"kcp.io/cluster": "2abc"}, CreationTimestamp: metav1.NewTime(now.Add(-time.Hour)),
	}}
	p.Status.Conditions = []metav1.Condition{condition(v1alpha1.ConditionPlaced, "Placed", "", true)}
	for _, c := range clusters {
		leaving := strings.HasPrefix(c, "-")
		p.Status.Targets = append(p.Status.Targets, v1alpha1.Target{Cluster: strings.TrimPrefix(c, "-"), Share: new(int64(3)), Score: 70, Leaving: leaving})
	}
	return p
}

func unplaced(p v1alpha1.Placement) v1alpha1.Placement {
	p.Status.Conditions = []metav1.Condition{condition(v1alpha1.ConditionPlaced, v1alpha1.ReasonNoClusterFits, "no cluster has the label gpu", false)}
	return p
}

func original(conditions ...any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"namespace": "default", "name": "web", "annotations": map[string]any{"kcp.io/cluster": "2abc"}},
		"spec": map[string]any{"replicas": int64(3), "template": map[string]any{"spec": map[string]any{"containers": []any{
			map[string]any{"name": "web", "resources": map[string]any{"requests": map[string]any{"cpu": "1"}}},
		}}}},
		"status": map[string]any{"conditions": conditions},
	}}
}

func copied() *unstructured.Unstructured {
	u := original(map[string]any{"type": "Available", "status": "True"})
	u.SetNamespace("default-xyz")
	transform.Marks{Installation: "main", Origin: transform.Origin{LogicalCluster: "2abc", Namespace: "default", Name: "web", UID: "u1"}}.Stamp(u)
	return u
}

// results are what commands print, from what they collect.
func results(t *testing.T) map[string]*result {
	t.Helper()
	fleet := fleetOf(physical("eu-1", "eu"), physical("eu-2", "eu", cordoned), physical("us-1", "us"), physical("us-2", "us", unreachable))
	web := placed("default", "web", "eu-1", "-eu-2")
	engine, err := placement.NewEngine()
	require.NoError(t, err)
	work := workloadsOf([]unstructured.Unstructured{*original()}, "web", []*v1alpha1.Placement{&web})
	e, err := explain(t.Context(), engine, requestFor(&web, work, now), &web, snapshotOf(fleet))
	require.NoError(t, err)
	plan, err := engine.WhatIf(t.Context(), requestsOf([]v1alpha1.Placement{web}, []unstructured.Unstructured{*original()}, now), snapshotOf(fleet), placement.Change{Lost: []string{"eu-1"}})
	require.NoError(t, err)
	room, err := capacityOf(snapshotOf(fleet), "region")
	require.NoError(t, err)
	synced := map[string]any{"type": "Synced", "status": "False", "reason": "Conflict", "message": "eu-2: \x1b[31mnot ours"}
	event := &audit.Event{Verb: "create", AuditID: "a1", StageTimestamp: metav1.NewMicroTime(now), ResponseStatus: &metav1.Status{Code: 201}, Annotations: map[string]string{
		audit.AnnotationKind: "Deployment", audit.AnnotationOriginal: "default/web", audit.AnnotationWorkspace: "2abc", audit.AnnotationCluster: "eu-1", audit.AnnotationCause: "Placed",
	}}
	return map[string]*result{
		"clusters":      clustersResult(fleet, now),
		"tokens":        accessResult([]mailboxAccess{{"eu-1", new(now.Add(20 * time.Minute)), nil}, {"eu-2", new(now.Add(-time.Hour)), new(now.Add(-time.Minute))}, {Cluster: "us-1"}}, now),
		"no tokens":     accessResult([]mailboxAccess{}, now),
		"no clusters":   clustersResult(fleetOf(), now),
		"placements":    placementsResult([]v1alpha1.Placement{web, unplaced(placed("", "rules"))}, now),
		"explain":       e.result(),
		"tree":          treeOf(original(synced), []v1alpha1.Placement{web}, map[string]sighting{"eu-1": {copied: copied()}, "us-1": {copied: copied()}, "us-2": {err: os.ErrDeadlineExceeded}}).result(),
		"capacity":      room.result(),
		"what if":       planResult(plan),
		"events":        eventsResult([]*audit.Event{event}),
		"a whole chain": verifyResult(&audit.Report{Chains: []audit.Chain{{Writer: "a", First: 1, Starts: 1, Head: audit.Head{Writer: "a", Sequence: 9, Hash: "ab"}}}, Torn: []audit.Place{{Source: "x", Line: 3}}}, nil),
		"findings": findingsResult([]finding{
			{"connectivity", "kcp", fine, "answers", ""}, {"certificates", "eu-1", failed, "ended", "issue another"}, {"claims", "2abc", warning, "not accepted", "accept"},
		}),
	}
}

func TestWhatCommandsPrint(t *testing.T) {
	for name, r := range results(t) {
		for _, format := range []string{"wide", "name", "json"} {
			t.Run(name+" as "+format, func(t *testing.T) {
				var out bytes.Buffer
				s := &session{out: &out, format: format, colour: "never"}
				require.NoError(t, s.print(r))
				if format == "json" && (name == "clusters" || name == "placements" || name == "what if") {
					require.True(t, strings.HasPrefix(out.String(), "{"), "the API says what is in it")
					return
				}
				golden(t, strings.ReplaceAll(name, " ", "-")+"."+format, out.Bytes())
			})
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, got, 0o644))
		return
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "run with -update")
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestFormats(t *testing.T) {
	r := clustersResult(fleetOf(physical("eu-1", "eu")), now)
	var out bytes.Buffer
	s := &session{out: &out, colour: "always"}
	require.NoError(t, s.print(r))
	require.Contains(t, out.String(), green+"Ready"+reset)
	require.NotContains(t, out.String(), "metal", "that is for wide")
	out.Reset()
	s = &session{out: &out, colour: "auto", noHeaders: true}
	require.NoError(t, s.print(r))
	require.NotContains(t, out.String(), "\x1b", "a buffer is no terminal")
	require.NotContains(t, out.String(), "NAME")
	out.Reset()
	s.format = "yaml"
	require.NoError(t, s.print(r))
	require.Contains(t, out.String(), "name: eu-1")
	s.format = "xml"
	require.ErrorContains(t, s.print(r), "want wide, json, yaml or name")
}

func TestMoved(t *testing.T) {
	p := placed("default", "web", "eu-1", "us-1", "-eu-2")
	got, err := moved(&p, "eu-1", "us-2")
	require.NoError(t, err)
	require.Equal(t, []string{"us-1", "us-2"}, got)
	_, err = moved(&p, "us-9", "us-2")
	require.ErrorContains(t, err, "does not name us-9: it names eu-1:3 us-1:3 -eu-2")
	_, err = moved(&p, "eu-1", "eu-1")
	require.Error(t, err)
}

func TestNothingIsEndedUnasked(t *testing.T) {
	s := &session{in: strings.NewReader("y\n"), errOut: &bytes.Buffer{}}
	require.ErrorContains(t, (&consent{}).ask(s, "Drain?"), "--yes", "a pipe is nobody")
	require.NoError(t, (&consent{yes: true}).ask(s, "Drain?"))
}

func TestHostOf(t *testing.T) {
	for host, want := range map[string]string{
		"https://kcp.example/clusters/root:platform":         "https://kcp.example/clusters/root:a",
		"https://kcp.example:6443":                           "https://kcp.example:6443/clusters/root:a",
		"https://kcp.example/prefix/clusters/root:platform/": "https://kcp.example/prefix/clusters/root:a",
	} {
		got, err := hostOf(host, "root:a")
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestImagined(t *testing.T) {
	st, err := imagined("name=us-9,region=us,zone=a,provider=p,cpu=4,memory=8Gi,pods=10,label.gpu=a100")
	require.NoError(t, err)
	require.Equal(t, int64(4000), st.Allocatable.MilliCPU)
	require.Equal(t, "a100", st.Labels["gpu"])
	for _, text := range []string{"", "region=eu", "name=", "name=a,size=3", "name=a,cpu=x"} {
		_, err := imagined(text)
		require.Error(t, err, text)
	}
}

func TestFindings(t *testing.T) {
	binding := func(phase apisv1alpha2.APIBindingPhaseType, state apisv1alpha2.AcceptablePermissionClaimState) *apisv1alpha2.APIBinding {
		claim := apisv1alpha2.PermissionClaim{GroupResource: apisv1alpha2.GroupResource{Resource: "secrets"}}
		b := &apisv1alpha2.APIBinding{}
		b.Status.Phase, b.Status.ExportPermissionClaims = phase, []apisv1alpha2.PermissionClaim{claim}
		accepted := apisv1alpha2.AcceptablePermissionClaim{State: state}
		accepted.PermissionClaim = claim
		b.Spec.PermissionClaims = []apisv1alpha2.AcceptablePermissionClaim{accepted}
		return b
	}
	offering := func(groups ...string) *apisv1alpha2.APIExport {
		e := &apisv1alpha2.APIExport{}
		for _, g := range groups {
			e.Spec.Resources = append(e.Spec.Resources, apisv1alpha2.ResourceSchema{Group: g})
		}
		return e
	}
	with := func(name, schema string) *apisv1alpha2.APIExport {
		e := &apisv1alpha2.APIExport{Spec: apisv1alpha2.APIExportSpec{Resources: []apisv1alpha2.ResourceSchema{{Schema: schema}}}}
		e.Name = name
		return e
	}
	slice := &apisv1alpha1.APIExportEndpointSlice{}
	old := physical("old", "eu", func(pc *clusterv1alpha1.PhysicalCluster) { pc.Status.Version = "v1.31.0" })
	for name, c := range map[string]struct {
		finding finding
		want    string
	}{
		"bound":           {bindingFinding(binding(apisv1alpha2.APIBindingPhaseBound, apisv1alpha2.ClaimAccepted)), fine},
		"rejected":        {bindingFinding(binding(apisv1alpha2.APIBindingPhaseBound, apisv1alpha2.ClaimRejected)), warning},
		"binding":         {bindingFinding(binding(apisv1alpha2.APIBindingPhaseBinding, apisv1alpha2.ClaimAccepted)), failed},
		"nothing offered": {exportFinding(offering()), failed},
		"no workloads":    {exportFinding(offering(v1alpha1.Group, v1alpha1.Group)), warning},
		"all offered":     {exportFinding(offering(v1alpha1.Group, v1alpha1.Group, "apps")), fine},
		"schemas apart":   {schemasFinding(with("tmc", "a"), []apisv1alpha2.APIExport{*with("tmc", "a"), *with("other", "b")}), fine},
		"schema shared":   {schemasFinding(with("tmc", "a"), []apisv1alpha2.APIExport{*with("tmc", "a"), *with("other", "a")}), failed},
		"no slice":        {sliceFinding("tmc", slice, os.ErrNotExist), failed},
		"no endpoint":     {sliceFinding("tmc", slice, nil), warning},
		"ended":           {endFinding("a", now.Add(-time.Hour), now, "r"), failed},
		"ends soon":       {endFinding("a", now.Add(time.Hour), now, "r"), warning},
		"ends late":       {endFinding("a", now.Add(1000*time.Hour), now, "r"), fine},
		"may all":         {permissionsText("a", nil, access.FleetRules(), nil), fine},
		"may not":         {permissionsText("a", make([]access.Permission, 9), nil, nil), failed},
		"can't ask":       {permissionsText("a", nil, nil, os.ErrPermission), failed},
		"same versions":   {versionsFinding(fleetOf(physical("a", "eu"), physical("b", "eu"))), fine},
		"far versions":    {versionsFinding(fleetOf(physical("a", "eu"), old)), warning},
		"no versions":     {versionsFinding(fleetOf()), warning},
		"unplaced":        {placementFindings([]v1alpha1.Placement{unplaced(placed("n", "web"))})[0], warning},
		"undecided":       {placementFindings([]v1alpha1.Placement{{}})[0], warning},
		"all placed":      {placementFindings([]v1alpha1.Placement{placed("n", "web", "eu-1")})[0], fine},
	} {
		require.Equal(t, c.want, c.finding.Verdict, "%s: %v", name, c.finding)
		if c.want != fine {
			require.NotEmpty(t, c.finding.Remedy, name)
		}
	}
	pc := physical("eu-1", "eu", unreachable)
	require.Equal(t, failed, conditionFindings(&pc)[0].Verdict)
}

func TestCertificatesOfClients(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: now}, &x509.Certificate{SerialNumber: big.NewInt(1)}, &key.PublicKey, key)
	require.NoError(t, err)
	cfg := &rest.Config{TLSClientConfig: rest.TLSClientConfig{CertData: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}}
	require.Equal(t, []finding{endFinding("a client", now, now.Add(time.Minute), "issue another client certificate and put it into the Secret; the controller reads it at once")}, certificateFindings("a", cfg, now.Add(time.Minute)))
	cfg.CertData = []byte("nonsense")
	require.Equal(t, failed, certificateFindings("a", cfg, now)[0].Verdict)
}

func TestAuditCommands(t *testing.T) {
	dir := t.TempDir()
	log, err := audit.Open(audit.Writer("a"), audit.Directory(dir, audit.Rotation{}))
	require.NoError(t, err)
	for _, cluster := range []string{"eu-1", "us-1"} {
		require.NoError(t, log.Record(t.Context(), audit.Entry{Verb: audit.VerbCreate, Cluster: cluster, Object: audit.Object{Kind: corev1.SchemeGroupVersion.WithKind("Secret"), Name: "s"}}))
	}
	head := log.Head()
	require.NoError(t, log.Close())
	run := func(args ...string) (string, error) {
		var out bytes.Buffer
		root := newRoot(&session{in: strings.NewReader(""), out: &out, errOut: &out})
		root.SetArgs(args)
		err := root.ExecuteContext(t.Context())
		return out.String(), err
	}
	out, err := run("audit", "query", dir, "--on", "us-1", "-o", "name")
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(out, "event.audit.k8s.io/"))
	out, err = run("audit", "verify", dir, "--anchor", head.String())
	require.NoError(t, err)
	require.Contains(t, out, "Every chain is whole.")

	file := filepath.Join(dir, "audit-a-00000000000000000001.jsonl")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, bytes.Replace(data, []byte("us-1"), []byte("us-2"), 1), 0o600))
	out, err = run("audit", "verify", dir)
	require.Equal(t, 2, exitCode(err))
	require.Contains(t, out, file+":3: its contents do not have its hash")
	_, err = run("audit", "verify", t.TempDir())
	require.ErrorContains(t, err, "no files")
}
