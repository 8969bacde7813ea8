package envtest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"
)

// A relay stands between a Proxy and its server and ends the TLS of clients, so
// that requests can be told apart. To the server it is each client in turn.
type relay struct {
	ca       *ca
	roots    *x509.CertPool
	backend  string
	listener net.Listener
	server   *http.Server
	weather  weather

	mu    sync.Mutex
	peers map[string]*peer // by the subject of their certificates
}

// A peer is the way to the server as one client.
type peer struct {
	proxy    http.Handler
	upgrades http.Handler // what becomes another protocol has to begin as HTTP/1.1
	close    func()
}

const (
	// As many as an API server allows.
	relayStreams = 1000
	// A server that is frozen must not look well because the relay is: what
	// waits behind it breaks as late as client-go would have broken it.
	relayPing     = 30 * time.Second
	relayPatience = 15 * time.Second
)

// newRelay listens on a port of the loopback interface.
func newRelay(authority *ca, backend string) (*relay, error) {
	pair, err := authority.serving()
	if err != nil {
		return nil, err
	}
	serving, err := tls.X509KeyPair(pair.cert, pair.key)
	if err != nil {
		return nil, fmt.Errorf("read our own certificate: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the relay: %w", err)
	}
	r := &relay{ca: authority, backend: backend, listener: listener, roots: x509.NewCertPool(), peers: map[string]*peer{}}
	r.roots.AddCert(authority.cert)
	r.server = &http.Server{
		Handler:           r,
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0), // clients that break off are what this is for
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: relayStreams},
		TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{serving}, MinVersion: tls.VersionTLS12,
			NextProtos: []string{"h2", "http/1.1"},
			// Whether a certificate is good is looked at with each request, as an
			// API server does, which then answers rather than hanging up.
			ClientAuth: tls.RequestClientCert,
		},
	}
	go func() { _ = r.server.ServeTLS(listener, "", "") }()
	return r, nil
}

func (r *relay) addr() string { return r.listener.Addr().String() }

// close ends the relay and what passes through it.
func (r *relay) close() {
	_ = r.server.Close()
	r.forget()
}

// forget closes the connections to the server that wait for requests.
func (r *relay) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.peers {
		p.close()
	}
}

// ServeHTTP implements http.Handler.
func (r *relay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	p, err := r.peerOf(req)
	if err != nil {
		refuse(w, http.StatusUnauthorized, 0)
		return
	}
	server := p.proxy
	if req.Header.Get("Upgrade") != "" {
		server = p.upgrades
	}
	asked := readRequest(req)
	g := r.weather.meets(asked)
	if g == nil {
		server.ServeHTTP(w, req)
		return
	}
	g.Answer.do(&exchange{w: w, r: req, verb: asked.verb, server: server, over: g.over})
}

// peerOf returns the way to the server as the client that asks.
func (r *relay) peerOf(req *http.Request) (*peer, error) {
	subject := ""
	if len(req.TLS.PeerCertificates) > 0 {
		cert := req.TLS.PeerCertificates[0]
		_, err := cert.Verify(x509.VerifyOptions{Roots: r.roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
		switch {
		case err == nil:
			subject = string(cert.RawSubject)
		case req.Header.Get("Authorization") == "":
			return nil, errors.New("the certificate is not of the server's authority")
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.peers[subject]; p != nil {
		return p, nil
	}
	p, err := r.newPeer(subject)
	if err == nil {
		r.peers[subject] = p
	}
	return p, err
}

// newPeer makes the way to the server as somebody with a certificate of this
// subject, or without one.
func (r *relay) newPeer(subject string) (*peer, error) {
	config := &tls.Config{RootCAs: r.roots, MinVersion: tls.VersionTLS12}
	if subject != "" {
		pair, err := r.ca.clientOf([]byte(subject))
		if err != nil {
			return nil, err
		}
		cert, err := tls.X509KeyPair(pair.cert, pair.key)
		if err != nil {
			return nil, fmt.Errorf("read our own certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{cert}
	}
	both := &http.Transport{
		TLSClientConfig: config, ForceAttemptHTTP2: true, DisableCompression: true,
		HTTP2: &http.HTTP2Config{SendPingTimeout: relayPing, PingTimeout: relayPatience},
	}
	first := &http.Transport{TLSClientConfig: config.Clone(), DisableCompression: true, TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}
	return &peer{
		proxy: r.to(both), upgrades: r.to(first),
		close: func() { both.CloseIdleConnections(); first.CloseIdleConnections() },
	}, nil
}

// to forwards requests as they are. What the server does not answer breaks, as
// it would have without a relay.
func (r *relay) to(transport http.RoundTripper) http.Handler {
	return &httputil.ReverseProxy{
		Transport:     transport,
		FlushInterval: -1, // watches
		ErrorLog:      log.New(io.Discard, "", 0),
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL = &url.URL{
				Scheme: "https", Host: r.backend,
				Path: p.In.URL.Path, RawPath: p.In.URL.RawPath, RawQuery: p.In.URL.RawQuery,
			}
			p.Out.Host = p.In.Host
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
}
