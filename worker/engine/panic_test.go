package engine_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"

	"upsurge/worker/engine"
)

func TestPanics(t *testing.T) {
	cases := []struct {
		name       string
		in         string
		wantClosed error // what OnClose gets; nil: none
	}{
		{name: "OnOpen", in: "open", wantClosed: engine.ErrPanicked},
		{name: "OnData", in: "data", wantClosed: engine.ErrPanicked},
		{name: "OnClose", in: "close", wantClosed: io.EOF},
		{name: "timer", in: "timer"},
		{name: "posted function", in: "post"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			panics := make(chan any, 10)
			e, stop := start(t, engine.Config{Loops: 1, OnPanic: func(value any, stack []byte) {
				if !bytes.Contains(stack, []byte("TestPanics")) {
					t.Errorf("the stack doesn't name the callback:\n%s", stack)
				}
				panics <- value
			}})
			l := e.Loops()[0]
			target := to(t, serve(t, "127.0.0.1:0", func(p *net.TCPConn) { _, _ = io.WriteString(p, "x") }))
			var closed []error
			was := func(where string) {
				if where == c.in {
					panic(where)
				}
			}
			var conn engine.Conn
			var timer engine.Timer
			dial(t, l, &conn, target, &handler{
				open: func(*engine.Conn) { was("open") },
				data: func(*engine.Conn, []byte) { was("data") },
				close: func(_ *engine.Conn, err error) {
					closed = append(closed, err)
					was("close")
				},
			})
			l.Post(func() {
				l.Schedule(&timer, 0, expiry(func(*engine.Timer) { was("timer") }))
				was("post")
			})
			if got := receive(t, panics, "OnPanic"); got != c.in {
				t.Errorf("OnPanic got %v, want %v", got, c.in)
			}
			eventually(t, "closed connection", func() bool { return l.Counts().Open+l.Counts().Connecting == 0 })
			stop()
			if len(closed) != 1 || (c.wantClosed != nil && !errors.Is(closed[0], c.wantClosed)) {
				t.Errorf("OnClose got %v, want %v once", closed, c.wantClosed)
			}
			if len(panics) != 0 {
				t.Errorf("OnPanic was called again: %v", <-panics)
			}
		})
	}
}

// A panic ends neither the batch it happens in nor the loop.
func TestPanicSparesOthers(t *testing.T) {
	l := one(t) // without OnPanic
	target := to(t, serve(t, "127.0.0.1:0", echo))
	const count = 20
	echoed := make(chan struct{}, count)
	conns := make([]engine.Conn, count)
	do(t, l, func() {
		for i := range conns {
			err := l.Dial(&conns[i], target, &handler{
				open: func(c *engine.Conn) { _ = c.Write([]byte("x")) },
				data: func(*engine.Conn, []byte) {
					if i%2 == 0 {
						panic("every other one")
					}
					echoed <- struct{}{}
				},
			})
			if err != nil {
				t.Errorf("Dial: %v", err)
			}
		}
		l.Post(func() { panic("the first of two") })
		l.Post(func() { echoed <- struct{}{} })
	})
	for range count/2 + 1 {
		receive(t, echoed, "the others")
	}
	eventually(t, "closed connections", func() bool { return l.Counts().Open == count/2 })
}

func TestPanicWhileEnding(t *testing.T) {
	const count = 10
	e, stop := start(t, engine.Config{Loops: 1})
	l := e.Loops()[0]
	target := to(t, serve(t, "127.0.0.1:0", swallow))
	opened := make(chan struct{}, count)
	closed := 0
	conns := make([]engine.Conn, count)
	for i := range conns {
		dial(t, l, &conns[i], target, &handler{
			open:  func(*engine.Conn) { opened <- struct{}{} },
			close: func(*engine.Conn, error) { closed++; panic("each of them") },
		})
	}
	for range count {
		receive(t, opened, "OnOpen")
	}
	stop()
	if closed != count {
		t.Errorf("OnClose came %d times, want %d", closed, count)
	}
}
