// Package admin serves a target's own view of itself over HTTP: its counts as
// JSON at /stats, and /healthz. It runs on goroutines of package net/http,
// which Run waits for; the target's loops never see it.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"upsurge/targets"
)

const (
	unixPrefix    = "unix:"
	headerTimeout = 5 * time.Second
	idleTimeout   = 2 * time.Minute
	closeTimeout  = 2 * time.Second
	maxHeader     = 16 << 10
	maxStatsSize  = 64 << 10
)

// Source returns the counts to be served. It is called from any goroutine.
type Source func(context.Context) (targets.Stats, error)

// Server is a bound admin listener.
type Server struct {
	listener net.Listener
	http     *http.Server
}

// New binds the address: host:port, a bare port or ":port", which both mean
// loopback (name another host, such as 0.0.0.0, to be seen from outside), or
// "unix:" and the path of a socket.
func New(address string, source Source, log *slog.Logger) (*Server, error) {
	network, address, err := resolve(address)
	if err != nil {
		return nil, err
	}
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	listener, err := config.Listen(context.Background(), network, address)
	if err != nil {
		return nil, fmt.Errorf("admin listener: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "ok\n") // a client that left needs no answer
	})
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, r *http.Request) {
		serveStats(w, r, source)
	})
	return &Server{
		listener: listener,
		http: &http.Server{
			Handler: mux, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
			MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		},
	}, nil
}

func resolve(address string) (network, resolved string, err error) {
	if path, isUnix := strings.CutPrefix(address, unixPrefix); isUnix {
		return "unix", path, nil
	}
	if !strings.Contains(address, ":") {
		address = ":" + address
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", "", fmt.Errorf("admin address %q: %w (want host:port)", address, err)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return "tcp", net.JoinHostPort(host, port), nil
}

func serveStats(w http.ResponseWriter, r *http.Request, source Source) {
	stats, err := source(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(stats) // a client that left needs no answer
}

// Addr returns the bound address.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Run serves until the context ends.
func (s *Server) Run(ctx context.Context) error {
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		patience, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		if err := s.http.Shutdown(patience); err != nil {
			err = s.http.Close()
			stopped <- err
			return
		}
		stopped <- nil
	})
	err := s.http.Serve(s.listener)
	if stop() { // not ended by the context
		return fmt.Errorf("admin listener: %w", err)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return errors.Join(err, <-stopped)
	}
	return <-stopped
}

// Close releases the address of a server that was never run.
func (s *Server) Close() error { return s.listener.Close() }

// Fetch asks the admin listener at a unix socket for its stats.
func Fetch(ctx context.Context, socketPath string) (targets.Stats, error) {
	var stats targets.Stats
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, "unix", socketPath)
		},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://target/stats", nil)
	if err != nil {
		return stats, err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return stats, fmt.Errorf("asking %s for stats: %w", socketPath, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return stats, fmt.Errorf("asking %s for stats: status %s", socketPath, response.Status)
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxStatsSize)).Decode(&stats); err != nil {
		return stats, fmt.Errorf("stats of %s: %w", socketPath, err)
	}
	return stats, nil
}
