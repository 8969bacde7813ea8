package builtin

import (
	"errors"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/tmc-sdk/tmc/transform"
)

// DNS gives a DNS policy and configuration to every pod that has no
// configuration of its own. The policy may be empty.
func DNS(policy corev1.DNSPolicy, config corev1.PodDNSConfig) (transform.Transformer, error) {
	if err := oneOf(policy, "", corev1.DNSClusterFirst, corev1.DNSClusterFirstWithHostNet, corev1.DNSDefault, corev1.DNSNone); err != nil {
		return nil, refused("DNS", "policy", err)
	}
	if policy == corev1.DNSNone && len(config.Nameservers) == 0 {
		return nil, refused("DNS", "config.nameservers", errors.New("with the policy None at least one is needed"))
	}
	configured, err := jsonOf(&config)
	if err != nil {
		return nil, err
	}
	return ofPods("DNS", func(_ *transform.Target, pod object) error {
		if _, own := pod["dnsConfig"]; own {
			return nil
		}
		if policy != "" {
			pod["dnsPolicy"] = string(policy)
		}
		if len(configured) > 0 {
			pod["dnsConfig"] = runtime.DeepCopyJSON(configured)
		}
		return nil
	}), nil
}
