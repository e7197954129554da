//go:build linux && !portable

package engine

import (
	"context"
	"net"
	"testing"
	"time"
	"unsafe"
)

// These tests stand in for the loop's goroutine and make its turns themselves.

type callbacks struct {
	open  func(c *Conn)
	data  func(c *Conn, data []byte)
	close func(c *Conn, err error)
}

func (h *callbacks) OnOpen(c *Conn) {
	if h.open != nil {
		h.open(c)
	}
}

func (h *callbacks) OnData(c *Conn, data []byte) {
	if h.data != nil {
		h.data(c, data)
	}
}

func (h *callbacks) OnClose(c *Conn, err error) {
	if h.close != nil {
		h.close(c, err)
	}
}

func idleLoop(t testing.TB) *Loop {
	t.Helper()
	e, err := New(Config{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		e.loops[0].end()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e.loops[0]
}

// turnUntil makes turns until the condition holds.
func turnUntil(t testing.TB, l *Loop, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); l.turn() {
		if time.Now().After(deadline) {
			t.Fatal("the loop didn't get there")
		}
		if err := l.wait(time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
}

// pair gives an open connection of the loop, and its peer.
func pair(t testing.TB, l *Loop, c *Conn, h Handler) net.Conn {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	target, err := NewTarget(context.Background(), TargetConfig{Address: listener.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Dial(c, target, h); err != nil {
		t.Fatal(err)
	}
	peer, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = peer.Close() })
	turnUntil(t, l, c.Opened)
	return peer
}

func TestConnSize(t *testing.T) {
	if size := unsafe.Sizeof(Conn{}); size != 104 {
		t.Errorf("a Conn takes %d bytes, want the 104 that the documentation counts with", size)
	}
}

func TestLoopAllocatesNothing(t *testing.T) {
	l := idleLoop(t)
	received := 0
	var c Conn
	peer := pair(t, l, &c, &callbacks{data: func(_ *Conn, data []byte) { received += len(data) }})
	message := []byte("message")
	back := make([]byte, len(message))
	var timer Timer
	fired := 0
	e := timerCount{&fired}
	cases := []struct {
		name string
		run  func()
	}{
		{name: "read event", run: func() {
			if _, err := peer.Write(message); err != nil {
				t.Error(err)
			}
			for want := received + len(message); received < want; l.turn() {
				if err := l.wait(-1); err != nil {
					t.Error(err)
				}
			}
		}},
		{name: "write", run: func() {
			if err := c.Write(message); err != nil {
				t.Error(err)
			}
			if _, err := peer.Read(back); err != nil {
				t.Error(err)
			}
		}},
		{name: "schedule and cancel", run: func() {
			l.Schedule(&timer, time.Second, e)
			l.Cancel(&timer)
		}},
		{name: "timer", run: func() {
			l.Schedule(&timer, 0, e)
			for want := fired + 1; fired < want; l.turn() {
				if err := l.wait(l.idleTime()); err != nil {
					t.Error(err)
				}
			}
		}},
		{name: "deadline", run: func() {
			c.SetDeadline(time.Second)
			c.SetDeadline(0)
		}},
	}
	for _, c := range cases {
		if n := testing.AllocsPerRun(100, c.run); n != 0 {
			t.Errorf("%s: %v allocations, want 0", c.name, n)
		}
	}
}

type timerCount struct{ fired *int }

func (e timerCount) OnTimer(*Timer) { *e.fired++ }

// A dial that fails at once allocates nothing either: there may be a million.
func TestFailedDialAllocatesNothing(t *testing.T) {
	l := idleLoop(t)
	target, err := NewTarget(context.Background(), TargetConfig{Address: "255.255.255.255:9"})
	if err != nil {
		t.Fatal(err)
	}
	var c Conn
	closed := 0
	h := &callbacks{close: func(*Conn, error) { closed++ }}
	if n := testing.AllocsPerRun(100, func() {
		if err := l.Dial(&c, target, h); err != nil {
			t.Error(err)
		}
		for want := closed + 1; closed < want; {
			l.turn()
		}
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// Two connections have events in one batch. The callback of the first closes the
// second and dials anew, which takes over the second's slot: the second's event
// must not be taken for the new one's.
func TestStaleEvent(t *testing.T) {
	l := idleLoop(t)
	full, err := NewTarget(context.Background(), TargetConfig{Address: Blackhole(t)})
	if err != nil {
		t.Fatal(err)
	}
	var first, second, third Conn
	calls := 0
	onData := func(c *Conn, _ []byte) {
		calls++
		other := &first
		if c == &first {
			other = &second
		}
		slot := other.wire.slot
		other.Close()
		opened := func(*Conn) { t.Error("an event of the closed connection opened the new one") }
		ended := func(*Conn, error) {}
		if err := l.Dial(&third, full, &callbacks{open: opened, close: ended}); err != nil {
			t.Error(err)
		}
		if third.wire.slot != slot {
			t.Errorf("the new connection has slot %d, want that of the closed one: %d", third.wire.slot, slot)
		}
	}
	h := &callbacks{data: onData}
	for _, peer := range []net.Conn{pair(t, l, &first, h), pair(t, l, &second, h)} {
		if _, err := peer.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	// Loopback delivers within the write, so both events are there.
	if err := l.wait(0); err != nil {
		t.Fatal(err)
	}
	if l.sockets.count != 2 {
		t.Fatalf("%d events in the batch, want 2", l.sockets.count)
	}
	l.turn()
	if calls != 1 || third.state != stateConnecting {
		t.Errorf("%d callbacks and state %d, want 1 and %d", calls, third.state, stateConnecting)
	}
}

func TestSlots(t *testing.T) {
	var s slots
	const count = 3*slotChunk + 1
	conns := make([]Conn, count)
	for i := range conns {
		if slot := s.take(&conns[i]); slot != uint32(i) {
			t.Fatalf("slot %d for connection %d, want the lowest", slot, i)
		}
	}
	s.give(5000)
	if s.at(5000) != nil || s.at(4999) != &conns[4999] || s.at(count) != nil {
		t.Error("a slot that was given back is still taken, or another isn't")
	}
	if slot := s.take(&conns[5000]); slot != 5000 || len(s.chunks) != 4 {
		t.Errorf("took slot %d of %d chunks, want 5000 again of 4", slot, len(s.chunks))
	}
}
