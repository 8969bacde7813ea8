package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"

	"github.com/tmc-sdk/tmc/transform"
	"github.com/tmc-sdk/tmc/transform/builtin"
)

// Factory makes a transformer of the parameters of a step, which are JSON, or
// nothing.
type Factory func(parameters json.RawMessage) (transform.Transformer, error)

// With returns a factory whose parameters are decoded strictly into P.
func With[P any](make func(P) (transform.Transformer, error)) Factory {
	return func(parameters json.RawMessage) (transform.Transformer, error) {
		var p P
		if len(parameters) > 0 {
			d := json.NewDecoder(bytes.NewReader(parameters))
			d.DisallowUnknownFields()
			if err := d.Decode(&p); err != nil {
				return nil, fmt.Errorf("decode parameters: %w", err)
			}
		}
		return make(p)
	}
}

// sure adapts a constructor that can't fail.
func sure[P any](make func(P) transform.Transformer) Factory {
	return With(func(p P) (transform.Transformer, error) { return make(p), nil })
}

// plain is for transformers without parameters.
func plain(make func() transform.Transformer) Factory {
	return With(func(struct{}) (transform.Transformer, error) { return make(), nil })
}

// raw hands the parameters over as they are, as for patches.
func raw(make func([]byte) (transform.Transformer, error)) Factory {
	return func(parameters json.RawMessage) (transform.Transformer, error) {
		if len(parameters) == 0 {
			return nil, fmt.Errorf("parameters are missing: \"with\" is the patch")
		}
		return make(parameters)
	}
}

// Names of the parameters are those of the Go fields, in any case.
type (
	dns struct {
		Policy corev1.DNSPolicy
		Config corev1.PodDNSConfig
	}
	references struct {
		Synced           []GroupKind
		SharedNamespaces []string
		More             []reference
	}
	reference struct {
		In, To        GroupKind
		Holder, Field string
		ClusterScoped bool
		IfKind        string
	}
)

// Builtins are the transformers that a step can use by name: all that the SDK
// has.
func Builtins() map[string]Factory {
	return map[string]Factory{
		"Affinity":             With(builtin.Affinity),
		"Autoscalers":          plain(builtin.Autoscalers),
		"Claims":               plain(builtin.Claims),
		"DNS":                  With(func(p dns) (transform.Transformer, error) { return builtin.DNS(p.Policy, p.Config) }),
		"Digests":              With(builtin.Digests),
		"DisruptionBudgets":    plain(builtin.DisruptionBudgets),
		"Env":                  With(func(p []builtin.EnvVar) (transform.Transformer, error) { return builtin.Env(p...) }),
		"GatewayClasses":       sure(builtin.GatewayClasses),
		"Hosts":                With(builtin.Hosts),
		"IngressClasses":       sure(builtin.IngressClasses),
		"Inject":               With(builtin.Inject),
		"JSONPatch":            raw(builtin.JSONPatch),
		"JobParts":             plain(builtin.JobParts),
		"MergePatch":           raw(builtin.MergePatch),
		"Metadata":             With(builtin.Metadata),
		"NodeSelector":         sure(builtin.NodeSelector),
		"PriorityClasses":      sure(builtin.PriorityClasses),
		"PullSecrets":          sure(func(p []string) transform.Transformer { return builtin.PullSecrets(p...) }),
		"References":           With(makeReferences),
		"Registries":           With(func(p []transform.Mirror) (transform.Transformer, error) { return transform.Registries(p...) }),
		"Resources":            With(builtin.Resources),
		"RuntimeClasses":       sure(builtin.RuntimeClasses),
		"SecurityFloor":        plain(builtin.SecurityFloor),
		"ServiceAccountTokens": sure(builtin.ServiceAccountTokens),
		"Services":             sure(builtin.Services),
		"StorageClasses":       sure(builtin.StorageClasses),
		"StrategicMerge":       raw(func(p []byte) (transform.Transformer, error) { return builtin.StrategicMerge(clientgoscheme.Scheme, p) }),
		"Substitute":           With(func(p []string) (transform.Transformer, error) { return builtin.Substitute(p...) }),
		"Tolerations":          With(func(p []corev1.Toleration) (transform.Transformer, error) { return builtin.Tolerations(p...) }),
		"TopologySpread": With(func(p []corev1.TopologySpreadConstraint) (transform.Transformer, error) {
			return builtin.TopologySpread(p...)
		}),
	}
}

func makeReferences(p references) (transform.Transformer, error) {
	rules := builtin.ReferenceRules{SharedNamespaces: p.SharedNamespaces}
	for _, k := range p.Synced {
		rules.Synced = append(rules.Synced, k.schema())
	}
	for _, r := range p.More {
		holder, err := transform.ParsePath(r.Holder)
		if err != nil {
			return nil, err
		}
		rules.More = append(rules.More, builtin.Reference{
			In: r.In.schema(), To: r.To.schema(), Holder: holder, Field: r.Field, ClusterScoped: r.ClusterScoped, IfKind: r.IfKind,
		})
	}
	return builtin.References(rules)
}

func (k GroupKind) schema() schema.GroupKind { return schema.GroupKind{Group: k.Group, Kind: k.Kind} }

// namesOf lists what there is, for messages.
func namesOf[T any](all map[string]T) []string { return slices.Sorted(maps.Keys(all)) }
