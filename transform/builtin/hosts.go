package builtin

import (
	"fmt"
	"maps"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/transform"
)

// Hosts maps the host names of Ingresses, HTTPRoutes and Gateways, by the
// longest domain that a name is in: {"example.com": "${cluster.region}.example.net"}
// makes www.example.com www.eu.example.net. Names in no domain stay.
func Hosts(domains map[string]string) (transform.Transformer, error) {
	domains = maps.Clone(domains)
	for from, to := range domains {
		if from == "" || to == "" {
			return nil, fmt.Errorf("builtin: the domain %q can't become %q", from, to)
		}
		if err := CheckTemplate(to); err != nil {
			return nil, err
		}
	}
	paths := map[schema.GroupKind][]transform.Path{
		ingressKind: {transform.MustPath("spec.rules[*].host"), transform.MustPath("spec.tls[*].hosts[*]")},
		routeKind:   {transform.MustPath("spec.hostnames[*]")},
		gatewayKind: {transform.MustPath("spec.listeners[*].hostname")},
	}
	b := &built{name: "Hosts", kinds: []schema.GroupKind{ingressKind, routeKind, gatewayKind}, independent: static(domains)}
	b.fn = func(t *transform.Target, obj *unstructured.Unstructured) error {
		targets := make(map[string]string, len(domains))
		for from, to := range domains {
			expanded, err := Expand(t, to)
			if err != nil {
				return err
			}
			targets[from] = expanded
		}
		for _, p := range paths[obj.GroupVersionKind().GroupKind()] {
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
