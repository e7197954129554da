// Package httpd is the HTTP/1.1 target: it answers "ok" to everything, and on
// request a body of a given size, a given status, after a given time, or with
// the connection closed afterwards:
//
//	/?size=1048576          a body of that many bytes, streamed
//	/?delay=50ms            the answer waits; other connections don't
//	/?status=503            that status
//	/close or /?close=1     the connection is closed after the response
//
// Parameters combine. Request bodies of up to MaxRequestBody are read and
// dropped. Without TLS the handler runs on the event loops of the server it
// is built on, and an idle connection holds no buffer. With TLS each
// connection has a goroutine of its own: good for testing HTTPS clients, not
// for a million connections.
package httpd

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"

	"upsurge/targets"
	"upsurge/targets/internal/server"
)

// Config says how an HTTP server listens. The zero value works.
type Config struct {
	Binding targets.Binding
	// Certificate turns on TLS.
	Certificate *tls.Certificate
}

// Validate returns every fault of the configuration, joined.
func (c Config) Validate() error {
	_, err := c.Binding.Normalized()
	return err
}

// transport is what serves the requests: event loops, or goroutines for TLS.
type transport interface {
	Addrs() []net.Addr
	Run(context.Context) error
	Stats() targets.Stats
	Close() error
}

var _ transport = (*server.Server)(nil)

// Server is a bound HTTP server. Its methods may be called from any goroutine.
type Server struct{ transport transport }

// New validates the configuration and binds the addresses.
func New(config Config) (*Server, error) {
	binding, err := config.Binding.Normalized()
	if err != nil {
		return nil, fmt.Errorf("http target: %w", err)
	}
	var t transport
	if config.Certificate != nil {
		t, err = newTLSServer(binding, config.Certificate)
	} else {
		t, err = server.New(binding, func(counters *targets.Counters) server.Handler {
			return newHandler(counters)
		})
	}
	if err != nil {
		return nil, fmt.Errorf("http target: %w", err)
	}
	return &Server{transport: t}, nil
}

// Addr returns the first bound address.
func (s *Server) Addr() net.Addr { return s.transport.Addrs()[0] }

// Addrs returns all bound addresses.
func (s *Server) Addrs() []net.Addr { return s.transport.Addrs() }

// Run serves until the context ends and returns nil when all is closed. It
// can be called once.
func (s *Server) Run(ctx context.Context) error { return s.transport.Run(ctx) }

// Stats returns the counts so far. Requests counts requests read in full,
// MessagesSent the responses handed to the kernel in full: as long as nothing
// fails, both equal the responses that clients have received.
func (s *Server) Stats() targets.Stats { return s.transport.Stats() }

// Close releases the addresses of a server that was never run.
func (s *Server) Close() error { return s.transport.Close() }
