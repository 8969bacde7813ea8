package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kcp-dev/logicalcluster/v3"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement"
	placementv1alpha1 "github.com/tmc-sdk/tmc/placement/v1alpha1"
	"github.com/tmc-sdk/tmc/transform"
)

// play is the show, stage by stage. Each stage waits until what it shows is
// true, and fails if it does not become so.
type play struct {
	ctx      context.Context //nolint:containedctx // the play lives as long as its context
	servers  *servers
	platform logicalcluster.Path
	fleet    *tmccluster.Fleet
	engine   *placement.Engine
	tenants  []*tenant
	sites    map[string]client.Client
}

func (p *play) run() error {
	for _, stage := range []struct {
		title string
		do    func() error
	}{
		{"Publishing what the clusters serve; two tenants bind it", p.admit},
		{"Tenants deploy: team-a says nothing of clusters, team-b has a Placement of its own", p.deploy},
		{"Why team-b's work is where it is", p.explain},
		{"Killing cluster eu-1, where both have work", p.lose},
		{"Cluster eu-1 comes back: what it still runs is retired", p.returns},
		{"Deleting the workloads: both sides end clean", p.remove},
	} {
		say("%s", stage.title)
		if err := stage.do(); err != nil {
			return fmt.Errorf("%s: %w", strings.ToLower(stage.title[:1])+stage.title[1:], err)
		}
	}
	return nil
}

// admit waits for the export and makes the tenants' workspaces.
func (p *play) admit() (err error) {
	if p.sites, err = siteClients(p.servers); err != nil {
		return err
	}
	began := time.Now()
	for _, t := range []struct {
		name     string
		replicas int32
	}{{"team-a", 3}, {"team-b", 6}} {
		var made *tenant
		err := until(p.ctx, "the export can be bound", func() (err error) {
			made, err = newTenant(p.ctx, p.servers, p.platform, t.name, t.replicas)
			return err
		})
		if err != nil {
			return err
		}
		p.tenants = append(p.tenants, made)
		fmt.Printf("  %4.1fs  %s has bound the export\n", time.Since(began).Seconds(), t.name)
	}
	t := &table{out: os.Stdout, began: time.Now(), sites: p.sites, tenants: p.tenants, last: map[string]string{}}
	t.head()
	go t.follow(p.ctx)
	return nil
}

func (p *play) deploy() error {
	a, b := p.tenants[0], p.tenants[1]
	if err := errors.Join(b.place(p.ctx, "web", ownPlacement), a.deploy(p.ctx), b.deploy(p.ctx)); err != nil {
		return err
	}
	if err := until(p.ctx, "both tenants see all replicas ready", func() error { return p.settled("") }); err != nil {
		return err
	}
	return p.verifyCopies()
}

// settled says whether every tenant's work is where its decision says, healthy,
// and nowhere on the cluster that was lost.
func (p *play) settled(lost string) error {
	for i, t := range p.tenants {
		v, err := t.look(p.ctx)
		if err != nil {
			return err
		}
		if v.web == nil || v.web.Status.ReadyReplicas != t.replicas || v.web.Status.Replicas != t.replicas || conditionsOf(v.web) != ", Healthy=True, Synced=True" {
			return fmt.Errorf("%s sees %+v", t.name, v.web)
		}
		regions := map[string]bool{}
		for _, target := range v.placement.Status.Targets {
			if target.Cluster == lost && !target.Leaving {
				return fmt.Errorf("%s is still placed on %s", t.name, lost)
			}
			if state, ok := p.fleet.Snapshot().Lookup(target.Cluster); ok && !target.Leaving {
				regions[state.Region] = true
			}
		}
		if want := i + 1; len(regions) != want {
			return fmt.Errorf("%s runs in %d regions, want %d", t.name, len(regions), want)
		}
	}
	return nil
}

// verifyCopies looks at the clusters: the transformer of ours was at work, and
// the ConfigMap came along.
func (p *play) verifyCopies() error {
	for _, t := range p.tenants {
		v, err := t.look(p.ctx)
		if err != nil {
			return err
		}
		for _, target := range v.placement.Status.Targets {
			state, _ := p.fleet.Snapshot().Lookup(target.Cluster)
			webs, settings, err := p.copies(t, target.Cluster)
			if err != nil {
				return err
			}
			if len(webs) != 1 || len(settings) != 1 || settings[0].Data["greeting"] != "hello from "+t.name {
				return fmt.Errorf("%s: %d Deployments and %d ConfigMaps on %s", t.name, len(webs), len(settings), target.Cluster)
			}
			env := webs[0].Spec.Template.Spec.Containers[0].Env
			if len(env) != 1 || env[0].Name != "REGION" || env[0].Value != state.Region {
				return fmt.Errorf("%s: environment on %s is %v", t.name, target.Cluster, env)
			}
		}
	}
	return nil
}

