package engine

import "time"

type state uint8

const (
	stateIdle       state = iota // the zero Conn, or a closed one
	stateConnecting              // has a wire
	stateOpen                    // has a wire
	stateFailed                  // has none; OnClose is called at the end of the turn
)

// Conn is one connection, or one that is to be dialled. Its owner embeds it in
// what it keeps per connection and uses it for one dial after the other. While
// it is live it must not be copied or overwritten. All methods are for the
// goroutine of its loop.
type Conn struct {
	timer   Timer
	handler Handler
	loop    *Loop
	moment  time.Duration // of Dial; from OnOpen on how long the dial took
	wire    wire          // what the platform needs
	broken  reason        // why c will end once what arrived is read, or why it failed
	state   state
	queued  bool // waits in Loop.ready
}

// Dial connects c to t, without waiting. The result comes through h, never from
// inside Dial: OnOpen, or OnClose at the end of the loop's turn at the earliest.
//
// An error means that nothing was begun and no callback will come: ErrInUse if c
// is live or was dialled on another loop before (zero it to move it), ErrClosed
// if the loop is ending. Loop goroutine only.
func (l *Loop) Dial(c *Conn, t *Target, h Handler) error {
	switch {
	case c.state != stateIdle || (c.loop != nil && c.loop != l):
		return ErrInUse
	case l.ending:
		return ErrClosed
	}
	c.loop, c.handler = l, h
	l.wheel.Cancel(&c.timer) // of a Pause
	c.moment = l.clock.Now()
	l.dialed.Add(1)
	why := l.budget.take()
	if why == reasonNone {
		if why = c.connect(t); why != reasonNone {
			l.budget.give()
		}
	}
	if why != reasonNone {
		l.failed.Add(1)
		c.fail(why)
		return nil
	}
	c.state = stateConnecting
	l.connecting.Add(1)
	l.wheel.Add(&c.timer, c.moment+t.timeout, (*deadline)(c))
	return nil
}

// Pause has e called after the given time, unless c is dialled or closed, or
// paused anew, before that: the wait between two dials. It uses c's own timer,
// which has no deadline to keep meanwhile and so spares the owner one. ErrInUse
// as of Dial. Loop goroutine only.
func (l *Loop) Pause(c *Conn, after time.Duration, e Expirer) error {
	if c.state != stateIdle || (c.loop != nil && c.loop != l) {
		return ErrInUse
	}
	c.loop = l
	l.Schedule(&c.timer, after, e)
	return nil
}

// opened tells the handler that c, which was connecting until now, is open.
func (c *Conn) opened(now time.Duration) {
	l := c.loop
	l.wheel.Cancel(&c.timer)
	c.moment = now - c.moment
	c.state = stateOpen
	l.connecting.Add(-1)
	l.open.Add(1)
	l.current = c
	c.handler.OnOpen(c)
	l.current = nil
}

// Close ends the connection or the dial. The kernel still sends what it took;
// what it didn't is lost. No callback follows. It may be called at any time; on
// a c that isn't live it ends a Pause and does nothing else.
func (c *Conn) Close() { c.drop(false) }

// Reset is Close, but cuts the connection with a reset: the peer gets an error,
// and the local port is free at once.
func (c *Conn) Reset() { c.drop(true) }

// SetDeadline lets c end with ErrTimeout after the given time, unless it is set
// anew before. 0 or less means no deadline. During a dial it takes the place of
// the target's ConnectTimeout; OnOpen finds none set. It does nothing on a c
// that isn't live.
func (c *Conn) SetDeadline(after time.Duration) {
	switch {
	case !c.wired():
	case after <= 0:
		c.loop.wheel.Cancel(&c.timer)
	default:
		c.loop.Schedule(&c.timer, after, (*deadline)(c))
	}
}

// Opened reports whether c is established: from OnOpen until it closes.
func (c *Conn) Opened() bool { return c.state == stateOpen }

// DialDuration is the time from Dial to the event that came before OnOpen. It
// is 0 unless c is open.
func (c *Conn) DialDuration() time.Duration {
	if c.state != stateOpen {
		return 0
	}
	return c.moment
}

// deadline is a Conn as the Expirer of its own timer.
type deadline Conn

// OnTimer ends the connection.
func (d *deadline) OnTimer(*Timer) { (*Conn)(d).end(ErrTimeout) }

func (c *Conn) wired() bool { return c.state == stateConnecting || c.state == stateOpen }

// writable is nil if c may write count bytes more.
func (c *Conn) writable(count int) error {
	switch {
	case c.state == stateConnecting:
		return ErrNotOpen
	case c.state != stateOpen:
		return ErrClosed
	case c.broken != reasonNone:
		return c.broken.err()
	case c.Buffered()+count > WriteBufferLimit:
		return ErrWriteBufferFull
	default:
		return nil
	}
}

// end closes c and tells the handler why.
func (c *Conn) end(why error) {
	if c.state == stateConnecting {
		c.loop.failed.Add(1)
	}
	c.drop(false)
	c.handler.OnClose(c, why)
}

// fail leaves it to the end of the turn to tell the handler why c, which has no
// wire, ended.
func (c *Conn) fail(why reason) {
	c.state = stateFailed
	c.broken = why
	c.enqueue()
}

// abandon closes c because its callback panicked.
func (c *Conn) abandon() {
	if c.wired() {
		c.drop(false)
		c.fail(reasonPanicked)
	}
}

// enqueue makes the loop call resume at the end of the turn.
func (c *Conn) enqueue() {
	if !c.queued {
		c.queued = true
		c.loop.ready = append(c.loop.ready, c)
	}
}

// resume does what c was queued for. It may have been closed since, or even
// dialled again.
func (c *Conn) resume() {
	c.queued = false
	switch c.state {
	case stateFailed:
		c.end(c.broken.err())
	case stateOpen:
		c.readOn()
	}
}

// drop makes c idle and releases what it holds.
func (c *Conn) drop(reset bool) {
	switch c.state {
	case stateIdle:
		if c.loop != nil {
			c.loop.wheel.Cancel(&c.timer)
		}
		return
	case stateConnecting:
		c.loop.connecting.Add(-1)
	case stateOpen:
		c.loop.open.Add(-1)
	}
	if c.wired() {
		c.loop.wheel.Cancel(&c.timer)
		c.disconnect(reset)
		c.loop.budget.give()
	}
	c.state = stateIdle
	c.broken = reasonNone
}
