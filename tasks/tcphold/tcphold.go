// Package tcphold is the user class TcpHoldUser: it opens one connection and
// holds it, and checks what the server pushes. Its users live on event loops;
// everything of a user belongs to its loop's goroutine.
package tcphold

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"upsurge/tasks/internal/tcp"
	"upsurge/worker/engine"
	"upsurge/worker/user"
)

// Class returns the class.
func Class() user.Class {
	return user.Class{
		Name: "TcpHoldUser",
		Help: "holds one TCP connection and checks what the server pushes",
		New:  func() user.Definition { return &definition{} },
	}
}

type definition struct {
	tcp              tcp.Options
	expect           string
	waitMin, waitMax time.Duration
	reconnect        bool
	target           *engine.Target
}

var (
	_ user.EventDefinition = (*definition)(nil)
	_ user.Limited         = (*definition)(nil)
)

func (d *definition) Options(set *user.OptionSet) {
	d.tcp.Declare(set, "tcp-hold")
	set.String(&d.expect, "tcp-hold-expect", "ok", "payload that each push must be; empty accepts anything")
	set.Duration(&d.waitMin, "tcp-hold-wait-min", 100*time.Millisecond, 0, 24*time.Hour, "least wait between two receives, and before a reconnect")
	set.Duration(&d.waitMax, "tcp-hold-wait-max", time.Second, 0, 24*time.Hour, "longest wait between two receives, and before a reconnect")
	set.Bool(&d.reconnect, "tcp-hold-reconnect", true, "connect again after a failure; false stays down")
}

func (d *definition) Prepare(ctx context.Context, test user.Test) (err error) {
	if d.waitMin > d.waitMax {
		return fmt.Errorf("options --tcp-hold-wait-min=%v and --tcp-hold-wait-max=%v: the least is above the longest", d.waitMin, d.waitMax)
	}
	d.target, err = d.tcp.Target(ctx, test)
	return err
}

// Capacity implements user.Limited.
func (d *definition) Capacity() (users int, why string) { return d.tcp.Capacity() }

func (d *definition) Bind(scope user.Scope) user.EventSource {
	return &source{
		definition: d, scope: scope, expect: []byte(d.expect), failures: tcp.NewFailures(scope), gate: d.tcp.NewGate(),
		connectRow: scope.Row("TCP", "connect"), receiveRow: scope.Row("TCP", "recv"),
	}
}

// source is what the users of one loop share.
type source struct {
	*definition
	scope                  user.Scope
	expect                 []byte
	failures               *tcp.Failures
	gate                   *tcp.Gate
	connectRow, receiveRow user.Row
}

func (s *source) NewUser() user.EventUser { return &holder{source: s} }

// wait is a random time between the two options.
func (s *source) wait() time.Duration {
	return s.waitMin + time.Duration(s.scope.Loop.Rand().Int64N(int64(s.waitMax-s.waitMin)+1))
}

// holder is one user. A million of them are the reason why it has no field
// that could be spared: a test pins its size.
type holder struct {
	connection engine.Conn
	source     *source
	// since is when the user began what it waits for: the connect, or the
	// next receive; during the wait between two receives it lies ahead.
	since   time.Duration
	matched uint32 // bytes of the expected payload that have come
	joined  bool
	leaving bool // said goodbye, and reads what the server sent before it heard
	place   tcp.Place
}

var (
	_ user.Lingerer  = (*holder)(nil)
	_ engine.Handler = (*holder)(nil)
	_ engine.Expirer = (*holder)(nil)
	_ tcp.Waiter     = (*holder)(nil)
)

func (h *holder) Start() { h.source.gate.Enter(h) }

// Place implements tcp.Waiter.
func (h *holder) Place() *tcp.Place { return &h.place }

// Connect implements tcp.Waiter: it is this user's turn.
func (h *holder) Connect() {
	h.since, h.matched = h.source.scope.Loop.Now(), 0
	if err := h.source.scope.Loop.Dial(&h.connection, h.source.target, h); err != nil {
		h.OnClose(&h.connection, err)
	}
}

