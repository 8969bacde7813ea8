// Package observe evaluates the alerts and the dashboard of the controller in
// the real rule engine of Prometheus. It is a module of its own, so that nobody
// who imports the SDK sees Prometheus among its dependencies.
package observe

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
	"go.yaml.in/yaml/v3"
)

const root = "../../examples/controller"

var alertsFile = filepath.Join(root, "deploy", "monitoring", "alerts.yaml")

// alert is what the catalogue says of an alert's test.
type alert struct {
	Name  string
	Fires testCase
	Quiet testCase
}

type testCase struct {
	Series []string
	After  string
}

func alerts(t *testing.T) []alert {
	t.Helper()
	var catalogue struct {
		Groups []struct{ Metrics []struct{ Alerts []alert } }
		Others []struct{ Alerts []alert }
	}
	data, err := os.ReadFile(filepath.Join(root, "observe", "catalogue.yaml"))
	must(t, err)
	must(t, yaml.Unmarshal(data, &catalogue))
	var all []alert
	for _, g := range catalogue.Groups {
		for _, m := range g.Metrics {
			all = append(all, m.Alerts...)
		}
	}
	for _, o := range catalogue.Others {
		all = append(all, o.Alerts...)
	}
	if len(all) == 0 {
		t.Fatal("the catalogue has no alerts")
	}
	return all
}

// TestAlerts loads the rules as Prometheus does and evaluates each alert every
// minute over the series of its test.
func TestAlerts(t *testing.T) {
	for _, a := range alerts(t) {
		t.Run(a.Name, func(t *testing.T) {
			if summaries := firing(t, a.Name, a.Fires); len(summaries) == 0 {
				t.Error("it does not fire")
			} else {
				t.Log(summaries[0])
			}
			if summaries := firing(t, a.Name, a.Quiet); len(summaries) > 0 {
				t.Errorf("it fires over the quiet series: %s", summaries)
			}
		})
	}
}

// firing returns the summaries of the alerts of a name that fire.
func firing(t *testing.T, name string, c testCase) (summaries []string) {
	t.Helper()
	load := "load 1m\n"
	for _, s := range c.Series {
		load += "  " + s + "\n"
	}
	storage := promqltest.LoadedStorage(t, load)
	t.Cleanup(func() { _ = storage.Close() })
	engine := promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery)
	manager := rules.NewManager(&rules.ManagerOptions{
		AppendableV2: storage, Queryable: storage, QueryFunc: rules.EngineQueryFunc(engine, storage),
		Context: context.Background(), Logger: slog.New(slog.DiscardHandler),
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
	})
	groups, errs := manager.LoadGroups(time.Minute, labels.EmptyLabels(), "", nil, false, alertsFile)
	for _, err := range errs {
		t.Fatal(err)
	}
	after, err := model.ParseDuration(c.After)
	must(t, err)
	for _, group := range groups {
		for at := time.Unix(0, 0); !at.After(time.Unix(0, 0).Add(time.Duration(after))); at = at.Add(time.Minute) {
			group.Eval(context.Background(), at)
		}
		for _, rule := range group.AlertingRules() {
			if rule.LastError() != nil {
				t.Fatal(rule.Name(), rule.LastError())
			}
			for _, active := range rule.ActiveAlerts() {
				if rule.Name() == name && active.State == rules.StateFiring {
					summaries = append(summaries, active.Annotations.Get("summary"))
				}
			}
		}
	}
	return summaries
}

// TestDashboard evaluates the query of every panel.
func TestDashboard(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, "deploy", "monitoring", "dashboard.json"))
	must(t, err)
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	must(t, json.Unmarshal(data, &dashboard))
	// Every series of every test: what an alert sees, a panel can show.
	load := "load 1m\n"
	seen := map[string]bool{}
	for _, a := range alerts(t) {
		for _, s := range a.Fires.Series {
			metric, _, err := parser.NewParser(parser.Options{}).ParseSeriesDesc(s)
			must(t, err)
			if !seen[metric.String()] {
				seen[metric.String()] = true
				load += "  " + s + "\n"
			}
		}
	}
	storage := promqltest.LoadedStorage(t, load)
	t.Cleanup(func() { _ = storage.Close() })
	engine := promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery)
	shown := 0
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			query, err := engine.NewInstantQuery(t.Context(), storage, nil, target.Expr, time.Unix(600, 0))
			must(t, err)
			result := query.Exec(t.Context())
			if result.Err != nil {
				t.Errorf("%s: %v", panel.Title, result.Err)
				continue
			}
			vector, err := result.Vector()
			must(t, err)
			shown += len(vector)
			for _, sample := range vector {
				if math.IsInf(sample.F, 0) {
					t.Errorf("%s shows infinity", panel.Title)
				}
			}
			query.Close()
		}
	}
	if shown == 0 {
		t.Error("no panel shows anything")
	}
	t.Log(fmt.Sprintf("%d panels and rows, %d series shown", len(dashboard.Panels), shown))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
