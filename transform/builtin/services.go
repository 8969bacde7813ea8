package builtin

import (
	"github.com/tmc-sdk/tmc/transform"
)

// ServiceRules say what of a Service is for the cluster to decide.
type ServiceRules struct {
	// KeepNodePorts lets tenants choose node ports, which all tenants of a
	// cluster share.
	KeepNodePorts bool
	// KeepExternalIPs lets tenants name external addresses: with it they can
	// take over the traffic to any address.
	KeepExternalIPs bool
	// LoadBalancers maps the classes of load balancers.
	LoadBalancers Classes
}

// Services removes from Services what belongs to one cluster: addresses, ports
// of nodes and of health checks, address families. Headless ones stay so.
func Services(rules ServiceRules) transform.Transformer {
	rules.LoadBalancers = rules.LoadBalancers.clone()
	return ofKinds("Services", func(spec object) error {
		if spec["clusterIP"] != "None" {
			delete(spec, "clusterIP")
			delete(spec, "clusterIPs")
		} else {
			spec["clusterIPs"] = []any{"None"}
		}
		for _, field := range [...]string{"ipFamilies", "healthCheckNodePort", "loadBalancerIP"} {
			delete(spec, field)
		}
		if !rules.KeepExternalIPs {
			delete(spec, "externalIPs")
		}
		if !rules.KeepNodePorts {
			ports, _ := spec["ports"].([]any)
			for _, p := range ports {
				if port, ok := p.(object); ok {
					delete(port, "nodePort")
				}
			}
		}
		if spec["type"] == "LoadBalancer" {
			rules.LoadBalancers.apply(spec, "loadBalancerClass")
		}
		return nil
	}, serviceKind)
}
