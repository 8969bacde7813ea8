package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

// discoveryTimeout bounds one discovery request.
const discoveryTimeout = 30 * time.Second

// discovered is what a cluster's API server says of itself.
type discovered struct {
	version string
	apis    map[schema.GroupVersionKind]schema.GroupVersionResource
	// failed groups and versions did not answer: what was known of them stays.
	failed map[schema.GroupVersion]bool
}

// discover reads the version and the served APIs of a cluster: three requests
// where discovery is aggregated.
func discover(ctx context.Context, conn *Connection, wanted map[schema.GroupVersionKind]bool) (*discovered, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	bounded := *conn.HTTPClient
	bounded.Timeout = discoveryTimeout
	client, err := discovery.NewDiscoveryClientForConfigAndClient(conn.Config, &bounded)
	if err != nil {
		return nil, fmt.Errorf("prepare discovery: %w", err)
	}
	info, err := client.ServerVersion()
	if err != nil {
		return nil, fmt.Errorf("read version: %w", err)
	}
	d := &discovered{
		version: info.GitVersion,
		apis:    map[schema.GroupVersionKind]schema.GroupVersionResource{},
		failed:  map[schema.GroupVersion]bool{},
	}
	_, lists, err := client.ServerGroupsAndResources()
	var partial *discovery.ErrGroupDiscoveryFailed
	switch {
	case errors.As(err, &partial):
		for gv := range partial.Groups {
			d.failed[gv] = true
		}
	case err != nil:
		return nil, fmt.Errorf("discover APIs: %w", err)
	}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			continue
		}
		for i := range list.APIResources {
			r := &list.APIResources[i]
			gvk := gv.WithKind(r.Kind)
			if strings.Contains(r.Name, "/") || (wanted != nil && !wanted[gvk]) {
				continue
			}
			d.apis[gvk] = gv.WithResource(r.Name)
		}
	}
	return d, nil
}

// mergeAPIs returns what is served now: what was discovered, and what was
// known of groups that did not answer. It returns old if nothing changed.
func mergeAPIs(old *APISet, d *discovered) *APISet {
	merged := maps.Clone(d.apis)
	if old != nil {
		same := true
		for gvk, gvr := range old.All() {
			if _, ok := merged[gvk]; !ok && d.failed[gvk.GroupVersion()] {
				merged[gvk] = gvr
			}
			same = same && merged[gvk] == gvr
		}
		if same && old.Len() == len(merged) {
			return old
		}
	}
	apis := make([]API, 0, len(merged))
	for gvk, gvr := range merged {
		apis = append(apis, API{Kind: gvk, Resource: gvr})
	}
	return NewAPISet(apis...)
}
