// Package tcpecho is the user class TcpEchoUser: it sends a payload at an
// interval over one connection and checks that it comes back. Its users live
// on event loops; everything of a user belongs to its loop's goroutine.
package tcpecho

import (
	"bytes"
	"context"
	"time"

	"upsurge/tasks/internal/tcp"
	"upsurge/worker/engine"
	"upsurge/worker/user"
)

// maxPayload is the longest payload; the engine keeps at most 1 MiB of what
// the kernel does not take.
const maxPayload = 1 << 20

// Class returns the class.
func Class() user.Class {
	return user.Class{
		Name: "TcpEchoUser",
		Help: "sends a payload at an interval over one TCP connection and checks the echo",
		New:  func() user.Definition { return &definition{} },
	}
}

type definition struct {
	tcp               tcp.Options
	payload           string
	size              int
	interval, timeout time.Duration
	target            *engine.Target
}

var (
	_ user.EventDefinition = (*definition)(nil)
	_ user.Limited         = (*definition)(nil)
)

func (d *definition) Options(set *user.OptionSet) {
	d.tcp.Declare(set, "tcp-echo")
	set.String(&d.payload, "tcp-echo-payload", "ping", "text to send")
	set.Int(&d.size, "tcp-echo-payload-size", 0, 0, maxPayload, "bytes to send: the payload repeated or cut to this length; 0 sends it as it is")
	set.Duration(&d.interval, "tcp-echo-interval", time.Second, 0, 24*time.Hour, "time from one send to the next, and before a reconnect; a late echo delays the next send")
	set.Duration(&d.timeout, "tcp-echo-timeout", 10*time.Second, time.Millisecond, time.Hour, "time for the whole echo to come back")
}

func (d *definition) Prepare(ctx context.Context, test user.Test) (err error) {
	d.target, err = d.tcp.Target(ctx, test)
	return err
}

// Capacity implements user.Limited.
func (d *definition) Capacity() (users int, why string) { return d.tcp.Capacity() }

// message is what is sent: never empty, or there would be no echo to wait for.
func (d *definition) message() []byte {
	text := d.payload
	if text == "" {
		text = "x"
	}
	if d.size == 0 {
		return []byte(text)[:min(len(text), maxPayload)]
	}
	return bytes.Repeat([]byte(text), d.size/len(text)+1)[:d.size]
}

func (d *definition) Bind(scope user.Scope) user.EventSource {
	return &source{
		definition: d, scope: scope, message: d.message(), failures: tcp.NewFailures(scope), gate: d.tcp.NewGate(),
		connectRow: scope.Row("TCP", "connect"), echoRow: scope.Row("TCP", "echo"),
	}
}

// source is what the users of one loop share.
type source struct {
	*definition
	scope               user.Scope
	message             []byte
	failures            *tcp.Failures
	gate                *tcp.Gate
	connectRow, echoRow user.Row
}

func (s *source) NewUser() user.EventUser { return &caller{source: s} }

// caller is one user.
type caller struct {
	connection engine.Conn
	timer      engine.Timer // until the next send, or the next connect
	source     *source
	since      time.Duration // of the send, or of the dial
	due        time.Duration // of the send; the next is due an interval later
	echoed     int           // bytes that have come back
	joined     bool
	waiting    bool // for an echo
	leaving    bool // after this echo
	place      tcp.Place
}

var (
	_ user.EventUser = (*caller)(nil)
	_ engine.Handler = (*caller)(nil)
	_ engine.Expirer = (*caller)(nil)
	_ tcp.Waiter     = (*caller)(nil)
)

func (c *caller) Start() { c.source.gate.Enter(c) }

// Place implements tcp.Waiter.
func (c *caller) Place() *tcp.Place { return &c.place }

// Connect implements tcp.Waiter: it is this user's turn.
func (c *caller) Connect() {
	loop := c.source.scope.Loop
	c.since = loop.Now()
	if err := loop.Dial(&c.connection, c.source.target, c); err != nil {
		c.OnClose(&c.connection, err)
	}
}

func (c *caller) OnTimer(*engine.Timer) {
	if c.joined {
		c.send()
		return
	}
	c.source.gate.Enter(c)
}

func (c *caller) OnOpen(connection *engine.Conn) {
	s := c.source
	now := s.scope.Loop.Now()
	s.scope.Success(s.connectRow, now, connection.DialDuration(), 0)
	c.joined, c.due = true, now
	s.scope.Joined()
	s.gate.Leave(c)
	c.send()
}

func (c *caller) send() {
	s := c.source
	c.since, c.echoed, c.waiting = s.scope.Loop.Now(), 0, true
	if err := c.connection.Write(s.message); err != nil {
		c.connection.Close()
		c.OnClose(&c.connection, err)
		return
	}
	c.connection.SetDeadline(s.timeout)
}

func (c *caller) OnData(_ *engine.Conn, data []byte) {
	s := c.source
	now := s.scope.Loop.Now()
	left := len(s.message) - c.echoed
	if !c.waiting || len(data) > left || !bytes.Equal(data, s.message[c.echoed:c.echoed+len(data)]) {
		s.failures.CountWrongData(s.echoRow, now, c.latency(now), int64(len(data)), data)
		c.connection.Close()
		c.down()
		return
	}
	if c.echoed += len(data); len(data) < left {
		return
	}
	s.scope.Success(s.echoRow, now, now-c.since, int64(len(s.message)))
	c.waiting = false
	c.connection.SetDeadline(0)
	if c.leaving {
		c.leave()
		return
	}
	// From the moment the send was due and not from that of the send, or the
	// timer's delays would add up and slow the rate.
	c.due = max(c.due+s.interval, now)
	s.scope.Loop.Schedule(&c.timer, c.due-now, c)
}

// latency is that of a failure. What ends the connection between an echo and
// the next send is no answer to anything, so it has none.
func (c *caller) latency(now time.Duration) time.Duration {
	if c.joined && !c.waiting {
		return user.NoLatency
	}
	return now - c.since
}

func (c *caller) OnClose(_ *engine.Conn, err error) {
	s := c.source
	now := s.scope.Loop.Now()
	row := s.connectRow
	if c.joined {
		row = s.echoRow
	}
	s.failures.Count(row, now, c.latency(now), err)
	s.gate.Leave(c)
	c.down()
}

// down is what follows a failure.
func (c *caller) down() {
	c.left()
	if c.leaving {
		c.source.scope.Ended(c)
		return
	}
	c.source.scope.Loop.Schedule(&c.timer, max(c.source.interval, tcp.LeastPause), c)
}

func (c *caller) left() {
	c.waiting = false
	if c.joined {
		c.joined = false
		c.source.scope.Left()
	}
}

// Stop lets an echo that is on its way come back: the target has counted it.
func (c *caller) Stop() bool {
	if c.waiting {
		c.leaving = true
		return false
	}
	c.close()
	return true
}

func (c *caller) Kill() { c.close() }

func (c *caller) leave() {
	c.close()
	c.source.scope.Ended(c)
}

func (c *caller) close() {
	c.source.scope.Loop.Cancel(&c.timer)
	c.connection.Close()
	c.source.gate.Leave(c)
	c.left()
}
