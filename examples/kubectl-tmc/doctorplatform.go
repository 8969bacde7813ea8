package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/kcp-dev/sdk/apis/apis/v1alpha2"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// examinePlatform looks at kcp and at the export.
func (s *session) examinePlatform(ctx context.Context) []finding {
	cfg, err := s.at(s.platform)
	if err != nil {
		return []finding{{"connectivity", "kcp", failed, err.Error(), "check the context, or name another with --context"}}
	}
	d, err := discovery.NewDiscoveryClientForConfig(cfg)
	if err != nil {
		return []finding{{"connectivity", "kcp", failed, err.Error(), "check the kubeconfig"}}
	}
	version, err := d.ServerVersion()
	if err != nil {
		return []finding{{"connectivity", "kcp", failed, err.Error(), "check that kcp runs, that " + cfg.Host + " is its address, and that the credentials are good"}}
	}
	findings := []finding{{"connectivity", "kcp", fine, "answers as " + version.GitVersion, ""}}
	c, err := s.client(s.platform)
	if err != nil {
		return append(findings, finding{"export", s.export, failed, err.Error(), "check the kubeconfig"})
	}
	export := &apisv1alpha2.APIExport{}
	if err := c.Get(ctx, client.ObjectKey{Name: s.export}, export); err != nil {
		return append(findings, finding{"export", s.export, failed, err.Error(), "start the controller, which publishes it, or name another with --export"})
	}
	slice := &apisv1alpha1.APIExportEndpointSlice{}
	err = c.Get(ctx, client.ObjectKey{Name: s.export}, slice)
	findings = append(findings, exportFinding(export), sliceFinding(s.export, slice, err))
	exports := &apisv1alpha2.APIExportList{}
	if err := c.List(ctx, exports); err != nil {
		return append(findings, finding{"schemas", s.export, warning, err.Error(), "the user needs list on apiexports in the platform's workspace"})
	}
	return append(findings, schemasFinding(export, exports.Items))
}

// schemasFinding looks for exports that share a schema. kcp 0.28.1 finds storage
// by the schema alone: after a start, what was stored under one export is looked
// for under the other, and seems to be gone.
func schemasFinding(export *apisv1alpha2.APIExport, all []apisv1alpha2.APIExport) finding {
	for i := range all {
		if all[i].Name == export.Name {
			continue
		}
		for _, r := range all[i].Spec.Resources {
			if slices.ContainsFunc(export.Spec.Resources, func(own apisv1alpha2.ResourceSchema) bool { return own.Schema == r.Schema }) {
				return finding{"schemas", export.Name, failed, "it shares " + r.Schema + " with export " + all[i].Name, "stop the controller before kcp starts again, and give export " + all[i].Name + " a copy of the schema under another name: kcp may look for the objects of one export among those of the other, where they seem to be gone"}
			}
		}
	}
	return finding{"schemas", export.Name, fine, "no other export has its schemas", ""}
}

func exportFinding(export *apisv1alpha2.APIExport) finding {
	f := finding{"export", export.Name, fine, fmt.Sprintf("offers %d resources", len(export.Spec.Resources)), ""}
	offers := func(group string) bool {
		return slices.ContainsFunc(export.Spec.Resources, func(r apisv1alpha2.ResourceSchema) bool { return r.Group == group })
	}
	switch {
	case !offers(v1alpha1.Group):
		f.Verdict, f.Message = failed, "it does not offer placements"
		f.Remedy = "start the controller with publishing on, or add placement/v1alpha1's definitions to what publishes the export"
	case len(export.Spec.Resources) <= 2:
		f.Verdict, f.Message, f.Remedy = warning, "it offers no kind that runs on clusters", "make a physical cluster ready: what it serves is offered then"
	}
	return f
}

