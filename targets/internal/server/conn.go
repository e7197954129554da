package server

import "time"

const (
	// flushTime is how long CloseAfterFlush waits for a peer to read what
	// is queued, lingerTime how long for the peer's end of stream after that.
	flushTime  = 30 * time.Second
	lingerTime = time.Second
)

// Conn is one accepted connection. Loop goroutine only: its methods may be
// called from the callbacks of its loop's Handler and from nowhere else.
type Conn struct {
	// State is the handler's own; nil at first, dropped after OnClose.
	State any

	loop  *loop
	timer timer
	flags connFlags
	socket
}

type connFlags uint8

const (
	flagPaused    connFlags = 1 << iota // the handler wants no data now
	flagNotify                          // the handler waits for OnWritable
	flagFlushing                        // closing: Queue's bytes go first
	flagLingering                       // closing: our end is shut, the peer's isn't
	flagDoomed                          // will be closed after this callback
	flagClosed                          // the socket is gone
)

func (c *Conn) has(flags connFlags) bool { return c.flags&flags != 0 }

// Closing reports whether the connection is on its way out: nothing that is
// written now would be sent.
func (c *Conn) Closing() bool {
	return c.has(flagFlushing | flagLingering | flagDoomed | flagClosed)
}

// SetTimer asks for OnTimer after d, rounded up to the next millisecond and
// never early. It replaces the time set before.
func (c *Conn) SetTimer(d time.Duration) {
	if c.Closing() {
		return
	}
	c.loop.setTimer(c, d)
}

// RearmTimer asks for OnTimer one period after the time at which it was last
// due, so that the period doesn't drift. Periods that have gone by already are
// left out: a loop that was held up doesn't make up for it in a burst. The
// period must be at least a millisecond.
func (c *Conn) RearmTimer(period time.Duration) {
	if c.Closing() {
		return
	}
	step := ticksCeil(period)
	next := c.timer.tick + step
	if now := int64(c.loop.elapsed() / time.Millisecond); next <= now {
		next += (now - next + step) / step * step
	}
	c.loop.setTimerTick(c, next)
}

// StopTimer does nothing when no time is set.
func (c *Conn) StopTimer() {
	if c.Closing() {
		return // the timer may be the one that ends the lingering
	}
	c.loop.wheel.stop(&c.timer)
}

// Close closes the connection after the current callback, dropping what is
// queued.
func (c *Conn) Close() {
	if !c.has(flagDoomed | flagClosed) {
		c.flags |= flagDoomed
		c.loop.doomed = append(c.loop.doomed, c)
	}
}

// fail closes the connection because of an error and counts it.
func (c *Conn) fail() {
	if !c.has(flagDoomed | flagClosed) {
		c.loop.counters.Errors++
		c.Close()
	}
}

// CloseAfterFlush sends what is queued, ends our side of the stream, and
// closes when the peer has ended its own, at the latest a second later. A
// plain close with unread bytes in the kernel would send a reset, which can
// overtake the last response.
func (c *Conn) CloseAfterFlush() {
	if c.Closing() {
		return
	}
	c.flags = c.flags&^(flagPaused|flagNotify) | flagFlushing
	c.loop.setTimer(c, flushTime)
	if c.Pending() == 0 {
		c.linger()
	}
	c.interestChanged()
}

// linger ends our side of the stream.
func (c *Conn) linger() {
	c.flags = c.flags&^flagFlushing | flagLingering
	c.loop.setTimer(c, lingerTime)
	c.shutdownWrite()
}

// deliver hands what was read to the handler, or drops it when closing.
func (c *Conn) deliver(data []byte) {
	c.loop.counters.BytesReceived += int64(len(data))
	if !c.Closing() {
		c.loop.handler.OnData(c, data)
	}
}

// drained is called when everything queued went out.
func (c *Conn) drained() {
	switch {
	case c.has(flagDoomed | flagClosed | flagLingering):
	case c.has(flagFlushing):
		c.loop.handler.OnWritable(c)
		c.linger()
	default:
		c.flags &^= flagNotify
		c.loop.handler.OnWritable(c)
	}
}

// expired is called when the connection's timer fires.
func (c *Conn) expired() {
	switch {
	case c.has(flagFlushing | flagLingering):
		c.Close()
	case !c.Closing():
		c.loop.handler.OnTimer(c)
	}
}

// ticksCeil converts a duration to the wheel's milliseconds, rounding up.
func ticksCeil(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}
