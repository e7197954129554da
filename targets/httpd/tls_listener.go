package httpd

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// books are the counts of the TLS server, whose connections run on goroutines
// of their own.
type books struct {
	accepted, closed         atomic.Int64
	requests, sent           atomic.Int64
	bytesSent, bytesReceived atomic.Int64
	acceptErrors, errors     atomic.Int64
}

// countingListener keeps the books of the connections it accepts and can
// close them all.
type countingListener struct {
	net.Listener
	books *books

	mu     sync.Mutex
	open   map[*countingConn]struct{}
	closed bool
}

func newCountingListener(l net.Listener, b *books) *countingListener {
	return &countingListener{Listener: l, books: b, open: make(map[*countingConn]struct{})}
}

func (l *countingListener) Accept() (net.Conn, error) {
	network, err := l.Listener.Accept()
	if err != nil {
		if !errors.Is(err, net.ErrClosed) {
			l.books.acceptErrors.Add(1)
		}
		return nil, err
	}
	c := &countingConn{Conn: network, listener: l}
	l.books.accepted.Add(1)
	l.mu.Lock()
	l.open[c] = struct{}{}
	tooLate := l.closed
	l.mu.Unlock()
	if tooLate {
		return nil, errors.Join(net.ErrClosed, c.Close())
	}
	return c, nil
}

// closeAll closes the listener and every connection.
func (l *countingListener) closeAll() error {
	l.mu.Lock()
	l.closed = true
	connections := make([]*countingConn, 0, len(l.open))
	for c := range l.open {
		connections = append(connections, c)
	}
	l.mu.Unlock()
	for _, c := range connections {
		_ = c.Close() // its own goroutine reports what matters
	}
	if err := l.Listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// countingConn counts the bytes of one connection, under the encryption.
type countingConn struct {
	net.Conn
	listener *countingListener
	ending   atomic.Bool
}

func (c *countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.listener.books.bytesReceived.Add(int64(n))
	c.count(err)
	return n, err
}

func (c *countingConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.listener.books.bytesSent.Add(int64(n))
	c.count(err)
	return n, err
}

// count enters an error that isn't an orderly end.
func (c *countingConn) count(err error) {
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
		c.listener.books.errors.Add(1)
	}
}

func (c *countingConn) Close() error {
	if c.ending.Swap(true) {
		return nil
	}
	l := c.listener
	l.mu.Lock()
	delete(l.open, c)
	l.mu.Unlock()
	l.books.closed.Add(1)
	return c.Conn.Close()
}