// copies reads what a cluster holds of a tenant.
func (p *play) copies(t *tenant, site string) ([]appsv1.Deployment, []corev1.ConfigMap, error) {
	of := client.MatchingLabels{transform.LabelLogicalCluster: string(t.workspace.Cluster)}
	var webs appsv1.DeploymentList
	var settings corev1.ConfigMapList
	err := errors.Join(p.sites[site].List(p.ctx, &webs, of), p.sites[site].List(p.ctx, &settings, of))
	return webs.Items, settings.Items, err
}

// explain asks the engine, with what the fleet is now, why.
func (p *play) explain() error {
	b := p.tenants[1]
	v, err := b.look(p.ctx)
	if err != nil {
		return err
	}
	web := v.web
	d, err := p.engine.Place(p.ctx, &placement.Request{
		Workspace: b.name, Namespace: "default", Name: v.placement.Name, Spec: &v.placement.Spec,
		Workloads: []placement.Workload{{
			Kind: deployment, Name: web.Name, Replicas: web.Spec.Replicas,
			Requests: tmccluster.ResourcesOf(web.Spec.Template.Spec.Containers[0].Resources.Requests),
		}},
		Current: v.placement.Status.Targets, Now: time.Now(),
	}, p.fleet.Snapshot())
	if err != nil {
		return err
	}
	for line := range strings.Lines(d.Explain()) {
		fmt.Print("    ", line)
	}
	for _, target := range v.placement.Status.Targets {
		if !strings.Contains(d.Explain(), target.Cluster+": chosen") {
			return fmt.Errorf("the explanation does not tell of %s", target.Cluster)
		}
	}
	return nil
}

const lost = "eu-1"

func (p *play) lose() error {
	for _, t := range p.tenants {
		v, err := t.look(p.ctx)
		if err != nil {
			return err
		}
		if !names(v.placement, lost) {
			return fmt.Errorf("%s has no work on %s: %s", t.name, lost, targetsOf(v.placement))
		}
	}
	p.servers.clusters[lost].Kill()
	return until(p.ctx, "the work has moved and tenants see all replicas ready", func() error { return p.settled(lost) })
}

func names(p *placementv1alpha1.Placement, cluster string) bool {
	for _, t := range p.Status.Targets {
		if t.Cluster == cluster {
			return true
		}
	}
	return false
}

func (p *play) returns() error {
	if err := p.servers.clusters[lost].Restart(p.ctx); err != nil {
		return err
	}
	return until(p.ctx, "what the returned cluster ran is retired", func() error {
		for _, t := range p.tenants {
			webs, settings, err := p.copies(t, lost)
			if err != nil {
				return err
			}
			v, err := t.look(p.ctx)
			if err != nil {
				return err
			}
			if len(webs)+len(settings) > 0 || names(v.placement, lost) {
				return fmt.Errorf("%s: %d Deployments, %d ConfigMaps on %s, placed on %s", t.name, len(webs), len(settings), lost, targetsOf(v.placement))
			}
		}
		return p.settled(lost)
	})
}

func (p *play) remove() error {
	for _, t := range p.tenants {
		web := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}}
		if err := t.Delete(p.ctx, web); err != nil {
			return err
		}
	}
	return until(p.ctx, "nothing is left on either side", func() error {
		for _, t := range p.tenants {
			if v, err := t.look(p.ctx); err != nil || v.web != nil {
				return errors.Join(err, fmt.Errorf("%s still has its Deployment", t.name))
			}
			settings := &corev1.ConfigMap{}
			if err := t.Get(p.ctx, client.ObjectKey{Namespace: "default", Name: "web-settings"}, settings); err != nil || len(settings.Finalizers) > 0 {
				return errors.Join(err, fmt.Errorf("%s: the ConfigMap has finalizers %v", t.name, settings.Finalizers))
			}
			for _, site := range sites {
				webs, settings, err := p.copies(t, site.name)
				if err != nil || len(webs)+len(settings) > 0 {
					return errors.Join(err, fmt.Errorf("%s: %d Deployments, %d ConfigMaps on %s", t.name, len(webs), len(settings), site.name))
				}
				var namespaces corev1.NamespaceList
				of := client.MatchingLabels{transform.LabelLogicalCluster: string(t.workspace.Cluster)}
				if err := p.sites[site.name].List(p.ctx, &namespaces, of); err != nil || len(namespaces.Items) > 0 {
					return errors.Join(err, fmt.Errorf("%s: namespace left on %s", t.name, site.name))
				}
			}
		}
		return nil
	})
}
