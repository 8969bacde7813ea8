package planning

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Prometheus reads history that a fleet exported as metrics (cluster.WithMetrics)
// from a server that has the query API of Prometheus.
type Prometheus struct {
	// Address of the server, as "https://prometheus.example.com".
	Address string
	// Client to ask it with; nil for the default one.
	Client *http.Client
	// Matchers narrow the series down, as `namespace="tmc"`; empty for all.
	Matchers string
}

// metrics that make a sample, and where each goes.
var metrics = map[string]func(*Sample, float64){
	"tmc_cluster_allocatable_cpu_cores":    func(s *Sample, v float64) { s.Allocatable.MilliCPU = int64(math.Round(1000 * v)) },
	"tmc_cluster_allocated_cpu_cores":      func(s *Sample, v float64) { s.Allocated.MilliCPU = int64(math.Round(1000 * v)) },
	"tmc_cluster_allocatable_memory_bytes": func(s *Sample, v float64) { s.Allocatable.Memory = int64(v) },
	"tmc_cluster_allocated_memory_bytes":   func(s *Sample, v float64) { s.Allocated.Memory = int64(v) },
	"tmc_cluster_used_cpu_cores":           func(s *Sample, v float64) { s.Used.MilliCPU = int64(math.Round(1000 * v)) },
	"tmc_cluster_used_memory_bytes":        func(s *Sample, v float64) { s.Used.Memory = int64(v) },
	"tmc_cluster_allocatable_pods":         func(s *Sample, v float64) { s.Allocatable.Pods = int64(v) },
	"tmc_cluster_allocated_pods":           func(s *Sample, v float64) { s.Allocated.Pods = int64(v) },
}

// largestAnswer bounds what is read of one answer.
const largestAnswer = 64 << 20

// Load adds to a history what the server has of the given span until now, one
// sample per step. Load it into a history that is empty: what a history has is
// not made older.
func (p *Prometheus) Load(ctx context.Context, into *History, now time.Time, span, step time.Duration) error {
	if step < time.Second || span < step {
		return errors.New("load history: a step of at least a second, and a span of at least a step are needed")
	}
	samples := map[string]map[int64]*Sample{} // by cluster and time
	for _, name := range slices.Sorted(maps.Keys(metrics)) {
		query := "max by (cluster) (" + name + "{" + p.Matchers + "})" // replicas export the same
		if err := p.read(ctx, query, now.Add(-span), now, step, func(cluster string, at int64, v float64) {
			if samples[cluster] == nil {
				samples[cluster] = map[int64]*Sample{}
			}
			if samples[cluster][at] == nil {
				samples[cluster][at] = &Sample{At: time.Unix(at, 0)}
			}
			metrics[name](samples[cluster][at], v)
		}); err != nil {
			return fmt.Errorf("load history of %s: %w", name, err)
		}
	}
	for cluster, byTime := range samples {
		for _, at := range slices.Sorted(maps.Keys(byTime)) {
			into.Add(cluster, *byTime[at])
		}
	}
	return nil
}

// read the values of a range query.
func (p *Prometheus) read(ctx context.Context, query string, from, to time.Time, step time.Duration, value func(cluster string, at int64, v float64)) error {
	form := url.Values{
		"query": {query}, "step": {strconv.FormatFloat(step.Seconds(), 'f', -1, 64)},
		"start": {strconv.FormatInt(from.Unix(), 10)}, "end": {strconv.FormatInt(to.Unix(), 10)},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(p.Address, "/")+"/api/v1/query_range", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	client := p.Client
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, largestAnswer))
	if err != nil {
		return err
	}
	var answer struct {
		Status, Error string
		Data          struct {
			Result []struct {
				Metric map[string]string
				Values [][2]any
			}
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Status != "success" {
		return fmt.Errorf("server answers %s: %s", resp.Status, answer.Error)
	}
	for _, series := range answer.Data.Result {
		name := series.Metric["cluster"]
		for _, pair := range series.Values {
			at, isTime := pair[0].(float64)
			text, isText := pair[1].(string)
			v, err := strconv.ParseFloat(text, 64)
			if name == "" || !isTime || !isText || err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
				continue // a gap
			}
			value(name, int64(at), v)
		}
	}
	return nil
}