func (h *holder) OnOpen(c *engine.Conn) {
	s := h.source
	now := s.scope.Loop.Now()
	s.scope.Success(s.connectRow, now, c.DialDuration(), 0)
	h.joined, h.since = true, now
	s.scope.Joined()
	s.gate.Leave(h)
}

// OnData checks what has come, at once, so that the kernel's buffer is empty
// while the user waits. A push may come in pieces, and several at a time.
func (h *holder) OnData(_ *engine.Conn, data []byte) {
	s := h.source
	if len(s.expect) == 0 {
		h.received(len(data))
		return
	}
	for rest := data; len(rest) > 0; {
		matched := int(h.matched)
		n := min(len(rest), len(s.expect)-matched)
		if string(rest[:n]) != string(s.expect[matched:matched+n]) {
			h.wrong(rest)
			return
		}
		h.matched += uint32(n)
		rest = rest[n:]
		if int(h.matched) == len(s.expect) {
			h.matched = 0
			h.received(len(s.expect))
		}
	}
}

// received counts one receive. Its latency is the time that a blocking recv
// would have taken: nothing if the data came while the user still waited.
func (h *holder) received(bytes int) {
	s := h.source
	now := s.scope.Loop.Now()
	s.scope.Success(s.receiveRow, now, max(now-h.since, 0), int64(bytes))
	h.since = now + s.wait()
}

// wrong gives the connection up: where the next push begins is not known
// any more.
func (h *holder) wrong(rest []byte) {
	s := h.source
	now := s.scope.Loop.Now()
	came := append(append([]byte(nil), s.expect[:h.matched]...), rest...)
	s.failures.CountWrongData(s.receiveRow, now, max(now-h.since, 0), int64(len(came)), came)
	h.connection.Close()
	h.down()
}

func (h *holder) OnClose(_ *engine.Conn, err error) {
	if h.leaving {
		if !errors.Is(err, io.EOF) {
			h.source.scope.CutOff() // the server's last pushes may have been lost
		}
		h.left()
		h.source.scope.Ended(h)
		return
	}
	s := h.source
	now := s.scope.Loop.Now()
	row := s.connectRow
	if h.joined {
		row = s.receiveRow
	}
	s.failures.Count(row, now, max(now-h.since, 0), err)
	s.gate.Leave(h)
	h.down()
}

// down is what follows a failure.
func (h *holder) down() {
	h.left()
	switch {
	case h.leaving:
		h.source.scope.Ended(h)
	case h.source.reconnect:
		// The connection is closed, so there is nothing that could be in the way.
		_ = h.source.scope.Loop.Pause(&h.connection, max(h.source.wait(), tcp.LeastPause), h)
	}
}

func (h *holder) left() {
	if h.joined {
		h.joined = false
		h.source.scope.Left()
	}
}

func (h *holder) OnTimer(*engine.Timer) { h.source.gate.Enter(h) }

// leaveTimeout is how long a server may take to close after our goodbye: a busy
// one may have to serve many others first.
const leaveTimeout = 5 * time.Second

// Stop says goodbye with a FIN and reads on until the server has closed too:
// every push that the server has sent is then counted here, so that its books
// and ours agree. A server that does not close is left after leaveTimeout.
func (h *holder) Stop() bool {
	if h.joined && h.connection.CloseWrite() == nil {
		h.leaving = true
		h.connection.SetDeadline(leaveTimeout)
		return false
	}
	h.Kill()
	return true
}

// Lingering implements user.Lingerer: nothing of ours is in flight, and what
// the server still sends is worth the wait.
func (h *holder) Lingering() bool { return h.leaving }

// Kill closes the connection.
func (h *holder) Kill() {
	h.connection.Close() // or the pause before the next dial
	h.source.gate.Leave(h)
	h.left()
}
