// Command plot draws a metric of benchmarks against a number in their names, from the
// output of go test -bench on standard input, as SVG on standard output. Both axes are
// logarithmic:
//
//	go test ./placement -run '^$' -bench Reference -cpu 1 | go run ./.ci/plot > docs/placement-speed.svg
//	go test ./sync -run '^$' -bench Memory -benchtime 1x | go run ./.ci/plot -x objects -unit B/object/target
//
// Of a benchmark named .../x=N/WHO or .../WHO/x=N, WHO is the line that the point
// belongs to; -name is that of one without.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

type point struct{ x, y float64 }

// plot is what to draw.
type plot struct {
	x, unit, title, name string

	series map[string][]point
	// Powers of ten that the axes span.
	fromX, toX, fromY, toY float64
}

func main() {
	p := plot{series: map[string][]point{}}
	flag.StringVar(&p.x, "x", "clusters", "the number in the names of benchmarks that is the abscissa")
	flag.StringVar(&p.unit, "unit", "ns/op", "the metric")
	flag.StringVar(&p.title, "title", "time of one decision, reference scenario", "what is over the plot")
	flag.StringVar(&p.name, "name", "tmc", "the name of a line that has none")
	flag.Parse()
	if err := p.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
	p.draw(os.Stdout)
}

var cpus = regexp.MustCompile(`-\d+$`)

func (p *plot) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		var x float64
		var who []string
		for _, part := range strings.Split(cpus.ReplaceAllString(fields[0], ""), "/")[1:] {
			number, ok := strings.CutPrefix(part, p.x+"=")
			if !ok {
				who = append(who, part)
				continue
			}
			var err error
			if x, err = strconv.ParseFloat(number, 64); err != nil {
				return fmt.Errorf("%s of %q: %w", p.x, lines.Text(), err)
			}
		}
		i := slices.Index(fields, p.unit)
		if x <= 0 || i < 3 {
			continue
		}
		y, err := strconv.ParseFloat(fields[i-1], 64)
		if err != nil || y <= 0 {
			return fmt.Errorf("%s of %q is no positive number", p.unit, lines.Text())
		}
		name := strings.Join(who, ", ")
		if name == "" {
			name = p.name
		}
		p.series[name] = append(p.series[name], point{x, y})
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return p.span()
}

// span finds what the axes have to show.
func (p *plot) span() error {
	if len(p.series) == 0 {
		return fmt.Errorf("no line of the input is a benchmark over %s with %s", p.x, p.unit)
	}
	var xs, ys []float64
	for _, points := range p.series {
		for _, at := range points {
			xs, ys = append(xs, math.Log10(at.x)), append(ys, math.Log10(at.y))
		}
	}
	p.fromX, p.toX = math.Floor(slices.Min(xs)), math.Ceil(slices.Max(xs))
	p.fromY, p.toY = math.Floor(slices.Min(ys)), math.Ceil(slices.Max(ys))
	if p.fromX == p.toX || p.fromY == p.toY {
		return errors.New("the points are too near to each other for axes of powers of ten")
	}
	return nil
}

// The drawing area.
const left, right, top, bottom = 90.0, 560.0, 30.0, 330.0

func (p *plot) atX(v float64) float64 {
	return left + (math.Log10(v)-p.fromX)/(p.toX-p.fromX)*(right-left)
}

func (p *plot) atY(v float64) float64 {
	return bottom - (math.Log10(v)-p.fromY)/(p.toY-p.fromY)*(bottom-top)
}

// label is what stands beside a power of ten.
func (p *plot) label(v float64) string {
	if p.unit != "ns/op" {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	text := time.Duration(v).String()
	for _, unit := range []string{"ns", "µs", "ms", "s"} {
		if number, ok := strings.CutSuffix(text, unit); ok {
			return number + " " + unit
		}
	}
	return text
}

func (p *plot) draw(w io.Writer) {
	fmt.Fprintln(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 390" font-family="sans-serif" font-size="13">`)
	fmt.Fprintln(w, `<rect width="680" height="390" fill="white"/>`)
	for power := p.fromX; power <= p.toX; power++ {
		v := math.Pow(10, power)
		fmt.Fprintf(w, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>\n", p.atX(v), top, p.atX(v), bottom)
		fmt.Fprintf(w, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%.0f</text>\n", p.atX(v), bottom+20, v)
	}
	for power := p.fromY; power <= p.toY; power++ {
		v := math.Pow(10, power)
		fmt.Fprintf(w, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>\n", left, p.atY(v), right, p.atY(v))
		fmt.Fprintf(w, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", left-8, p.atY(v)+4, p.label(v))
	}
	fmt.Fprintf(w, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n", (left+right)/2, bottom+42, p.x)
	fmt.Fprintf(w, "<text x=\"%.1f\" y=\"18\">%s</text>\n", left, p.title)
	colours := []string{"#c0392b", "#1f6fb2", "#2e8b57", "#8e44ad"}
	names := make([]string, 0, len(p.series))
	for name := range p.series {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		p.drawLine(w, name, colours[i%len(colours)])
	}
	fmt.Fprintln(w, "</svg>")
}

func (p *plot) drawLine(w io.Writer, name, colour string) {
	points := p.series[name]
	slices.SortFunc(points, func(a, b point) int { return int(a.x - b.x) })
	var path strings.Builder
	for j, at := range points {
		verb := "L"
		if j == 0 {
			verb = "M"
		}
		fmt.Fprintf(&path, "%s%.1f %.1f ", verb, p.atX(at.x), p.atY(at.y))
		fmt.Fprintf(w, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", p.atX(at.x), p.atY(at.y), colour)
	}
	last := points[len(points)-1]
	fmt.Fprintf(w, "<path d=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\"/>\n", path.String(), colour)
	fmt.Fprintf(w, "<text x=\"%.1f\" y=\"%.1f\" fill=\"%s\">%s</text>\n", p.atX(last.x)+8, p.atY(last.y)+4, colour, name)
}
