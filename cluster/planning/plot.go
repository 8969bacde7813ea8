package planning

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// Size of a plot, and of its margins, in pixels.
const (
	plotWidth, plotHeight         = 720.0, 320.0
	plotLeft, plotRight           = 80.0, 20.0
	plotTop, plotBottom           = 40.0, 40.0
	plotInnerW                    = plotWidth - plotLeft - plotRight
	plotInnerH                    = plotHeight - plotTop - plotBottom
	longestPlot                   = 90 * 24 * time.Hour
	beyond                float64 = 1.1
)

// plot maps times and amounts to pixels.
type plot struct {
	from, to time.Time
	top      float64
	b        strings.Builder
}

func (p *plot) x(at time.Time) float64 {
	return plotLeft + plotInnerW*float64(at.Sub(p.from))/float64(max(1, p.to.Sub(p.from)))
}

func (p *plot) y(v float64) float64 { return plotTop + plotInnerH*(1-v/p.top) }

// WritePlot writes, as an SVG image, what was allocated of one resource of a
// cluster, the trend up to the day on which the cluster is full (or for as long
// again as the samples span), and what is allocatable.
func WritePlot(w io.Writer, samples []Sample, f Forecast) error {
	if len(samples) == 0 {
		return fmt.Errorf("plot %s of %s: there are no samples", f.Resource, f.Cluster)
	}
	last := samples[len(samples)-1].At
	p := &plot{from: samples[0].At, to: last.Add(max(time.Hour, f.Span))}
	if f.DaysLeft != nil {
		p.to = last.Add(time.Duration(*f.DaysLeft * 24 * float64(time.Hour) * beyond))
	}
	if most := last.Add(longestPlot); p.to.After(most) {
		p.to = most
	}
	if !p.to.After(last) {
		p.to = last.Add(max(time.Hour, f.Span/10))
	}
	p.top = max(1, f.Allocatable)
	for i := range samples {
		p.top = max(p.top, amount(&samples[i].Allocated, f.Resource))
	}
	p.top *= beyond
	p.draw(samples, &f, last)
	_, err := io.WriteString(w, p.b.String())
	return err
}

func (p *plot) draw(samples []Sample, f *Forecast, last time.Time) {
	fmt.Fprintf(&p.b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" font-family="sans-serif" font-size="12">`+"\n", plotWidth, plotHeight)
	fmt.Fprintf(&p.b, `<rect width="%.0f" height="%.0f" fill="white"/>`+"\n", plotWidth, plotHeight)
	title := fmt.Sprintf("%s: %s, %s of %s allocated", f.Cluster, f.Resource, Format(f.Allocated, f.Resource), Format(f.Allocatable, f.Resource))
	switch {
	case f.DaysLeft != nil:
		title += fmt.Sprintf(", full in %.0f days", *f.DaysLeft)
	case f.Known:
		title += ", will not fill up"
	}
	p.text(plotLeft, 24, "start", title)
	for i := range 5 {
		v := p.top / beyond * float64(i) / 4
		fmt.Fprintf(&p.b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#ddd"/>`+"\n", plotLeft, p.y(v), plotWidth-plotRight, p.y(v))
		p.text(plotLeft-6, p.y(v)+4, "end", Format(v, f.Resource))
	}
	for i := range 5 {
		at := p.from.Add(p.to.Sub(p.from) / 4 * time.Duration(i))
		p.text(p.x(at), plotHeight-16, "middle", at.UTC().Format("2006-01-02"))
	}
	p.line("#c00", "4 3", p.from, f.Allocatable, p.to, f.Allocatable)
	if f.Known {
		slope, atLast := line(samples, f.Resource, last)
		end := p.to
		value := atLast + slope*end.Sub(last).Hours()/24
		if value < 0 { // it ends where nothing is left
			end = last.Add(time.Duration(atLast / -slope * 24 * float64(time.Hour)))
			value = 0
		}
		p.line("#888", "2 2", last, max(0, atLast), end, min(p.top, value))
	}
	var points []string
	for i := range samples {
		points = append(points, fmt.Sprintf("%.1f,%.1f", p.x(samples[i].At), p.y(amount(&samples[i].Allocated, f.Resource))))
	}
	fmt.Fprintf(&p.b, `<polyline fill="none" stroke="#06c" stroke-width="2" points="%s"/>`+"\n</svg>\n", strings.Join(points, " "))
}

func (p *plot) line(color, dash string, x1 time.Time, y1 float64, x2 time.Time, y2 float64) {
	fmt.Fprintf(&p.b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-dasharray="%s"/>`+"\n", p.x(x1), p.y(y1), p.x(x2), p.y(y2), color, dash)
}

func (p *plot) text(x, y float64, anchor, text string) {
	var escaped strings.Builder
	_ = xml.EscapeText(&escaped, []byte(text)) // a strings.Builder takes all
	fmt.Fprintf(&p.b, `<text x="%.1f" y="%.1f" text-anchor="%s">%s</text>`+"\n", x, y, anchor, escaped.String())
}
