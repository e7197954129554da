// Package echo is the target that sends back what it gets. What it keeps for
// a connection is bounded by one read: as long as a peer doesn't read its
// echo, nothing more is read from it, and its sending stalls.
//
// Its handler runs on the loops of the server it is built on.
package echo

import (
	"context"
	"fmt"
	"net"

	"upsurge/targets"
	"upsurge/targets/internal/server"
)

// Config says where an echo server listens. The zero value works.
type Config struct {
	Binding targets.Binding
}

// Validate returns every fault of the configuration, joined.
func (c Config) Validate() error {
	_, err := c.Binding.Normalized()
	return err
}

// Server is a bound echo server. Its methods may be called from any goroutine.
type Server struct{ server *server.Server }

// New validates the configuration and binds the addresses.
func New(config Config) (*Server, error) {
	binding, err := config.Binding.Normalized()
	if err != nil {
		return nil, fmt.Errorf("echo target: %w", err)
	}
	s, err := server.New(binding, func(counters *targets.Counters) server.Handler {
		return &handler{counters: counters}
	})
	if err != nil {
		return nil, fmt.Errorf("echo target: %w", err)
	}
	return &Server{server: s}, nil
}

// Addr returns the first bound address.
func (s *Server) Addr() net.Addr { return s.server.Addrs()[0] }

// Addrs returns all bound addresses.
func (s *Server) Addrs() []net.Addr { return s.server.Addrs() }

// Run serves until the context ends and returns nil when all is closed. It
// can be called once.
func (s *Server) Run(ctx context.Context) error { return s.server.Run(ctx) }

// Stats returns the counts so far. A message is what one read brought: a
// client's writes may arrive together or in pieces, so that only the bytes of
// both sides agree exactly, unless the client waits for each echo.
func (s *Server) Stats() targets.Stats { return s.server.Stats() }

// Close releases the addresses of a server that was never run.
func (s *Server) Close() error { return s.server.Close() }

// handler is one loop's share of the server. Loop goroutine only.
type handler struct{ counters *targets.Counters }

var _ server.Handler = (*handler)(nil)

func (h *handler) OnOpen(*server.Conn) {}

func (h *handler) OnData(c *server.Conn, data []byte) {
	h.counters.MessagesReceived++
	n, err := c.TryWrite(data)
	switch {
	case err != nil: // counted; the connection is being closed
	case n == len(data):
		h.counters.MessagesSent++
	default:
		c.Queue(data[n:])
		c.PauseRead()
	}
}

// OnWritable is called when the rest of an echo went out.
func (h *handler) OnWritable(c *server.Conn) {
	h.counters.MessagesSent++
	c.ResumeRead()
}

func (h *handler) OnTimer(*server.Conn) {}

func (h *handler) OnClose(*server.Conn) {}
