package httpqps

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"time"

	"upsurge/tasks/internal/http1"
)

// Sizes of the read buffer, which must hold the header of an answer at once.
// Most fit the small one; a user that meets a larger header gets the large one
// for good.
const (
	smallReader = 4 << 10
	largeReader = http1.MaxHead
)

// longPast as a deadline ends every read and write at once.
var longPast = time.Unix(1, 0)

// handshakeError is that of a TLS handshake.
type handshakeError struct{ cause error }

func (e *handshakeError) Error() string { return "TLS handshake: " + e.cause.Error() }
func (e *handshakeError) Unwrap() error { return e.cause }

// connection is the one connection that a user owns, or the place for it. Only
// the user's goroutine may use it.
type connection struct {
	tcp    *net.TCPConn // nil: not connected
	stream net.Conn     // tcp, or TLS above it
	reader *bufio.Reader
	// pending goes to the reader before what the stream gives.
	pending []byte
	probe   probe
	// fault is the last error that the stream gave. It is kept because the
	// HTTP parser tells some errors of the transport as others. After one the
	// connection isn't used again.
	fault error
	// unwatch ends the watch that cuts the connection when the user is killed.
	unwatch func() bool
	// used is when the last answer had been read.
	used time.Duration
}

func (c *connection) isOpen() bool { return c.tcp != nil }

// dial connects within timeout, TLS included. When ctx is cancelled, now or
// while the connection lasts, its reads and writes fail at once.
func (c *connection) dial(ctx context.Context, address netip.AddrPort, timeout time.Duration, security *tls.Config) error {
	deadline := time.Now().Add(timeout)
	// No keep-alive probes: a request has its own limit, and a connection at
	// rest is looked at before it is used again.
	dialer := net.Dialer{Deadline: deadline, KeepAlive: -1}
	tcp, err := dialer.DialTCP(ctx, "tcp", netip.AddrPort{}, address)
	if err != nil {
		return err
	}
	c.tcp, c.stream, c.pending, c.fault = tcp, tcp, nil, nil
	c.probe.forget()
	c.unwatch = context.AfterFunc(ctx, func() { _ = tcp.SetDeadline(longPast) })
	if security != nil {
		if err := c.secure(ctx, security, deadline); err != nil {
			c.cut()
			return err
		}
	}
	if c.reader == nil {
		c.reader = bufio.NewReaderSize(c, smallReader)
	} else {
		c.reader.Reset(c)
	}
	return nil
}

func (c *connection) secure(ctx context.Context, security *tls.Config, deadline time.Time) error {
	if err := c.limit(ctx, deadline); err != nil {
		return err
	}
	secured := tls.Client(c.tcp, security)
	if err := secured.Handshake(); err != nil {
		return &handshakeError{cause: err}
	}
	c.stream = secured
	return nil
}

// limit sets the deadline of what follows. The order keeps a kill from being
// lost: one that comes after the look at ctx sets its deadline after ours.
func (c *connection) limit(ctx context.Context, deadline time.Time) error {
	if err := c.tcp.SetDeadline(deadline); err != nil {
		c.fault = err
		return err
	}
	return ctx.Err()
}

// Read implements io.Reader for the reader: it keeps the stream's error.
func (c *connection) Read(p []byte) (int, error) {
	if len(c.pending) > 0 {
		n := copy(p, c.pending)
		c.pending = c.pending[n:]
		return n, nil
	}
	n, err := c.stream.Read(p)
	if n > 0 {
		// TLS may give the last bytes and the end at once. The end is then
		// no fault of this answer, and the next read gives it again.
		return n, nil
	}
	if err != nil {
		c.fault = err
	}
	return n, err
}

// grow makes the read buffer large and says whether it wasn't already. What
// was read and not taken is kept.
func (c *connection) grow() bool {
	if c.reader.Size() >= largeReader {
		return false
	}
	c.pending, _ = c.reader.Peek(c.reader.Buffered())
	c.reader = bufio.NewReaderSize(c, largeReader)
	return true
}

// isReusable says whether another request may be sent: nothing failed, and
// nothing came that no request asked for.
func (c *connection) isReusable() bool { return c.fault == nil && c.reader.Buffered() == 0 }

// close ends the connection in good order, if there is one.
func (c *connection) close() {
	if c.tcp == nil {
		return
	}
	if secured, ok := c.stream.(*tls.Conn); ok {
		// TLS ends with a message of its own. Package tls lets it wait at
		// most five seconds for a peer that takes no bytes; a kill ends that.
		_ = secured.CloseWrite()
	}
	c.cut()
}

// cut ends the connection without a word. Errors of a close say nothing that
// the user could act on.
func (c *connection) cut() {
	if c.tcp == nil {
		return
	}
	c.unwatch()
	_ = c.tcp.Close()
	c.tcp, c.stream, c.unwatch = nil, nil, nil
	c.probe.forget()
}
