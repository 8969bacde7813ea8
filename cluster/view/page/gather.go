package page

import (
	"fmt"
	"strings"
	"time"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/view"
)

// mostTroubles bounds the list of what is unhealthy, and mostClusters that of
// clusters: people read them.
const (
	mostTroubles = 100
	mostClusters = 500
)

// content of the document.
type content struct {
	Fleet    view.Fleet
	Clusters []clusterRow
	Hidden   int // clusters beyond mostClusters
	Troubles []trouble
	More     int // troubles beyond mostTroubles
}

type clusterRow struct {
	*cluster.State
	// Condition in a word, and why.
	Condition, Why string
	Placements     int
}

// trouble is an object that is not well.
type trouble struct {
	Tenant string
	view.Object
}

func (p *Page) gather(now time.Time) content {
	c := content{Fleet: p.workspaces.Fleet()}
	snapshot := p.fleet.Snapshot()
	var well []clusterRow
	for st := range snapshot.All() {
		row := clusterRow{State: st, Placements: c.Fleet.ByCluster[st.Name]}
		row.Condition, row.Why = condition(st, now)
		if row.Condition != "ready" { // what needs somebody comes first
			c.Clusters = append(c.Clusters, row)
			continue
		}
		well = append(well, row)
	}
	c.Clusters = append(c.Clusters, well...)
	if n := len(c.Clusters); n > mostClusters {
		c.Clusters, c.Hidden = c.Clusters[:mostClusters], n-mostClusters
	}
	for _, tenant := range p.workspaces.Tenants() {
		if bad := ailing(tenant.Counts); bad == 0 {
			continue
		} else if len(c.Troubles) >= mostTroubles {
			c.More += bad
			continue
		}
		for _, o := range p.workspaces.Objects(tenant.Name) {
			switch {
			case !isAiling(o.Health):
			case len(c.Troubles) >= mostTroubles:
				c.More++
			default:
				c.Troubles = append(c.Troubles, trouble{tenant.Name, o})
			}
		}
	}
	return c
}

func ailing(c view.Counts) int {
	return c.ByHealth[view.Unhealthy] + c.ByHealth[view.Unsynced] + c.ByHealth[view.Unplaced]
}

func isAiling(h view.Health) bool {
	return h == view.Unhealthy || h == view.Unsynced || h == view.Unplaced
}

// condition says in a word how a cluster is, and why.
func condition(st *cluster.State, now time.Time) (word, why string) {
	why = strings.TrimSuffix(strings.Join([]string{st.Reason, st.Message}, ": "), ": ")
	switch {
	case !st.Reachable && !st.UnreachableSince.IsZero():
		return "unreachable", "silent for " + since(st.UnreachableSince, now) + "; " + why
	case !st.Ready:
		return "not ready", why
	case st.Draining:
		return "draining", "its work moves away"
	case st.Unschedulable:
		return "cordoned", "it takes no new work"
	}
	concerns := make([]string, 0, len(st.Concerns))
	for _, c := range st.Concerns {
		concerns = append(concerns, c.Reason+": "+c.Message)
	}
	return "ready", strings.Join(concerns, "; ")
}

// since rounds, so that the page does not change every second.
func since(t, now time.Time) string {
	d := now.Sub(t)
	if d >= time.Hour {
		return d.Round(time.Hour).String()
	}
	return d.Round(10 * time.Second).String()
}

func cores(milli int64) string { return fmt.Sprintf("%.1f", float64(milli)/1000) }

func gibibytes(n int64) string { return fmt.Sprintf("%.1f Gi", float64(n)/(1<<30)) }

func free(allocatable, allocated int64) int64 { return max(0, allocatable-allocated) }