func sliceFinding(name string, slice *apisv1alpha1.APIExportEndpointSlice, err error) finding {
	switch {
	case err != nil:
		return finding{"endpoints", name, failed, err.Error(), "kcp makes the slice with the export; look at kcp's log"}
	case len(slice.Status.APIExportEndpoints) == 0:
		return finding{"endpoints", name, warning, "the slice has no endpoint", "kcp adds one when a workspace binds the export; bind it"}
	}
	return finding{"endpoints", name, fine, fmt.Sprintf("%d endpoints", len(slice.Status.APIExportEndpoints)), ""}
}

// examineWorkspaces looks at bindings and decisions.
func (s *session) examineWorkspaces(ctx context.Context) []finding {
	configs, err := s.everywhere(ctx)
	if err != nil {
		return []finding{{"workspaces", s.export, warning, err.Error(), "bind the export in a workspace"}}
	}
	var findings []finding
	for _, cfg := range configs {
		objects, err := listAll(ctx, cfg, apisv1alpha2.SchemeGroupVersion.WithResource("apibindings"), "", "")
		if err != nil {
			findings = append(findings, finding{"endpoints", cfg.Host, failed, err.Error(), "check that this address can be reached from where the controller runs, and that its user may use the export's content"})
			continue
		}
		for i := range objects {
			binding := &apisv1alpha2.APIBinding{}
			if runtime.DefaultUnstructuredConverter.FromUnstructured(objects[i].Object, binding) == nil && bindsExport(binding, s.export) {
				findings = append(findings, bindingFinding(binding))
			}
		}
	}
	list, err := s.placements(ctx, scope{allWorkspaces: true})
	if err != nil {
		return append(findings, finding{"placements", s.export, failed, err.Error(), "the user needs the export's content"})
	}
	return append(findings, placementFindings(list)...)
}

func bindsExport(b *apisv1alpha2.APIBinding, export string) bool {
	return b.Spec.Reference.Export != nil && b.Spec.Reference.Export.Name == export
}

func bindingFinding(b *apisv1alpha2.APIBinding) finding {
	f := finding{"claims", workspaceOf(b), fine, "every claim is accepted", ""}
	if b.Status.Phase != apisv1alpha2.APIBindingPhaseBound {
		f.Verdict, f.Message, f.Remedy = failed, "the binding is "+string(b.Status.Phase), "look at the conditions of APIBinding "+b.Name+" in the workspace"
		return f
	}
	var missing []string
	for _, wanted := range b.Status.ExportPermissionClaims {
		accepted := slices.ContainsFunc(b.Spec.PermissionClaims, func(c apisv1alpha2.AcceptablePermissionClaim) bool {
			return c.Group == wanted.Group && c.Resource == wanted.Resource && c.State == apisv1alpha2.ClaimAccepted
		})
		if !accepted {
			missing = append(missing, strings.TrimSuffix(wanted.Resource+"."+wanted.Group, "."))
		}
	}
	if len(missing) > 0 {
		f.Verdict, f.Message = warning, "claims not accepted: "+strings.Join(missing, ", ")
		f.Remedy = "accept them in spec.permissionClaims of APIBinding " + b.Name + "; without them what workloads mention, events and namespaces stay out of reach"
	}
	return f
}

func placementFindings(list []v1alpha1.Placement) []finding {
	var findings []finding
	for i := range list {
		p := &list[i]
		c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionPlaced)
		subject := workspaceOf(p) + "|" + strings.TrimPrefix(p.Namespace+"/"+p.Name, "/")
		switch {
		case c == nil:
			findings = append(findings, finding{"placements", subject, warning, "nobody has decided on it", "check that the controller runs and leads"})
		case c.Status != metav1.ConditionTrue && c.Reason != v1alpha1.ReasonNothingToPlace:
			findings = append(findings, finding{"placements", subject, warning, c.Reason + ": " + c.Message, "kubectl tmc explain " + p.Name + " -n " + orDash(p.Namespace) + " --workspace " + workspaceOf(p)})
		}
	}
	if len(findings) == 0 {
		findings = append(findings, finding{"placements", "all", fine, fmt.Sprintf("%d are placed", len(list)), ""})
	}
	return findings
}
