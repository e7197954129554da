//go:build linux && !portable

package engine

import (
	"net/netip"
	"syscall"

	"upsurge/worker/engine/internal/poll"
	"upsurge/worker/engine/internal/sock"
)

// readsPerTurn bounds the reads of one connection before the others get their
// turn.
const readsPerTurn = 8

// wire is a Conn's descriptor and what belongs to it.
type wire struct {
	out        *outbox // nil unless the kernel did not take all
	descriptor int32
	slot       uint32
	generation uint32 // 0: no descriptor
}

// connect gets c a descriptor on its way to t, or leaves it without one.
func (c *Conn) connect(t *Target) reason {
	remote, source := t.next()
	descriptor, errno := sock.Open(remote)
	if errno != 0 {
		return reason(errno)
	}
	if !t.nagle {
		errno = sock.SetNoDelay(descriptor)
	}
	if errno == 0 && source != nil {
		errno = sock.Bind(descriptor, source)
	}
	if errno == 0 {
		errno = sock.Connect(descriptor, remote)
	}
	if errno != 0 && errno != syscall.EINPROGRESS {
		sock.Close(descriptor)
		return reason(errno)
	}
	s := &c.loop.sockets
	c.wire.descriptor = int32(descriptor)
	c.wire.generation = s.nextGeneration()
	c.wire.slot = s.slots.take(c)
	// After the connect: a socket that isn't connecting yet counts as hung up.
	// If it is through already, adding it makes the event.
	if errno := s.poller.Add(descriptor, c.wire.slot, c.wire.generation); errno != 0 {
		c.disconnect(false)
		return reason(errno)
	}
	return reasonNone
}

// disconnect closes the descriptor, which also ends the poller's watch.
func (c *Conn) disconnect(reset bool) {
	s := &c.loop.sockets
	if c.wire.out != nil {
		s.giveOutbox(c.wire.out)
		c.wire.out = nil
	}
	if reset {
		// Without the option it closes in the ordinary way: that will do.
		_ = sock.SetReset(c.descriptor())
	}
	s.slots.give(c.wire.slot)
	c.wire.generation = 0
	sock.Close(c.descriptor())
}

func (c *Conn) descriptor() int { return int(c.wire.descriptor) }

// handle is called with what the kernel says about c.
func (c *Conn) handle(ready poll.Ready) {
	generation := c.wire.generation
	if c.state == stateConnecting {
		if !ready.Writable() {
			return
		}
		c.finishConnect()
	}
	if c.wire.generation == generation && c.wire.out != nil && ready.Writable() {
		c.flush()
	}
	if c.wire.generation == generation && ready.Readable() {
		c.read(ready.Final())
	}
}

// finishConnect takes the result of the connect.
func (c *Conn) finishConnect() {
	now := c.loop.clock.Now()
	switch errno := sock.Failure(c.descriptor()); errno {
	case 0:
		if c.toItself() {
			c.end(syscall.ECONNREFUSED)
			return
		}
	case syscall.ECONNRESET, syscall.EPIPE:
		// The peer accepted, perhaps wrote, and cut the connection before this
		// loop looked. A peer that doesn't accept gives ECONNREFUSED.
		c.broken = reason(errno)
	default:
		c.end(errno)
		return
	}
	c.opened(now)
}

// toItself tells a connection from a local port to itself, which TCP makes when
// nobody listens on a port of the range that the kernel chose the local port
// from. It would echo whatever is written.
func (c *Conn) toItself() bool {
	local := sock.Local(c.descriptor())
	return local.IsValid() && local == sock.Remote(c.descriptor())
}

// readOn reads what may be left after c gave way to others or broke.
func (c *Conn) readOn() { c.read(true) }

// read hands out what arrived, until nothing is left or others must have their
// turn. A read that doesn't fill the buffer has taken everything; a look at what
// is behind it is needed only when an end was announced (final).
func (c *Conn) read(final bool) {
	l, generation := c.loop, c.wire.generation
	final = final || c.broken != reasonNone
	for range readsPerTurn {
		n, errno := sock.Read(c.descriptor(), l.sockets.buffer)
		if n == 0 {
			c.readEnded(errno)
			return
		}
		l.current = c
		c.handler.OnData(c, l.sockets.buffer[:n])
		l.current = nil
		if c.wire.generation != generation || (n < len(l.sockets.buffer) && !final) {
			return
		}
	}
	c.enqueue() // the kernel will not announce again what it holds already
}

// readEnded handles a read without bytes.
func (c *Conn) readEnded(errno syscall.Errno) {
	switch {
	case errno != 0 && errno != syscall.EAGAIN:
		c.end(errno)
	case c.broken != reasonNone: // an earlier call took the error that read would give
		c.end(c.broken.err())
	case errno == 0:
		c.end(reasonEOF.err())
	}
}

// Write sends b, or as much as the kernel takes, and keeps a copy of the rest
// until it takes more. It takes all of b or none: ErrWriteBufferFull when b and
// what is kept already exceed WriteBufferLimit, ErrNotOpen before OnOpen,
// ErrClosed when c is closed. After any other error, which is the system's, c
// ends in OnClose with the same error.
func (c *Conn) Write(b []byte) error {
	if err := c.writable(len(b)); err != nil || len(b) == 0 {
		return err
	}
	if c.wire.out == nil {
		n, errno := sock.Write(c.descriptor(), b)
		if errno != 0 && errno != syscall.EAGAIN {
			c.breakWith(errno)
			return errno
		}
		if n == len(b) {
			return nil
		}
		b = b[n:]
		c.wire.out = c.loop.sockets.takeOutbox()
	}
	c.wire.out.append(b)
	return nil
}

// CloseWrite tells the peer that nothing more will come, and goes on reading:
// what the peer sent before it took notice still arrives, then its own end.
// ErrUnsent while Buffered is not 0; otherwise errors as of Write.
func (c *Conn) CloseWrite() error {
	if err := c.writable(0); err != nil {
		return err
	}
	if c.wire.out != nil {
		return ErrUnsent
	}
	if errno := sock.CloseWrite(c.descriptor()); errno != 0 {
		c.breakWith(errno)
		return errno
	}
	return nil
}

// flush writes what was kept. A write that the kernel doesn't take whole makes
// it announce when it takes more.
func (c *Conn) flush() {
	n, errno := sock.Write(c.descriptor(), c.wire.out.pending())
	if errno != 0 && errno != syscall.EAGAIN {
		c.breakWith(errno)
		return
	}
	c.wire.out.sent += n
	if len(c.wire.out.pending()) == 0 {
		c.loop.sockets.giveOutbox(c.wire.out)
		c.wire.out = nil
	}
}

// breakWith notes a failed write. The connection ends at the end of the turn,
// after what the peer sent before is read.
func (c *Conn) breakWith(errno syscall.Errno) {
	c.broken = reason(errno)
	c.enqueue()
}

// Buffered is how many bytes were written but not yet taken by the kernel.
func (c *Conn) Buffered() int {
	if c.wire.out == nil {
		return 0
	}
	return len(c.wire.out.pending())
}

// LocalAddr asks the kernel for the local address; it is invalid if c isn't
// live.
func (c *Conn) LocalAddr() netip.AddrPort {
	if !c.wired() {
		return netip.AddrPort{}
	}
	return sock.Local(c.descriptor())
}

// RemoteAddr asks the kernel for the peer's address; it is invalid unless c is
// open.
func (c *Conn) RemoteAddr() netip.AddrPort {
	if !c.wired() {
		return netip.AddrPort{}
	}
	return sock.Remote(c.descriptor())
}
