package guard

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Names of the objects that this package renders for a namespace.
const (
	DefaultDenyName = "tmc-default-deny"
	QuotaName       = "tmc-quota"
	LimitsName      = "tmc-limits"
)

// DefaultDeny lets pods of a namespace talk to each other and to the cluster's
// DNS, and to nobody else; what a tenant needs beyond that, another
// NetworkPolicy allows. It needs a network plugin that enforces NetworkPolicies.
func DefaultDeny() *networkingv1.NetworkPolicy {
	neighbours := networkingv1.NetworkPolicyPeer{PodSelector: &metav1.LabelSelector{}}
	dns := networkingv1.NetworkPolicyPeer{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{
		corev1.LabelMetadataName: metav1.NamespaceSystem,
	}}}
	var ports []networkingv1.NetworkPolicyPort
	for _, protocol := range []corev1.Protocol{corev1.ProtocolUDP, corev1.ProtocolTCP} {
		port := networkingv1.NetworkPolicyPort{Protocol: new(protocol), Port: new(intstr.FromInt32(53))}
		ports = append(ports, port)
	}
	return &networkingv1.NetworkPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: networkingv1.SchemeGroupVersion.String(), Kind: "NetworkPolicy"},
		ObjectMeta: metav1.ObjectMeta{Name: DefaultDenyName},
		Spec: networkingv1.NetworkPolicySpec{
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
			Ingress:     []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{neighbours}}},
			Egress: []networkingv1.NetworkPolicyEgressRule{
				{To: []networkingv1.NetworkPolicyPeer{neighbours}},
				{To: []networkingv1.NetworkPolicyPeer{dns}, Ports: ports},
			},
		},
	}
}

// Quota bounds what all that is in a namespace may take.
func Quota(hard corev1.ResourceList) *corev1.ResourceQuota {
	return &corev1.ResourceQuota{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ResourceQuota"},
		ObjectMeta: metav1.ObjectMeta{Name: QuotaName},
		Spec:       corev1.ResourceQuotaSpec{Hard: hard},
	}
}

// Limits are what a container requests where it does not say, and the most that
// it may take.
func Limits(request, most corev1.ResourceList) *corev1.LimitRange {
	return &corev1.LimitRange{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "LimitRange"},
		ObjectMeta: metav1.ObjectMeta{Name: LimitsName},
		Spec:       corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer, DefaultRequest: request, Max: most}}},
	}
}
