// Package push is the target that holds connections: it accepts them, sends
// each a message every interval, and drops whatever clients send. It stands in
// for the classic handler of a greenlet server, "sleep, send, again".
//
// Its handler runs on the loops of the server it is built on.
package push

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"upsurge/targets"
	"upsurge/targets/internal/server"
)

const (
	// DefaultInterval and DefaultMessage are what the classic server does.
	DefaultInterval = 550 * time.Second
	DefaultMessage  = "ok"

	minInterval    = time.Millisecond
	maxInterval    = 24 * time.Hour
	maxMessageSize = 1 << 20
)

// Config says what a push server sends. The zero value works.
type Config struct {
	Binding targets.Binding
	// Interval lies between two messages to one connection. It counts from
	// the connection's accept, so that a crowd that arrives over a minute is
	// served over a minute. 1 ms to 24 h; 0: DefaultInterval.
	Interval time.Duration
	// Message is sent as it is, nothing appended; at most 1 MiB. Empty:
	// DefaultMessage.
	Message string
	// Immediate sends the first message on accept instead of one interval
	// later.
	Immediate bool
}

// Validate returns every fault of the configuration, joined.
func (c Config) Validate() error {
	_, err := c.normalized()
	return err
}

func (c Config) normalized() (Config, error) {
	var faults []error
	binding, err := c.Binding.Normalized()
	faults = append(faults, err)
	c.Binding = binding
	if c.Interval == 0 {
		c.Interval = DefaultInterval
	}
	if c.Interval < minInterval || c.Interval > maxInterval {
		faults = append(faults, fmt.Errorf("interval %v: must be %v to %v", c.Interval, minInterval, maxInterval))
	}
	if c.Message == "" {
		c.Message = DefaultMessage
	}
	if len(c.Message) > maxMessageSize {
		faults = append(faults, fmt.Errorf("message of %d bytes: at most %d are possible", len(c.Message), maxMessageSize))
	}
	return c, errors.Join(faults...)
}

// Server is a bound push server. Its methods may be called from any goroutine.
type Server struct{ server *server.Server }

// New validates the configuration and binds the addresses.
func New(config Config) (*Server, error) {
	config, err := config.normalized()
	if err != nil {
		return nil, fmt.Errorf("push target: %w", err)
	}
	message := []byte(config.Message)
	s, err := server.New(config.Binding, func(counters *targets.Counters) server.Handler {
		return &handler{
			counters: counters, message: message,
			interval: config.Interval, immediate: config.Immediate,
		}
	})
	if err != nil {
		return nil, fmt.Errorf("push target: %w", err)
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

// Stats returns the counts so far.
func (s *Server) Stats() targets.Stats { return s.server.Stats() }

// Close releases the addresses of a server that was never run.
func (s *Server) Close() error { return s.server.Close() }

// handler is one loop's share of the server. Loop goroutine only.
type handler struct {
	counters  *targets.Counters
	message   []byte
	interval  time.Duration
	immediate bool
}

var _ server.Handler = (*handler)(nil)

func (h *handler) OnOpen(c *server.Conn) {
	c.SetTimer(h.interval)
	if h.immediate {
		h.send(c)
	}
}

func (h *handler) OnTimer(c *server.Conn) {
	c.RearmTimer(h.interval)
	h.send(c)
}

// send skips a connection that still has the previous message in the
// kernel's full buffer. Only the rest of a message that was begun is kept: at
// most one message for each connection.
func (h *handler) send(c *server.Conn) {
	n, err := c.TryWrite(h.message)
	switch {
	case err != nil: // counted; the connection is being closed
	case n == len(h.message):
		h.counters.MessagesSent++
	case n == 0:
		h.counters.SlowSkipped++
	default:
		c.Queue(h.message[n:])
	}
}

// OnWritable is called when the rest of a message went out.
func (h *handler) OnWritable(*server.Conn) { h.counters.MessagesSent++ }

func (h *handler) OnData(*server.Conn, []byte) {}

func (h *handler) OnClose(*server.Conn) {}
