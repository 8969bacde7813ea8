package config

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	apisv1alpha2 "github.com/kcp-dev/sdk/apis/apis/v1alpha2"

	"github.com/tmc-sdk/tmc/cluster/publish"
	placementcontroller "github.com/tmc-sdk/tmc/placement/controller"
)

// PolicyLayers returns the layers above the tenants' Placements.
func (p *Placement) PolicyLayers() []placementcontroller.Layer {
	layers := make([]placementcontroller.Layer, 0, len(p.Layers))
	for _, l := range p.Layers {
		policy := placementcontroller.Policy{
			Clusters: l.Clusters, MaxClusters: l.MaxClusters, Spread: l.Spread, ReservePercent: l.ReservePercent,
			MaxPriority: l.MaxPriority, NoPreemption: l.NoPreemption, Rollout: l.Rollout, Defaults: l.Defaults,
		}
		if l.Quota != nil {
			policy.Quota = &placementcontroller.Quota{Replicas: l.Quota.Replicas, Resources: l.Quota.Resources}
		}
		if l.Tolerable != nil {
			policy.Tolerable = *l.Tolerable
		}
		layers = append(layers, placementcontroller.NewLayer(l.Name, policy))
	}
	return layers
}

func (e *ExternalScores) source() (*placementcontroller.PolledScores, error) {
	if u, err := url.Parse(e.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("url %q must be one of http or https", e.URL)
	}
	return placementcontroller.NewPolledScores(e.Name, e.Every.Duration, placementcontroller.HTTPScores(&http.Client{Timeout: scoresTimeout}, e.URL))
}

// scoresTimeout bounds one call for scores.
const scoresTimeout = 10 * time.Second

// ExternalScores returns the sources of scores from outside and how old they
// may get.
func (p *Placement) ExternalScores() (time.Duration, []placementcontroller.ScoreSource, error) {
	var age time.Duration
	sources := make([]placementcontroller.ScoreSource, 0, len(p.External))
	for i := range p.External {
		s, err := p.External[i].source()
		if err != nil {
			return 0, nil, err
		}
		sources = append(sources, s)
		if d := p.External[i].MaxAge.Duration; age == 0 || d < age {
			age = d
		}
	}
	return age, sources, nil
}

// PermissionClaims returns what the export claims in the workspaces of tenants:
// what related kinds need, to be read and to have a finalizer, the namespaces,
// and Events, to be written; and what the configuration adds. A controller that
// syncs no Secrets claims none.
func (c *Configuration) PermissionClaims() []apisv1alpha2.PermissionClaim {
	claims := []apisv1alpha2.PermissionClaim{
		publish.Claim("", "namespaces", "get", "list", "watch"),
		publish.Claim("", "events", "*"),
	}
	for _, claim := range publish.WorkloadClaims() {
		if claim.Group == "" && slices.ContainsFunc(c.Related, func(r Resource) bool { return r.Group == "" && strings.ToLower(r.Kind)+"s" == claim.Resource }) {
			claims = append(claims, claim)
		}
	}
	for _, claim := range c.Export.Claims {
		claims = append(claims, publish.Claim(claim.Group, claim.Resource, claim.Verbs...))
	}
	return claims
}
