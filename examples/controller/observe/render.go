package observe

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

const generated = "Generated from examples/controller/observe/catalogue.yaml by go generate ./examples/controller"

// Page returns docs/metrics.md.
func (c *Catalogue) Page(code map[string]Described) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `<!-- %s. -->
# Metrics

What the [controller](deploy.md) measures, and what to do when it moves. A test compares this
page with the code. The [dashboard](../examples/controller/deploy/monitoring/dashboard.json)
(Grafana) and the [alerts](../examples/controller/deploy/monitoring/alerts.yaml) (Prometheus) are
made of the same catalogue; each alert is tried in Prometheus' rule engine, with series that must
make it fire and series that must not.

Every metric is of the rooms that it is named for, and is registered where an option WithMetrics
is given a registerer. No label holds the name of a workspace, a namespace or an object:

| label | values |
| --- | --- |
`, generated)
	for _, l := range slices.Sorted(maps.Keys(c.Labels)) {
		fmt.Fprintf(&b, "| `%s` | %s |\n", l, c.Labels[l])
	}
	for _, g := range c.Groups {
		fmt.Fprintf(&b, "\n## %s\n\n| metric | is | when it moves |\n| --- | --- | --- |\n", g.Title)
		for _, m := range g.Metrics {
			name := m.Name
			if labels := code[m.Name].Labels; labels != nil {
				name += "{" + strings.Join(labels, ", ") + "}"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, code[m.Name].Help, m.Moves)
		}
	}
	fmt.Fprintf(&b, "\n## Alerts\n\n| alert | severity | says |\n| --- | --- | --- |\n")
	for _, a := range c.Alerts() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", a.Name, a.Severity, a.Summary)
	}
	fmt.Fprintf(&b, "\nQueues, leadership, memory and CPU are measured by the libraries beneath, as\n`workqueue_*{name=\"tmc-sync\"}` and `{name=\"tmc-placement\"}`, `leader_election_master_status` and\n`process_*`; the dashboard shows them.\n")
	return []byte(b.String())
}

// Rules returns the rules that Prometheus loads.
func (c *Catalogue) Rules() ([]byte, error) {
	type rule struct {
		Alert       string            `json:"alert"`
		Expr        string            `json:"expr"`
		For         string            `json:"for,omitempty"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	}
	type group struct {
		Name  string `json:"name"`
		Rules []rule `json:"rules"`
	}
	g := group{Name: "tmc"}
	for _, a := range c.Alerts() {
		g.Rules = append(g.Rules, rule{a.Name, a.Expr, a.For, map[string]string{"severity": a.Severity}, map[string]string{"summary": a.Summary}})
	}
	text, err := yaml.Marshal(map[string][]group{"groups": {g}})
	return append([]byte("# "+generated+".\n"), text...), err
}

// Dashboard returns the dashboard that Grafana imports.
func (c *Catalogue) Dashboard() ([]byte, error) {
	type object = map[string]any
	var panels []object
	y := 0
	section := func(title string, shown []Panel) {
		panels = append(panels, object{"type": "row", "title": title, "collapsed": false, "id": len(panels) + 1, "gridPos": object{"x": 0, "y": y, "w": 24, "h": 1}})
		y++
		for i, p := range shown {
			panels = append(panels, object{
				"type": "timeseries", "title": p.Title, "id": len(panels) + 1,
				"datasource":  object{"type": "prometheus", "uid": "${datasource}"},
				"gridPos":     object{"x": i % 3 * 8, "y": y + i/3*8, "w": 8, "h": 8},
				"fieldConfig": object{"defaults": object{"unit": p.Unit, "min": 0}, "overrides": []object{}},
				"targets":     []object{{"refId": "A", "expr": p.Expr}},
			})
		}
		y += (len(shown) + 2) / 3 * 8
	}
	for _, g := range c.Groups {
		var shown []Panel
		for _, m := range g.Metrics {
			if m.Panel != nil {
				shown = append(shown, *m.Panel)
			}
		}
		section(g.Title, shown)
	}
	for _, o := range c.Others {
		section(o.Title, o.Panels)
	}
	text, err := json.MarshalIndent(object{
		"title": "TMC", "uid": "tmc", "tags": []string{"tmc", "kcp"}, "schemaVersion": 39, "refresh": "30s", "description": generated,
		"time":       object{"from": "now-3h", "to": "now"},
		"templating": object{"list": []object{{"name": "datasource", "type": "datasource", "query": "prometheus"}}},
		"panels":     panels,
	}, "", "  ")
	return append(text, '\n'), err
}
