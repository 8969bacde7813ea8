package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	placementv1alpha1 "github.com/tmc-sdk/tmc/placement/v1alpha1"
	"github.com/tmc-sdk/tmc/transform"
)

// table prints a row whenever what it shows of a tenant changes.
type table struct {
	out     io.Writer
	began   time.Time
	sites   map[string]client.Client
	tenants []*tenant

	mu   sync.Mutex
	last map[string]string
}

const row = "%6s  %-8s %-10s %-34s %-26s %s\n"

func (t *table) head() {
	_, _ = fmt.Fprintf(t.out, row, "TIME", "TENANT", "OBJECT", "CLUSTERS (SHARE, SCORE)", "READY ON CLUSTERS", "TENANT SEES")
}

// follow prints until ctx ends.
func (t *table) follow(ctx context.Context) {
	tick := time.NewTicker(150 * time.Millisecond)
	defer tick.Stop()
	for {
		for _, tenant := range t.tenants {
			t.show(ctx, tenant)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (t *table) show(ctx context.Context, tenant *tenant) {
	v, err := tenant.look(ctx)
	if err != nil {
		return // kcp is busy; the next tick shows it
	}
	where, sees := targetsOf(v.placement), "(deleted)"
	if v.web != nil {
		sees = fmt.Sprintf("%d of %d ready%s", v.web.Status.ReadyReplicas, *v.web.Spec.Replicas, conditionsOf(v.web))
	}
	ready := t.readyOn(ctx, tenant)
	t.mu.Lock()
	defer t.mu.Unlock()
	line := where + "|" + ready + "|" + sees
	if t.last[tenant.name] == line {
		return
	}
	t.last[tenant.name] = line
	_, _ = fmt.Fprintf(t.out, row, fmt.Sprintf("%.1fs", time.Since(t.began).Seconds()), tenant.name, "deploy/web", where, ready, sees)
}

// targetsOf writes "eu-1(6,83) us-1(4,61)"; a cluster that work is leaving has a
// minus.
func targetsOf(p *placementv1alpha1.Placement) string {
	var parts []string
	for _, target := range p.Status.Targets {
		share := "all"
		if target.Share != nil {
			share = fmt.Sprint(*target.Share)
		}
		switch {
		case target.Leaving:
			parts = append(parts, "-"+target.Cluster)
		default:
			parts = append(parts, fmt.Sprintf("%s(%s,%d)", target.Cluster, share, target.Score))
		}
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, " ")
}

// readyOn reads the copies on the clusters, as an operator of those would.
func (t *table) readyOn(ctx context.Context, tenant *tenant) string {
	var parts []string
	for _, site := range sites {
		look, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		list := &appsv1.DeploymentList{}
		err := t.sites[site.name].List(look, list, client.MatchingLabels{transform.LabelLogicalCluster: string(tenant.workspace.Cluster)})
		cancel()
		switch {
		case err != nil:
			parts = append(parts, site.name+":down")
		case len(list.Items) > 0:
			parts = append(parts, fmt.Sprintf("%s:%d/%d", site.name, list.Items[0].Status.ReadyReplicas, *list.Items[0].Spec.Replicas))
		}
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, " ")
}

func conditionsOf(web *appsv1.Deployment) string {
	var s strings.Builder
	for _, c := range web.Status.Conditions {
		if c.Type == "Synced" || c.Type == "Healthy" {
			_, _ = fmt.Fprintf(&s, ", %s=%s", c.Type, c.Status)
		}
	}
	return s.String()
}
