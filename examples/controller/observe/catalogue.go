// Package observe is the catalogue of the controller's metrics, and what is made
// of it: the page that documents them, the dashboard and the alerts.
package observe

import (
	_ "embed"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/yaml"
)

//go:embed catalogue.yaml
var file []byte

// Catalogue says what each metric moves by and what to do then.
type Catalogue struct {
	// Labels that metrics have, and what bounds the number of their values.
	Labels map[string]string `json:"labels"`
	// Groups of metrics, in the order of the page and the dashboard.
	Groups []Group `json:"groups"`
	// Others are metrics of the libraries beneath.
	Others []Others `json:"others"`
}

// Group is a room's metrics.
type Group struct {
	Title   string   `json:"title"`
	Metrics []Metric `json:"metrics"`
}

// Metric is one of ours.
type Metric struct {
	Name string `json:"name"`
	// Moves says what it means that it moves, and what to do.
	Moves  string  `json:"moves"`
	Panel  *Panel  `json:"panel,omitempty"`
	Alerts []Alert `json:"alerts,omitempty"`
}

// Others are panels and alerts on metrics that are not ours.
type Others struct {
	Title  string  `json:"title"`
	Panels []Panel `json:"panels"`
	Alerts []Alert `json:"alerts"`
}

// Panel of the dashboard.
type Panel struct {
	Title string `json:"title"`
	Expr  string `json:"expr"`
	Unit  string `json:"unit"`
}

// Alert is a rule, with the series that make it fire and those that must not.
type Alert struct {
	Name     string `json:"name"`
	Expr     string `json:"expr"`
	For      string `json:"for,omitempty"`
	Severity string `json:"severity"`
	Summary  string `json:"summary"`
	Fires    Case   `json:"fires"`
	Quiet    Case   `json:"quiet"`
}

// Case is a test of an alert: series, and the time at which it is looked at.
type Case struct {
	Series []string `json:"series"`
	After  string   `json:"after"`
}

// Load reads the catalogue.
func Load() (*Catalogue, error) {
	c := &Catalogue{}
	if err := yaml.UnmarshalStrict(file, c); err != nil {
		return nil, fmt.Errorf("decode catalogue: %w", err)
	}
	return c, nil
}

// Alerts returns all alerts.
func (c *Catalogue) Alerts() []Alert {
	var all []Alert
	for _, g := range c.Groups {
		for _, m := range g.Metrics {
			all = append(all, m.Alerts...)
		}
	}
	for _, o := range c.Others {
		all = append(all, o.Alerts...)
	}
	return all
}

// Described is what the code says of a metric.
type Described struct {
	Help   string
	Labels []string
}

// Recorder is a Registerer that registers nothing and knows what would be.
type Recorder struct{ Metrics map[string]Described }

var _ prometheus.Registerer = (*Recorder)(nil)

// Register implements prometheus.Registerer.
func (r *Recorder) Register(c prometheus.Collector) error {
	ch := make(chan *prometheus.Desc)
	go func() { defer close(ch); c.Describe(ch) }()
	for d := range ch {
		name, described, ok := parse(d.String())
		if !ok {
			return fmt.Errorf("can't read the description %s", d)
		}
		if _, ok := r.Metrics[name]; ok {
			return fmt.Errorf("metric %s is registered twice", name)
		}
		r.Metrics[name] = described
	}
	return nil
}

// MustRegister implements prometheus.Registerer.
func (r *Recorder) MustRegister(all ...prometheus.Collector) {
	for _, c := range all {
		if err := r.Register(c); err != nil {
			panic(err)
		}
	}
}

// Unregister implements prometheus.Registerer.
func (*Recorder) Unregister(prometheus.Collector) bool { return false }

// description is how client_golang prints a Desc, which is all that it tells.
var description = regexp.MustCompile(`^Desc{fqName: "([^"]+)", help: "(.*)", constLabels: {}, variableLabels: {(.*)}}$`)

func parse(text string) (string, Described, bool) {
	m := description.FindStringSubmatch(text)
	if m == nil {
		return "", Described{}, false
	}
	d := Described{Help: m[2]}
	if m[3] != "" {
		d.Labels = strings.Split(m[3], ",")
	}
	return m[1], d, true
}

// Check returns what the catalogue and the code disagree on.
func (c *Catalogue) Check(code map[string]Described) error {
	var wrong []string
	seen := map[string]bool{}
	used := map[string]bool{}
	for _, g := range c.Groups {
		for _, m := range g.Metrics {
			d, ok := code[m.Name]
			switch {
			case seen[m.Name]:
				wrong = append(wrong, m.Name+" stands twice")
			case !ok:
				wrong = append(wrong, m.Name+" is not in the code")
			case m.Moves == "":
				wrong = append(wrong, m.Name+": what to do when it moves?")
			}
			seen[m.Name] = true
			for _, l := range d.Labels {
				used[l] = true
				if c.Labels[l] == "" {
					wrong = append(wrong, fmt.Sprintf("%s: nothing bounds the label %s", m.Name, l))
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(code)) {
		if !seen[name] {
			wrong = append(wrong, name+" is not in the catalogue")
		}
	}
	for _, l := range slices.Sorted(maps.Keys(c.Labels)) {
		if !used[l] {
			wrong = append(wrong, "label "+l+" is used by no metric")
		}
	}
	if wrong == nil {
		return nil
	}
	return fmt.Errorf("the catalogue of metrics and the code disagree:\n  %s", strings.Join(wrong, "\n  "))
}
