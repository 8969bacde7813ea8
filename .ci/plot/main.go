// Command plot draws the time of a decision against the size of the fleet, from
// the output of go test -bench on standard input, as SVG on standard output:
//
//	go test ./placement -run '^$' -bench Reference -cpu 1 | go run ./.ci/plot > docs/placement-speed.svg
//
// Lines of other schedulers are taken from the input too: any benchmark named
// .../clusters=N/WHO or .../clusters=N gives a point.
package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
)

type point struct {
	clusters, nanos float64
}

var line = regexp.MustCompile(`^Benchmark\w+/clusters=(\d+)(?:/(\w+))?(?:-\d+)?\s+\d+\s+([\d.]+) ns/op`)

func main() {
	series, err := read(os.Stdin)
	if err == nil && len(series) == 0 {
		err = fmt.Errorf("no line of the input is a benchmark over clusters")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
	draw(os.Stdout, series)
}

func read(r io.Reader) (map[string][]point, error) {
	series := map[string][]point{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		m := line.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		clusters, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return nil, fmt.Errorf("clusters of %q: %w", lines.Text(), err)
		}
		nanos, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			return nil, fmt.Errorf("time of %q: %w", lines.Text(), err)
		}
		who := m[2]
		if who == "" {
			who = "tmc"
		}
		series[who] = append(series[who], point{clusters, nanos})
	}
	return series, lines.Err()
}

// The drawing area, and the powers of ten that it spans.
const (
	left, right, top, bottom = 90.0, 560.0, 30.0, 330.0
	fromX, toX               = 2, 6
	fromY, toY               = 3, 9
)

func x(clusters float64) float64 {
	return left + (math.Log10(clusters)-fromX)/(toX-fromX)*(right-left)
}

func y(nanos float64) float64 {
	return bottom - (math.Log10(nanos)-fromY)/(toY-fromY)*(bottom-top)
}

func draw(w io.Writer, series map[string][]point) {
	fmt.Fprintln(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 390" font-family="sans-serif" font-size="13">`)
	fmt.Fprintln(w, `<rect width="680" height="390" fill="white"/>`)
	for p := fromX; p <= toX; p++ {
		at := x(math.Pow10(p))
		fmt.Fprintf(w, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>\n", at, top, at, bottom)
		fmt.Fprintf(w, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%.0f</text>\n", at, bottom+20, math.Pow10(p))
	}
	for p, name := range []string{"1 µs", "10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s"} {
		at := y(math.Pow10(fromY + p))
		fmt.Fprintf(w, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>\n", left, at, right, at)
		fmt.Fprintf(w, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", left-8, at+4, name)
	}
	fmt.Fprintf(w, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">clusters</text>\n", (left+right)/2, bottom+42)
	fmt.Fprintf(w, "<text x=\"%.1f\" y=\"18\">time of one decision, reference scenario</text>\n", left)
	colours := []string{"#c0392b", "#1f6fb2", "#2e8b57", "#8e44ad"}
	names := make([]string, 0, len(series))
	for name := range series {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		points := series[name]
		slices.SortFunc(points, func(a, b point) int { return int(a.clusters - b.clusters) })
		path := ""
		for j, p := range points {
			verb := "L"
			if j == 0 {
				verb = "M"
			}
			path += fmt.Sprintf("%s%.1f %.1f ", verb, x(p.clusters), y(p.nanos))
			fmt.Fprintf(w, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", x(p.clusters), y(p.nanos), colours[i%len(colours)])
		}
		last := points[len(points)-1]
		fmt.Fprintf(w, "<path d=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\"/>\n", path, colours[i%len(colours)])
		fmt.Fprintf(w, "<text x=\"%.1f\" y=\"%.1f\" fill=\"%s\">%s</text>\n", x(last.clusters)+8, y(last.nanos)+4, colours[i%len(colours)], name)
	}
	fmt.Fprintln(w, "</svg>")
}
