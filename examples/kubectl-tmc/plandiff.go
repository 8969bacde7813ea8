package main

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	syncer "github.com/tmc-sdk/tmc/sync"
	"github.com/tmc-sdk/tmc/sync/plan"
)

// controllerFlags lead to the controller's own server.
type controllerFlags struct {
	url, token, ca string
	insecure       bool
}

func (f *controllerFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.url, "controller", os.Getenv("TMC_CONTROLLER"), "URL of the controller's serving.address, as https://localhost:8443; default: $TMC_CONTROLLER")
	cmd.Flags().StringVar(&f.token, "controller-token-file", os.Getenv("TMC_CONTROLLER_TOKEN_FILE"), "file with a bearer token for it, of an account that tmc-operator is bound to; default: $TMC_CONTROLLER_TOKEN_FILE")
	cmd.Flags().StringVar(&f.ca, "controller-ca", "", "file with the certificates that its own is checked by; default: those of the system")
	cmd.Flags().BoolVar(&f.insecure, "controller-insecure-skip-tls-verify", false, "do not check its certificate: where it makes one at each start, and is reached by a tunnel")
}

// client returns a client of the controller, and the URL of its plans.
func (f *controllerFlags) client() (*http.Client, string, error) {
	u, err := url.Parse(f.url)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, "", fmt.Errorf("--controller %q: want a URL, as https://localhost:8443", f.url)
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme == "http" && f.token != "" && u.Hostname() != "localhost" && !ip.IsLoopback() {
		return nil, "", fmt.Errorf("--controller %s: a token is sent over https alone", f.url)
	}
	cfg := &rest.Config{Host: u.Host, BearerTokenFile: f.token, Timeout: time.Minute}
	cfg.CAFile, cfg.Insecure = f.ca, f.insecure
	if f.token != "" { // as a file that is missing would be left out
		if _, err := os.Stat(f.token); err != nil {
			return nil, "", fmt.Errorf("--controller-token-file: %w", err)
		}
	}
	c, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return nil, "", err
	}
	return c, u.JoinPath("plan").String(), nil
}

// mostFields of a copy that is created are shown; all of them with -o wide.
const mostFields = 5

func answerResult(a *plan.Answer, wide bool) *result {
	r := &result{object: a, columns: []string{"WORKSPACE", "NAMESPACE", "PLACEMENT", "BEFORE", "AFTER", "REASON", "+MESSAGE"}}
	changed := 0
	for _, d := range a.Decisions {
		if !d.Changed && d.Reason == v1alpha1.ReasonPlaced {
			continue
		}
		if d.Changed {
			changed++
			r.names = append(r.names, "placement."+v1alpha1.Group+"/"+d.Name)
		}
		r.rows = append(r.rows, []string{d.Workspace, d.Namespace, d.Name, targetsText(d.Before), targetsText(d.After), d.Reason, d.Message})
	}
	count := map[syncer.Action]int{}
	for i := range a.Changes {
		c := &a.Changes[i]
		count[c.Action]++
		r.names = append(r.names, originalName(c.Original))
		r.diff = append(r.diff, changeLines(c, wide)...)
	}
	for _, refused := range a.Refused {
		r.names = append(r.names, originalName(refused.Original))
		r.diff = append(r.diff, fmt.Sprintf("refused %s on %s: %s: %s", originalText(refused.Original), refused.Cluster, refused.Reason, refused.Message))
	}
	if len(r.rows) > 0 && len(r.diff) > 0 {
		r.diff = append([]string{""}, r.diff...)
	}
	r.notes = append(r.notes, fmt.Sprintf("%d copies would be created, %d configured, %d deleted, %d refused; %d decisions would change.",
		count[syncer.ActionCreated], count[syncer.ActionConfigured], count[syncer.ActionDeleted], len(a.Refused), changed))
	if a.Unknown > 0 {
		r.notes = append(r.notes, fmt.Sprintf("%d copies of workspaces that can't be seen would stay as they are.", a.Unknown))
	}
	return r
}

func changeLines(c *plan.Change, wide bool) []string {
	line := fmt.Sprintf("%s %s on %s as %s (%s)", c.Action, originalText(c.Original), c.Cluster, c.Copy, c.Cause)
	if c.Waits != "" {
		line += ", waits: " + c.Waits
	}
	lines := []string{line}
	fields := c.Fields
	short := c.Action == syncer.ActionCreated && !wide && len(fields) > mostFields+1
	if short { // what says the least goes last
		fields = slices.Clone(fields)
		slices.SortStableFunc(fields, func(a, b plan.Field) int { return cmp.Compare(saysLittle(a.Path), saysLittle(b.Path)) })
	}
	for i, f := range fields {
		if short && i == mostFields {
			return append(lines, fmt.Sprintf("  + and %d more fields, which -o wide shows", len(fields)-i))
		}
		lines = append(lines, "  "+f.String())
	}
	return lines
}

// saysLittle is 1 for fields that every copy has.
func saysLittle(path string) int {
	if path == "apiVersion" || path == "kind" || strings.HasPrefix(path, "metadata.") {
		return 1
	}
	return 0
}

func originalText(o plan.Original) string {
	return fmt.Sprintf("%s %s in %s", o.Kind, strings.TrimPrefix(o.Namespace+"/"+o.Name, "/"), o.Workspace)
}

// originalName writes an original as kubectl does.
func originalName(o plan.Original) string {
	kind := strings.ToLower(o.Kind)
	if o.Group != "" {
		kind += "." + o.Group
	}
	return kind + "/" + o.Name
}
