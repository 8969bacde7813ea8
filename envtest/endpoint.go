package envtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"

	kcpapisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
	kcpapisv1alpha2 "github.com/kcp-dev/sdk/apis/apis/v1alpha2"

	"github.com/kcp-dev/logicalcluster/v3"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// WaitEndpoint waits until the APIExportEndpointSlice of an export, which has
// the export's name, names a URL, and until every URL that it names answers for
// all that is exported. It returns the URLs. kcp names the first URL some time
// after the first workspace has been bound, and serves it some time later still;
// a provider that is started in between may wait for ever.
func (k *KCP) WaitEndpoint(ctx context.Context, exportPath logicalcluster.Path, export string) ([]string, error) {
	c, err := k.Client(exportPath)
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("endpoint of export %s in %s", export, exportPath)
	var urls []string
	err = k.wait(ctx, what, func(ctx context.Context) error {
		var slice kcpapisv1alpha1.APIExportEndpointSlice
		if err := c.Get(ctx, client.ObjectKey{Name: export}, &slice); err != nil {
			return err
		}
		if len(slice.Status.APIExportEndpoints) == 0 {
			return errors.New("its slice names no URL; is a workspace bound to the export?")
		}
		var from kcpapisv1alpha2.APIExport
		if err := c.Get(ctx, client.ObjectKey{Name: export}, &from); err != nil {
			return err
		}
		paths, err := resourcePaths(ctx, c, from.Spec.Resources)
		if err != nil {
			return err
		}
		paths = append(paths, "/apis/apis.kcp.io/v1alpha1/apibindings?limit=1")
		urls = urls[:0]
		for _, endpoint := range slice.Status.APIExportEndpoints {
			config := rest.CopyConfig(k.Config(logicalcluster.Path{}))
			config.Host = endpoint.URL + "/clusters/*"
			answers, err := asker(config)
			if err != nil {
				return err
			}
			if err := answers(ctx, paths...); err != nil {
				return err
			}
			urls = append(urls, endpoint.URL)
		}
		return nil
	})
	return urls, err
}

// asker returns a question to an API server: does it answer all these paths?
func asker(config *rest.Config) (func(ctx context.Context, paths ...string) error, error) {
	config = rest.CopyConfig(config)
	config.Timeout = probeTimeout
	c, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("make a client for %s: %w", config.Host, err)
	}
	return func(ctx context.Context, paths ...string) error {
		for _, p := range paths {
			if err := get(ctx, c, config.Host+p); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// resourcePaths are what lists one object of each exported resource, in every
// version served.
func resourcePaths(ctx context.Context, c client.Client, resources []kcpapisv1alpha2.ResourceSchema) ([]string, error) {
	var paths []string
	for _, r := range resources {
		var s kcpapisv1alpha1.APIResourceSchema
		if err := c.Get(ctx, client.ObjectKey{Name: r.Schema}, &s); err != nil {
			return nil, err
		}
		for _, v := range s.Spec.Versions {
			if v.Served {
				paths = append(paths, resourcePath(r.Group, v.Name, r.Name)+"?"+url.Values{"limit": {"1"}}.Encode())
			}
		}
	}
	return paths, nil
}

func resourcePath(group, version, resource string) string {
	if group == "" {
		return path.Join("/api", version, resource)
	}
	return path.Join("/apis", group, version, resource)
}
