package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// pullMode does what docs/pull.md says, block by block, beside a controller that
// runs: the program serves, by way of a mailbox, the program in mode Agent. The
// cluster that joins is the one that the controller runs in.
func (s *site) pullMode(t *testing.T, sh *shell) {
	t.Helper()
	s.addNode(t)
	edge := &kubelet{t: t, host: s.kubelet.host, config: s.host.Config(), dir: t.TempDir()}
	t.Cleanup(func() {
		edge.stop()
		if t.Failed() {
			for _, p := range edge.all() {
				t.Logf("agent:\n%s", p.log)
			}
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	deployment := client.ObjectKey{Namespace: "tmc-agent", Name: "tmc-agent"}
	served := make(chan error, 1)
	go func() { served <- edge.serve(ctx, deployment) }()
	var printed string
	for _, b := range blocksOf(t, filepath.Join("..", "..", "docs", "pull.md")) {
		switch b.language {
		case "sh yours":
			require.Contains(t, b.text, "export EDGE1_KUBECONFIG=")
		case "text":
			require.Equal(t, strings.TrimSpace(b.text), printed, "what the page says that is printed")
			require.NoError(t, <-served)
			s.checkPods(t, deployment)
		case "sh":
			printed = sh.run(b)
		default:
			require.Fail(t, "a block that nobody runs", b.language)
		}
	}
}

// addNode gives the cluster of the controller, which has no nodes, room for work.
func (s *site) addNode(t *testing.T) {
	t.Helper()
	room := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("8"), corev1.ResourceMemory: resource.MustParse("16Gi"), corev1.ResourcePods: resource.MustParse("110")}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-0"}}
	require.NoError(t, s.kubelet.host.Create(t.Context(), node))
	node.Spec.Taints = nil // the admission's, until a controller has seen the node
	require.NoError(t, s.kubelet.host.Update(t.Context(), node))
	node.Status.Allocatable, node.Status.Capacity = room, room
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	require.NoError(t, s.kubelet.host.Status().Update(t.Context(), node))
}
