package builtin

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/tmc-sdk/tmc/transform"
)

// Hosts maps the host names of Ingresses, Gateways and the routes of HTTP, gRPC and
// TLS, by the longest domain that a name is in:
// {"example.com": "${cluster.region}.example.net"} makes www.example.com www.eu.example.net. Names in no domain stay.
func Hosts(domains map[string]string) (transform.Transformer, error) {
	domains = maps.Clone(domains)
	for from, to := range domains {
		if err := first(validation.IsDNS1123Subdomain(from)); err != nil {
			return nil, refused("Hosts", fmt.Sprintf("[%q]", from), err)
		}
		if err := checkHost(to); err != nil {
			return nil, refused("Hosts", fmt.Sprintf("[%q]=%q", from, to), err)
		}
	}
	b := &built{name: "Hosts", kinds: slices.Collect(maps.Keys(hostPaths)), independent: static(domains)}
	b.fn = func(t *transform.Target, obj *unstructured.Unstructured) error {
		targets := make(map[string]string, len(domains))
		for from, to := range domains {
			expanded, err := Expand(t, to)
			if err != nil {
				return err
			}
			targets[from] = expanded
		}
		for _, p := range hostPaths[obj.GroupVersionKind().GroupKind()] {
			_ = p.Update(obj.Object, func(value any) (any, error) { // it fails for nothing
				if host, ok := value.(string); ok {
					return mapHost(host, targets), nil
				}
				return value, nil
			})
		}
		return nil
	}
	return b, nil
}

// checkHost refuses what can be no domain, as far as it is known.
func checkHost(to string) error {
	if strings.Contains(to, "${") {
		return CheckTemplate(to)
	}
	return first(validation.IsDNS1123Subdomain(to))
}

// hostPaths are where kinds have host names.
var hostPaths = map[schema.GroupKind][]transform.Path{
	ingressKind:                            {transform.MustPath("spec.rules[*].host"), transform.MustPath("spec.tls[*].hosts[*]")},
	{Group: gatewayAPI, Kind: "HTTPRoute"}: {transform.MustPath("spec.hostnames[*]")},
	{Group: gatewayAPI, Kind: "GRPCRoute"}: {transform.MustPath("spec.hostnames[*]")},
	{Group: gatewayAPI, Kind: "TLSRoute"}:  {transform.MustPath("spec.hostnames[*]")},
	gatewayKind:                            {transform.MustPath("spec.listeners[*].hostname")},
}

// mapHost puts a host into another domain, unless it is in one of those already.
func mapHost(host string, domains map[string]string) string {
	longest := ""
	for from, to := range domains {
		if in(host, to) && !in(from, to) && len(to) > len(longest) {
			longest = to
		}
	}
	already := longest
	longest = ""
	for from := range domains {
		if in(host, from) && len(from) > len(longest) {
			longest = from
		}
	}
	if longest == "" || len(already) > len(longest) || already == longest {
		return host
	}
	return strings.TrimSuffix(host, longest) + domains[longest]
}

// in says whether a host is a domain or below it.
func in(host, domain string) bool {
	above, ok := strings.CutSuffix(host, domain)
	return ok && (above == "" || strings.HasSuffix(above, "."))
}
