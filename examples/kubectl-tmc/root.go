package main

import (
	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"
)

// newRoot returns the command with all that is below it.
func newRoot(s *session) *cobra.Command {
	root := &cobra.Command{
		Use:               "kubectl-tmc",
		Annotations:       map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl tmc"},
		Short:             "See and operate a fleet of physical clusters behind kcp",
		SilenceUsage:      true,
		SilenceErrors:     true,
		DisableAutoGenTag: true,
	}
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.errOut)
	f := root.PersistentFlags()
	f.StringVar(&s.rules.ExplicitPath, "kubeconfig", "", "path to the kubeconfig file")
	clientcmd.BindOverrideFlags(&s.overrides, f, clientcmd.RecommendedConfigOverrideFlags(""))
	f.StringVar(&s.platform, "platform", "", "workspace with the PhysicalClusters; default: that of the context")
	f.StringVar(&s.workspace, "workspace", "", "workspace of a tenant, as a path or a logical cluster; default: that of the context")
	f.StringVar(&s.export, "export", "tmc", "APIExport of the platform that tenants bind")
	f.StringVarP(&s.format, "output", "o", "", "wide, json, yaml or name")
	f.BoolVar(&s.noHeaders, "no-headers", false, "print tables without their heads")
	f.StringVar(&s.colour, "color", "auto", "auto, always or never; auto colours on a terminal only")
	root.AddCommand(
		clustersCommand(s), placementsCommand(s), explainCommand(s), treeCommand(s),
		cordonCommand(s), uncordonCommand(s), drainCommand(s), evictCommand(s), moveCommand(s), tokenCommand(s),
		capacityCommand(s), whatIfCommand(s), planCommand(s), doctorCommand(s), auditCommand(s), backupCommand(s), restoreCommand(s),
	)
	return root
}
