package workspaces

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/kcp-dev/logicalcluster/v3"
)

// logicalClusters is the kind of which every logical cluster holds one object.
var logicalClusters = schema.GroupVersionResource{Group: "core.kcp.io", Version: "v1alpha1", Resource: "logicalclusters"}

// Register knows from kcp itself, not from what an export shows, whether a
// workspace exists. Only a register can tell a workspace that was deleted from
// one that unbound, or that can't be reached.
//
// What proves a deletion: every shard, asked directly and with rights to all
// logical clusters (the group system:kcp:logical-cluster-admin), answers that
// it has no such LogicalCluster, while one of them has the control. What proves
// nothing: a refusal (kcp refuses unknown logical clusters to everyone else,
// and its front proxy to all), an error, a shard that does not answer.
type Register struct {
	control multicluster.ClusterName
	shards  []shard
}

type shard struct {
	cfg    *rest.Config
	client *http.Client
}

// NewRegister returns a register of the kcp that has the given shards: all of
// them, or the answers of a register are wrong. Control is the name, not the
// path, of a logical cluster that exists as long as this kcp does, such as the
// one of the APIExport; it tells this kcp from an empty one at the same address.
func NewRegister(control multicluster.ClusterName, shards ...*rest.Config) (*Register, error) {
	if control == "" || len(shards) == 0 {
		return nil, errors.New("workspaces: a register needs a control and the configs of all shards")
	}
	r := &Register{control: control}
	for _, cfg := range shards {
		cfg = rest.CopyConfig(cfg)
		cfg.Host, _, _ = strings.Cut(cfg.Host, "/clusters/")
		cfg.Timeout = probeTimeout
		client, err := rest.HTTPClientFor(cfg)
		if err != nil {
			return nil, fmt.Errorf("workspaces: build client of shard %s: %w", cfg.Host, err)
		}
		r.shards = append(r.shards, shard{cfg, client})
	}
	return r, nil
}

// Gone says whether a workspace is proven to be deleted, by its logical cluster
// name. An error, and so false, proves nothing.
func (r *Register) Gone(ctx context.Context, name multicluster.ClusterName) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(len(r.shards)+1)*probeTimeout)
	defer cancel()
	controlled := false
	for _, s := range r.shards {
		there, err := s.has(ctx, name)
		if err != nil || there {
			return false, err
		}
		if !controlled {
			if controlled, err = s.has(ctx, r.control); err != nil {
				return false, err
			}
		}
	}
	if !controlled {
		return false, fmt.Errorf("workspaces: no shard has logical cluster %s: this is another kcp, or one that lost its data; nothing is concluded from it", r.control)
	}
	return true, nil
}

// has says whether a shard has a logical cluster.
func (s shard) has(ctx context.Context, name multicluster.ClusterName) (bool, error) {
	if !logicalcluster.Name(name).Path().IsValid() {
		return false, fmt.Errorf("workspaces: %q is no name of a logical cluster", name)
	}
	cfg := rest.CopyConfig(s.cfg)
	cfg.Host += "/clusters/" + string(name)
	c, err := dynamic.NewForConfigAndClient(cfg, s.client)
	if err != nil {
		return false, err
	}
	_, err = c.Resource(logicalClusters).Get(ctx, "cluster", metav1.GetOptions{})
	switch {
	case err == nil:
		return true, nil
	case provesAbsence(err):
		return false, nil
	}
	return false, fmt.Errorf("workspaces: ask shard %s for logical cluster %s: %w", s.cfg.Host, name, err)
}

// provesAbsence says whether an error comes from the registry of logical
// clusters, rather than from a proxy, a missing API or a refusal.
func provesAbsence(err error) bool {
	var status apierrors.APIStatus
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) {
		return false
	}
	d := status.Status().Details
	return d != nil && d.Group == logicalClusters.Group && d.Kind == logicalClusters.Resource && d.Name == "cluster" && len(d.Causes) == 0
}
