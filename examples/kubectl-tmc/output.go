package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"golang.org/x/term"
	"sigs.k8s.io/yaml"
)

// result is what a command found, in all the forms it can be printed in.
type result struct {
	// object for json and yaml.
	object any
	// names for name, as "kind.group/name".
	names []string
	// columns of the table, and its rows. A column that begins with a + is for
	// wide alone.
	columns []string
	rows    [][]string
	// diff below the table: lines that begin with +, - or ~, after blanks, are shown
	// in colours.
	diff []string
	// notes below the table.
	notes []string
}

// print writes a result in the format that was asked for.
func (s *session) print(r *result) error {
	switch s.format {
	case "", "wide":
		s.table(r)
		return nil
	case "json":
		e := json.NewEncoder(s.out)
		e.SetIndent("", "    ")
		return e.Encode(r.object)
	case "yaml":
		data, err := yaml.Marshal(r.object)
		if err != nil {
			return err
		}
		_, err = s.out.Write(data)
		return err
	case "name":
		for _, name := range r.names {
			if _, err := fmt.Fprintln(s.out, name); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("--output %q: want wide, json, yaml or name", s.format)
}

func (s *session) table(r *result) {
	if len(r.rows) > 0 {
		w := tabwriter.NewWriter(s.out, 0, 0, 3, ' ', tabwriter.StripEscape)
		show := make([]bool, len(r.columns))
		var heads []string
		for i, name := range r.columns {
			wide := strings.HasPrefix(name, "+")
			if show[i] = !wide || s.format == "wide"; show[i] {
				heads = append(heads, strings.TrimPrefix(name, "+"))
			}
		}
		if !s.noHeaders {
			_, _ = fmt.Fprintln(w, strings.Join(heads, "\t"))
		}
		for _, row := range r.rows {
			var cells []string
			for i, cell := range row {
				if show[i] {
					cells = append(cells, s.paint(orDash(cell)))
				}
			}
			_, _ = fmt.Fprintln(w, strings.Join(cells, "\t"))
		}
		_ = w.Flush()
	}
	for _, line := range r.diff {
		_, _ = fmt.Fprintln(s.out, s.paintLine(line))
	}
	for _, note := range r.notes {
		_, _ = fmt.Fprintln(s.out, note)
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// Colours of words that say how something is. Each is as wide as none, so that
// columns stay aligned.
var colours = map[string]string{
	"True": green, "False": red, "Unknown": yellow,
	"Ready": green, "NotReady": red, "Cordoned": yellow, "Draining": yellow,
	"Healthy": green, "Degraded": red, "Progressing": yellow, "Missing": red, "Unreachable": red,
	"ok": green, "warning": yellow, "failed": red, "yes": green,
}

const (
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	reset  = "\x1b[0m"
)

// printable takes control characters out of text: what is from a tenant may hold
// anything.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
}

// paintLine colours a line of a diff, where colours are shown.
func (s *session) paintLine(line string) string {
	line = printable(line)
	if !s.coloured() {
		return line
	}
	for sign, colour := range map[string]string{"+": green, "-": red, "~": yellow} {
		if strings.HasPrefix(strings.TrimLeft(line, " "), sign+" ") {
			return colour + line + reset
		}
	}
	return line
}

// paint colours a cell, where colours are shown.
func (s *session) paint(cell string) string {
	cell = printable(cell)
	colour, ok := colours[cell]
	if !ok || !s.coloured() {
		return cell
	}
	// tabwriter does not count what stands between escapes.
	return "\xff" + colour + "\xff" + cell + "\xff" + reset + "\xff"
}

func (s *session) coloured() bool {
	switch s.colour {
	case "always":
		return true
	case "never":
		return false
	}
	_, no := os.LookupEnv("NO_COLOR")
	return !no && isTerminal(s.out)
}

// isTerminal says whether a stream is a person's.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// progress tells of long work, on standard error so that results stay clean.
func (s *session) progress(format string, args ...any) {
	_, _ = fmt.Fprintf(s.errOut, format+"\n", args...)
}
