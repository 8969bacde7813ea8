package planning

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Below these a trend would be noise.
const (
	minSamples = 3
	minSpan    = time.Hour
)

// Forecast says how one resource of one cluster develops. Amounts are in cores,
// bytes or pieces.
type Forecast struct {
	Cluster  string              `json:"cluster"`
	Resource corev1.ResourceName `json:"resource"`
	// Allocatable and Allocated are those of the latest sample.
	Allocatable float64 `json:"allocatable"`
	Allocated   float64 `json:"allocated"`
	// Used is what is in use of it, as of the latest sample; nil where nobody
	// tells. Much less than Allocated means that requests are too high.
	Used *float64 `json:"used,omitempty"`
	// PerDay is by how much what is allocated grows in a day; less than zero
	// if it shrinks.
	PerDay float64 `json:"perDay"`
	// DaysLeft until the cluster is full if it goes on like this; nil if it
	// will not be, or if too little is known to tell. Zero: it is full.
	DaysLeft *float64 `json:"daysLeft,omitempty"`
	// Samples and Span are what the forecast rests on.
	Samples int           `json:"samples"`
	Span    time.Duration `json:"span"`
	// Known says that Samples and Span are enough to rest anything on.
	Known bool `json:"known"`
}

// Forecasts returns a forecast for each cluster and resource, the most urgent
// first.
func Forecasts(h *History, now time.Time) []Forecast {
	var all []Forecast
	for _, name := range h.Clusters() {
		all = append(all, ForecastOf(name, h.Series(name), now)...)
	}
	slices.SortStableFunc(all, byUrgency)
	return all
}

// ForecastOf returns a forecast for each resource of one cluster, from its
// samples, the oldest first.
func ForecastOf(name string, samples []Sample, now time.Time) []Forecast {
	if len(samples) == 0 {
		return nil
	}
	last := &samples[len(samples)-1]
	var all []Forecast
	for _, resource := range names(&last.Allocatable, &last.Allocated) {
		f := Forecast{
			Cluster: name, Resource: resource,
			Allocatable: amount(&last.Allocatable, resource), Allocated: amount(&last.Allocated, resource),
			Samples: len(samples), Span: last.At.Sub(samples[0].At),
		}
		if used := amount(&last.Used, resource); used > 0 {
			f.Used = &used
		}
		f.Known = f.Samples >= minSamples && f.Span >= minSpan
		if f.Known {
			f.follow(samples, now)
		}
		all = append(all, f)
	}
	return all
}

// follow the line of least squares.
func (f *Forecast) follow(samples []Sample, now time.Time) {
	slope, atNow := line(samples, f.Resource, now)
	f.PerDay = slope
	left := f.Allocatable - max(atNow, f.Allocated)
	switch {
	case left <= 0:
		f.DaysLeft = new(0.0)
	case slope > 0:
		// What takes longer than a lifetime to fill does not fill.
		if days := left / slope; days < 36500 {
			f.DaysLeft = &days
		}
	}
}

// line returns the slope per day and the value at a moment.
func line(samples []Sample, resource corev1.ResourceName, at time.Time) (slope, value float64) {
	n := float64(len(samples))
	days := func(s *Sample) float64 { return s.At.Sub(at).Hours() / 24 }
	var meanX, meanY, xx, xy float64
	for i := range samples {
		meanX += days(&samples[i]) / n
		meanY += amount(&samples[i].Allocated, resource) / n
	}
	for i := range samples {
		dx := days(&samples[i]) - meanX
		xx += dx * dx
		xy += dx * (amount(&samples[i].Allocated, resource) - meanY)
	}
	if xx > 0 {
		slope = xy / xx
	}
	return slope, meanY - slope*meanX
}

func byUrgency(a, b Forecast) int {
	switch {
	case a.DaysLeft == nil && b.DaysLeft == nil:
		return 0
	case a.DaysLeft == nil:
		return 1
	case b.DaysLeft == nil:
		return -1
	case *a.DaysLeft < *b.DaysLeft:
		return -1
	case *a.DaysLeft > *b.DaysLeft:
		return 1
	}
	return 0
}

// FormatForecasts prints forecasts as a table for people.
func FormatForecasts(all []Forecast) string {
	rows := [][]string{{"CLUSTER", "RESOURCE", "ALLOCATED", "ALLOCATABLE", "FULL", "IN USE", "PER DAY", "DAYS LEFT"}}
	for _, f := range all {
		full, inUse := "-", "-"
		if f.Allocatable > 0 {
			full = fmt.Sprintf("%.0f%%", 100*f.Allocated/f.Allocatable)
			if f.Used != nil {
				inUse = fmt.Sprintf("%.0f%%", 100**f.Used/f.Allocatable)
			}
		}
		perDay, left := "unknown", "unknown"
		if f.Known {
			perDay, left = signed(f.PerDay, f.Resource), "-"
		}
		if f.DaysLeft != nil {
			left = fmt.Sprintf("%.0f", *f.DaysLeft)
		}
		rows = append(rows, []string{
			f.Cluster, string(f.Resource), Format(f.Allocated, f.Resource), Format(f.Allocatable, f.Resource), full, inUse, perDay, left,
		})
	}
	return table(rows)
}

// table aligns rows.
func table(rows [][]string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		_, _ = w.Write([]byte(strings.Join(row, "\t") + "\n")) // a strings.Builder takes all
	}
	_ = w.Flush()
	return b.String()
}

func signed(v float64, resource corev1.ResourceName) string {
	if v >= 0 {
		return "+" + Format(v, resource)
	}
	return "-" + Format(-v, resource)
}

// Format prints an amount of a resource, in its own unit, as people write it.
func Format(v float64, resource corev1.ResourceName) string {
	switch resource {
	case corev1.ResourceMemory, corev1.ResourceEphemeralStorage:
		for _, u := range []struct {
			size float64
			name string
		}{{1 << 40, "Ti"}, {1 << 30, "Gi"}, {1 << 20, "Mi"}, {1 << 10, "Ki"}} {
			if v >= u.size {
				return fmt.Sprintf("%.1f%s", v/u.size, u.name)
			}
		}
		return fmt.Sprintf("%.0f", v)
	default:
	}
	if v == float64(int64(v)) {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.1f", v)
}
