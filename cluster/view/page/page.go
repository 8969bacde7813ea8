// Package page shows a fleet to people: clusters and their headroom, placements,
// and what is unhealthy and why. It is one HTML document without a framework,
// which updates itself while it is looked at.
//
// # Usage
//
//	p := page.New(fleet, v)
//	http.Handle("/fleet", p)
//	http.Handle("/fleet/events", p.Events())
//
// # Details
//
// The document is rendered at most once a second, however many look at it. In a
// browser with scripts, what changed is sent as a server-sent event; in one
// without, the document loads itself again every ten seconds. All text that
// comes from tenants or clusters is escaped, and the Content-Security-Policy
// lets nothing run but the one line that listens.
//
// # Considerations
//
// It shows the names of all tenants' workspaces and objects: serve it to the
// platform team alone, behind the authorization of your server.
package page

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/view"
)

// Fleet is what the page asks of the physical side. *cluster.Fleet is one.
type Fleet interface {
	// Snapshot returns the clusters as they are known now.
	Snapshot() *cluster.Snapshot
}

// Workspaces is what the page asks of the logical side. *view.View is one.
type Workspaces interface {
	// Fleet returns counts over everything.
	Fleet() view.Fleet
	// Tenants returns a summary of each workspace.
	Tenants() []view.Tenant
	// Objects returns the objects of a workspace.
	Objects(name string) []view.Object
}

// Page serves the document.
type Page struct {
	fleet      Fleet
	workspaces Workspaces
	every      time.Duration
	now        func() time.Time

	mu       sync.Mutex
	rendered time.Time
	body     []byte
}

var _ http.Handler = (*Page)(nil)

// New returns a page of a fleet and of the workspaces whose work it runs.
func New(fleet Fleet, workspaces Workspaces) *Page {
	return &Page{fleet: fleet, workspaces: workspaces, every: time.Second, now: time.Now}
}

//go:embed page.html
var source string

// script listens for what changed. The policy names its hash.
const script = `new EventSource("fleet/events").onmessage=e=>{document.querySelector("main").innerHTML=e.data}`

var (
	templates = template.Must(template.New("page").Funcs(template.FuncMap{"since": since, "cores": cores, "bytes": gibibytes, "free": free}).Parse(source))
	policy    = func() string {
		sum := sha256.Sum256([]byte(script))
		return "default-src 'none'; style-src 'unsafe-inline'; connect-src 'self'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
	}()
)

// ServeHTTP serves the document.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "the page is only to be read", http.StatusMethodNotAllowed)
		return
	}
	main, err := p.main()
	if err != nil {
		http.Error(w, "the page can't be rendered: "+err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	// Both are ours: main was escaped when it was rendered.
	_ = templates.ExecuteTemplate(w, "document", map[string]any{"Main": template.HTML(main), "Script": template.JS(script)}) //nolint:gosec // see above
}

// Events serves the changes of the document as server-sent events, until the
// request's context ends.
func (p *Page) Events() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-store")
		out := http.NewResponseController(w)
		tick := time.NewTicker(p.every)
		defer tick.Stop()
		var sent []byte
		for {
			main, err := p.main()
			if err != nil {
				return
			}
			text := ": all is as it was\n\n" // keeps proxies from closing
			if !bytes.Equal(main, sent) {
				text, sent = "data: "+strings.ReplaceAll(string(main), "\n", "\ndata: ")+"\n\n", main
			}
			if _, err := w.Write([]byte(text)); err != nil {
				return
			}
			if out.Flush() != nil {
				return
			}
			select {
			case <-r.Context().Done():
				return
			case <-tick.C:
			}
		}
	})
}

// main returns what changes of the document.
func (p *Page) main() ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := p.now(); p.body == nil || now.Sub(p.rendered) >= p.every {
		var b bytes.Buffer
		if err := templates.ExecuteTemplate(&b, "main", p.gather(now)); err != nil {
			return nil, err
		}
		p.body, p.rendered = b.Bytes(), now
	}
	return p.body, nil
}
