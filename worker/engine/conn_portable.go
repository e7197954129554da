//go:build !linux || portable

package engine

import (
	"context"
	"net"
	"net/netip"
)

// wire is a Conn's connection of package net.
type wire struct{ link *link }

// connect starts to dial.
func (c *Conn) connect(t *Target) reason {
	remote, source := t.next()
	ctx, cancel := context.WithCancel(context.Background())
	k := &link{
		loop:   c.loop,
		conn:   c,
		cancel: cancel,
		done:   make(chan struct{}),
		taken:  make(chan struct{}, 1),
		signal: make(chan struct{}, 1),
		nagle:  t.nagle,
	}
	c.wire.link = k
	c.loop.sockets.live[k] = struct{}{}
	c.loop.sockets.running.Go(func() { k.dial(ctx, remote, source) })
	return reasonNone
}

// disconnect leaves the connection to its goroutines, which end soon.
func (c *Conn) disconnect(reset bool) {
	k := c.wire.link
	c.wire.link = nil
	delete(c.loop.sockets.live, k)
	k.release(reset)
}

// readOn has nothing to do: the link's goroutine reads on by itself.
func (c *Conn) readOn() {}

// Write hands b to the goroutine that writes. It takes all of b or none:
// ErrWriteBufferFull when b and what waits already exceed WriteBufferLimit,
// ErrNotOpen before OnOpen, ErrClosed when c is closed. Any other error is that
// of an earlier write, and c ends in OnClose.
func (c *Conn) Write(b []byte) error {
	if err := c.writable(len(b)); err != nil || len(b) == 0 {
		return err
	}
	return c.wire.link.write(b)
}

// CloseWrite tells the peer that nothing more will come, and goes on reading:
// what the peer sent before it took notice still arrives, then its own end.
// The writer does it once all is sent; ErrUnsent never comes here. Otherwise
// errors as of Write.
func (c *Conn) CloseWrite() error {
	if err := c.writable(0); err != nil {
		return err
	}
	return c.wire.link.closeWrite()
}

// Buffered is how many bytes were written but not yet taken by the kernel.
func (c *Conn) Buffered() int {
	if c.wire.link == nil {
		return 0
	}
	return c.wire.link.buffered()
}

// LocalAddr is the local address; it is invalid unless c is open.
func (c *Conn) LocalAddr() netip.AddrPort {
	if c.state != stateOpen {
		return netip.AddrPort{}
	}
	return unmapped(c.wire.link.stream.LocalAddr())
}

// RemoteAddr is the peer's address; it is invalid unless c is open.
func (c *Conn) RemoteAddr() netip.AddrPort {
	if c.state != stateOpen {
		return netip.AddrPort{}
	}
	return unmapped(c.wire.link.stream.RemoteAddr())
}

func unmapped(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	addrPort := tcp.AddrPort()
	return netip.AddrPortFrom(addrPort.Addr().Unmap(), addrPort.Port())
}
