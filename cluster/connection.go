package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/connrotation"
)

var (
	// ErrNotFound says that no cluster of that name is in the fleet.
	ErrNotFound = errors.New("no such cluster in the fleet")
	// ErrNotConnected says that the cluster is in the fleet, but that it has
	// not been connected to: it has not answered yet, or its identity could
	// not be read, or its registration is broken. The cluster's State says
	// which. A Change with Reconnected follows when there is a connection.
	ErrNotConnected = errors.New("cluster has not been connected to")
)

// Connection is what clients and caches of one physical cluster are built
// from. It stands for one set of credentials of one cluster: when the
// credentials change, the cluster behind the name turns out to be another one,
// or it leaves the fleet, Done is closed, open requests and watches of
// HTTPClient fail, and Fleet.Connection returns another connection or an
// error.
//
// A connection outlives outages: that a cluster is unreachable does not close
// it.
type Connection struct {
	// Name of the cluster in the fleet.
	Name string
	// UID is the identity of the cluster; never empty.
	UID types.UID
	// Config to build clients with. Copy it before you change it. It has no
	// client-side rate limit unless the registration had one: limiting is the
	// API server's priority and fairness.
	Config *rest.Config
	// HTTPClient to build clients with, so that they share one transport.
	HTTPClient *http.Client

	done chan struct{}
}

// Done is closed when the connection must no longer be used.
func (c *Connection) Done() <-chan struct{} { return c.done }

// link is one set of credentials for one endpoint.
type link struct {
	config *rest.Config
	client *http.Client
	base   *url.URL
	dialer *connrotation.Dialer
	// certificateExpiry of the client certificate; zero without one.
	certificateExpiry time.Time
}

// newLink prepares requests with the given config. Nothing is dialled.
func newLink(config *rest.Config) (*link, error) {
	if config == nil {
		return nil, errors.New("registration has no config")
	}
	cfg := rest.CopyConfig(config)
	if cfg.QPS == 0 && cfg.RateLimiter == nil {
		cfg.QPS = -1
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = "tmc-fleet"
	}
	l := &link{config: cfg, certificateExpiry: earliestExpiry(cfg.CertData)}
	if cfg.Transport == nil {
		// A dialer of its own keeps this link's transport apart from every
		// other's, so that its connections can be closed with it.
		dial := cfg.Dial
		if dial == nil {
			dial = (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext
		}
		l.dialer = connrotation.NewDialer(connrotation.DialFunc(dial))
		cfg.Dial = l.dialer.DialContext
	}
	base, _, err := rest.DefaultServerUrlFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("parse API server address: %w", err)
	}
	l.base = base
	if l.client, err = rest.HTTPClientFor(cfg); err != nil {
		return nil, fmt.Errorf("prepare transport: %w", err)
	}
	// No timeout for all: watches last. Each request that needs one has its own.
	l.client.Timeout = 0
	return l, nil
}

// hangUp closes the open connections; later requests dial again.
func (l *link) hangUp() {
	if l.dialer != nil {
		l.dialer.CloseAll()
	}
	l.client.CloseIdleConnections()
}

// get fetches a path below the API server's address. It may end in a query.
func (l *link) get(ctx context.Context, path string) (*http.Response, error) {
	path, query, _ := strings.Cut(path, "?")
	target := l.base.JoinPath(path)
	target.RawQuery = query
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("build request: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	return l.client.Do(req)
}
