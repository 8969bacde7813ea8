package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/planning"
)

func capacityCommand(s *session) *cobra.Command {
	var selector, by, prometheus string
	var history time.Duration
	cmd := &cobra.Command{
		Use: "capacity", Short: "Show what room clusters have, and what would be missing if one were lost",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := s.physicalClusters(cmd.Context(), selector)
			if err != nil {
				return err
			}
			report, err := capacityOf(snapshotOf(list), by)
			if err != nil {
				return err
			}
			if prometheus != "" {
				if report.Trends, err = trends(cmd.Context(), &planning.Prometheus{Address: prometheus}, time.Now(), history); err != nil {
					return err
				}
			}
			return s.print(report.result())
		},
	}
	cmd.Flags().StringVarP(&selector, "selector", "l", "", "labels of the clusters")
	cmd.Flags().StringVar(&by, "lose", "cluster", "what is lost at a time: cluster, zone, region, provider or a label")
	cmd.Flags().StringVar(&prometheus, "prometheus", "", "address of the Prometheus that scrapes the controller; shows when clusters will be full")
	cmd.Flags().DurationVar(&history, "history", 14*24*time.Hour, "how far back to look there")
	return cmd
}

// trends reckons from history when clusters will be full.
func trends(ctx context.Context, from *planning.Prometheus, now time.Time, span time.Duration) ([]planning.Forecast, error) {
	const samples = 200 // of each cluster
	h := planning.NewHistory(planning.Keep(samples + 1))
	if err := from.Load(ctx, h, now, span, max(time.Minute, span/samples)); err != nil {
		return nil, err
	}
	return planning.Forecasts(h, now), nil
}

// capacityReport is what capacity collects.
type capacityReport struct {
	Clusters []room `json:"clusters"`
	// Losses, the worst first.
	By     string          `json:"by"`
	Losses []planning.Loss `json:"losses"`
	// Trends, the most urgent first; only from a history.
	Trends []planning.Forecast `json:"trends,omitempty"`
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

func capacityOf(fleet *tmccluster.Snapshot, by string) (*capacityReport, error) {
	losses, err := planning.Losses(fleet, by, 1)
	if err != nil {
		return nil, err
	}
	report := &capacityReport{By: by, Losses: losses, Clusters: []room{}}
	for st := range fleet.All() {
		r := room{Cluster: st.Name, Known: st.CapacityKnown, Nodes: st.Nodes, have: st.Allocatable, left: st.Free()}
		if r.Known {
			r.Allocatable, r.Free = texts(r.have), texts(r.left)
		}
		report.Clusters = append(report.Clusters, r)
	}
	return report, nil
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
	if len(c.Losses) > 0 {
		r.notes = append(r.notes, "", "If one "+c.By+" were lost, the worst first:", planning.FormatLosses(c.Losses, 5))
	}
	if len(c.Trends) > 0 {
		r.notes = append(r.notes, "", "If it goes on like this, the most urgent first:", planning.FormatForecasts(c.Trends))
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
