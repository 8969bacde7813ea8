package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
)

func capacityCommand(s *session) *cobra.Command {
	var selector string
	cmd := &cobra.Command{
		Use: "capacity", Short: "Show what room clusters have",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := s.physicalClusters(cmd.Context(), selector)
			if err != nil {
				return err
			}
			return s.print(capacityOf(snapshotOf(list)).result())
		},
	}
	cmd.Flags().StringVarP(&selector, "selector", "l", "", "labels of the clusters")
	return cmd
}

// capacityReport is what capacity collects.
type capacityReport struct {
	Clusters []room `json:"clusters"`
}

// room is that of one cluster.
type room struct {
	Cluster     string            `json:"cluster"`
	Known       bool              `json:"known"`
	Nodes       int32             `json:"nodes"`
	Allocatable map[string]string `json:"allocatable,omitempty"`
	Free        map[string]string `json:"free,omitempty"`
	have, left  tmccluster.Resources
}

func capacityOf(fleet *tmccluster.Snapshot) *capacityReport {
	report := &capacityReport{Clusters: []room{}}
	for st := range fleet.All() {
		r := room{Cluster: st.Name, Known: st.CapacityKnown, Nodes: st.Nodes, have: st.Allocatable, left: st.Free()}
		if r.Known {
			r.Allocatable, r.Free = texts(r.have), texts(r.left)
		}
		report.Clusters = append(report.Clusters, r)
	}
	return report
}

func texts(r tmccluster.Resources) map[string]string {
	out := map[string]string{}
	for name, q := range r.List() {
		out[string(name)] = q.String()
	}
	return out
}

func (c *capacityReport) result() *result {
	r := &result{object: c, columns: []string{"CLUSTER", "NODES", "CPU", "CPU USED", "MEMORY", "MEMORY USED", "PODS", "PODS USED"}}
	for i := range c.Clusters {
		room := &c.Clusters[i]
		row := []string{room.Cluster, "", "", "", "", "", "", ""}
		if room.Known {
			row = []string{
				room.Cluster, strconv.Itoa(int(room.Nodes)),
				cores(room.have.MilliCPU), usedText(room.have.MilliCPU, room.left.MilliCPU),
				bytesText(room.have.Memory), usedText(room.have.Memory, room.left.Memory),
				strconv.FormatInt(room.have.Pods, 10), usedText(room.have.Pods, room.left.Pods),
			}
		}
		r.rows = append(r.rows, row)
		r.names = append(r.names, "physicalcluster/"+room.Cluster)
	}
	return r
}

// usedText is the part of a resource that requests take.
func usedText(have, free int64) string {
	if have <= 0 {
		return ""
	}
	return fmt.Sprintf("%.0f%%", 100*float64(have-free)/float64(have))
}
