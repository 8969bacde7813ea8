package main

import (
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"

	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

func clustersCommand(s *session) *cobra.Command {
	var selector string
	cmd := &cobra.Command{
		Use: "clusters", Aliases: []string{"cluster", "pcl"}, Short: "List physical clusters, how they are and what room they have",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := s.physicalClusters(cmd.Context(), selector)
			if err != nil {
				return err
			}
			return s.print(clustersResult(list, time.Now()))
		},
	}
	cmd.Flags().StringVarP(&selector, "selector", "l", "", "labels of the clusters")
	return cmd
}

func clustersResult(list *clusterv1alpha1.PhysicalClusterList, now time.Time) *result {
	r := &result{
		object:  list,
		columns: []string{"NAME", "STATUS", "REGION", "ZONE", "VERSION", "NODES", "CPU FREE", "MEMORY FREE", "AGE", "+PROVIDER", "+WHY"},
	}
	for i := range list.Items {
		pc := &list.Items[i]
		st := stateOf(pc)
		cpu, memory, nodes := "", "", ""
		if st.CapacityKnown {
			free := st.Free()
			cpu, memory, nodes = cores(free.MilliCPU), bytesText(free.Memory), strconv.Itoa(int(st.Nodes))
		}
		status, why := statusOf(pc)
		r.rows = append(r.rows, []string{
			pc.Name, status, pc.Spec.Region, pc.Spec.Zone, pc.Status.Version, nodes, cpu, memory,
			duration.HumanDuration(now.Sub(pc.CreationTimestamp.Time)), pc.Spec.Provider, why,
		})
		r.names = append(r.names, "physicalcluster."+clusterv1alpha1.Group+"/"+pc.Name)
	}
	if len(r.rows) == 0 {
		r.notes = []string{"No physical clusters found."}
	}
	return r
}

// statusOf says in a word how a cluster is, and why.
func statusOf(pc *clusterv1alpha1.PhysicalCluster) (status, why string) {
	st := stateOf(pc)
	switch {
	case len(pc.Status.Conditions) == 0:
		return "Unknown", "no controller has looked at it yet"
	case !st.Reachable:
		return "Unreachable", st.Message
	case !st.Ready:
		return "NotReady", st.Message
	case st.Draining:
		return "Draining", "work is moved away; kubectl tmc uncordon takes it back"
	case st.Unschedulable:
		return "Cordoned", "it takes no new work; kubectl tmc uncordon takes it back"
	}
	return "Ready", ""
}

func cores(milli int64) string { return strconv.FormatFloat(float64(milli)/1000, 'f', 1, 64) }

func bytesText(n int64) string {
	value, unit := float64(n), "Ki"
	value /= 1 << 10
	for _, next := range []string{"Mi", "Gi", "Ti"} {
		if value < 1024 {
			break
		}
		value, unit = value/1024, next
	}
	return strconv.FormatFloat(value, 'f', 1, 64) + unit
}
