package engine_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"upsurge/worker/engine"
)

func TestFirehoseGivesOthersTheirTurn(t *testing.T) {
	const size = 4 << 20
	e, _ := start(t, engine.Config{Loops: 1, ReadBuffer: 512})
	l := e.Loops()[0]
	// The peer ends only once the echo came back, and both on the one loop.
	echoed := make(chan struct{})
	fire := to(t, serve(t, "127.0.0.1:0", func(c *net.TCPConn) {
		data := pattern(size)
		_, _ = c.Write(data[:size-1])
		<-echoed
		_, _ = c.Write(data[size-1:])
	}))
	back := to(t, serve(t, "127.0.0.1:0", echo))
	var hose, small engine.Conn
	var got []byte
	var dialed bool
	ended := make(chan error, 1)
	dial(t, l, &hose, fire, &handler{
		data: func(_ *engine.Conn, data []byte) {
			got = append(got, data...)
			if !dialed {
				dialed = true
				if err := l.Dial(&small, back, &handler{
					open: func(c *engine.Conn) { _ = c.Write([]byte("hello")) },
					data: func(*engine.Conn, []byte) { close(echoed) },
				}); err != nil {
					t.Errorf("Dial: %v", err)
				}
			}
		},
		close: func(_ *engine.Conn, err error) { ended <- err },
	})
	if err := receive(t, ended, "OnClose"); !errors.Is(err, io.EOF) {
		t.Errorf("ended with %v, want %v", err, io.EOF)
	}
	if !samePattern(got, size) {
		t.Errorf("got %d bytes, want %d in their order", len(got), size)
	}
}

func TestSlowReader(t *testing.T) {
	const chunk = 100_000
	stream := pattern(64 << 20) // more than the kernel's two buffers take
	l := one(t)
	begin := make(chan struct{})
	result := make(chan []byte, 1)
	target := to(t, serve(t, "127.0.0.1:0", func(c *net.TCPConn) {
		<-begin
		all, _ := io.ReadAll(c)
		result <- all
	}))
	var c engine.Conn
	full := make(chan int, 1)
	dial(t, l, &c, target, &handler{open: func(c *engine.Conn) {
		written := 0
		for {
			err := c.Write(stream[written:][:chunk])
			if errors.Is(err, engine.ErrWriteBufferFull) {
				break
			}
			if err != nil {
				t.Errorf("Write: %v", err)
				break
			}
			written += chunk
		}
		if got := c.Buffered(); got <= engine.WriteBufferLimit-chunk || got > engine.WriteBufferLimit {
			t.Errorf("%d bytes are buffered when full, want at most %d and no room for another %d", got, engine.WriteBufferLimit, chunk)
		}
		full <- written
	}})
	written := receive(t, full, "full buffer")
	close(begin)
	eventually(t, "empty buffer", func() (empty bool) {
		do(t, l, func() { empty = c.Buffered() == 0 })
		return empty
	})
	do(t, l, func() {
		if err := c.Write(stream[written:][:chunk]); err != nil {
			t.Errorf("Write once the buffer is empty: %v", err)
		}
	})
	eventually(t, "empty buffer", func() (empty bool) {
		do(t, l, func() { empty = c.Buffered() == 0 })
		return empty
	})
	do(t, l, c.Close)
	if got := receive(t, result, "the peer's end"); !bytes.Equal(got, stream[:written+chunk]) {
		t.Errorf("the peer got %d bytes, want %d in their order", len(got), written+chunk)
	}
}

func TestTooLargeWriteTakesNothing(t *testing.T) {
	l := one(t)
	result := make(chan []byte, 1)
	target := to(t, serve(t, "127.0.0.1:0", func(c *net.TCPConn) {
		all, _ := io.ReadAll(c)
		result <- all
	}))
	var c engine.Conn
	dial(t, l, &c, target, &handler{open: func(c *engine.Conn) {
		if err := c.Write(make([]byte, engine.WriteBufferLimit+1)); !errors.Is(err, engine.ErrWriteBufferFull) {
			t.Errorf("Write of more than the limit: %v, want %v", err, engine.ErrWriteBufferFull)
		}
		if err := c.Write(nil); err != nil {
			t.Errorf("Write of nothing: %v", err)
		}
		if err := c.Write([]byte("small")); err != nil {
			t.Errorf("Write: %v", err)
		}
		c.Close()
	}})
	if got := receive(t, result, "the peer's end"); !bytes.Equal(got, []byte("small")) {
		t.Errorf("the peer got %d bytes, want %q", len(got), "small")
	}
}

func TestWriteToResetConnection(t *testing.T) {
	l := one(t)
	cut := make(chan struct{})
	target := to(t, serve(t, "127.0.0.1:0", func(c *net.TCPConn) {
		_ = c.SetLinger(0)
		_ = c.Close()
		close(cut)
	}))
	var c engine.Conn
	ended := make(chan error, 1)
	dial(t, l, &c, target, &handler{
		open: func(c *engine.Conn) {
			<-cut // the reset is here before the write
			_ = c.Write([]byte("x"))
		},
		close: func(_ *engine.Conn, err error) { ended <- err },
	})
	err := receive(t, ended, "OnClose")
	if engine.Portable && errors.Is(err, io.EOF) {
		return // the reader may look while the writer hasn't told yet what it found
	}
	if engine.Classify(err) != engine.Reset {
		t.Errorf("ended with %v, want it classified as %v", err, engine.Reset)
	}
}

func TestCloseInsideCallbacks(t *testing.T) {
	cases := []struct {
		name       string
		in         string
		reset      bool
		wantClosed int
	}{
		{name: "Close in OnOpen", in: "open"},
		{name: "Reset in OnOpen", in: "open", reset: true},
		{name: "Close in OnData", in: "data"},
		{name: "Reset in OnData", in: "data", reset: true},
		{name: "Close in OnClose", in: "close", wantClosed: 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			l := one(t)
			peer := make(chan error, 1)
			target := to(t, serve(t, "127.0.0.1:0", func(p *net.TCPConn) {
				_, written := io.WriteString(p, "greeting")
				if c.in == "close" {
					peer <- nil
					return
				}
				_, err := io.Copy(io.Discard, p)
				peer <- errors.Join(written, err)
			}))
			calls := map[string]int{}
			was := func(conn *engine.Conn, where string) {
				calls[where]++
				switch {
				case where != c.in:
				case c.reset:
					conn.Reset()
				default:
					conn.Close()
				}
			}
			var conn engine.Conn
			dial(t, l, &conn, target, &handler{
				open:  func(conn *engine.Conn) { was(conn, "open") },
				data:  func(conn *engine.Conn, _ []byte) { was(conn, "data") },
				close: func(conn *engine.Conn, _ error) { was(conn, "close") },
			})
			err := receive(t, peer, "the peer's end")
			if c.reset && engine.Classify(err) != engine.Reset {
				t.Errorf("the peer saw %v, want a reset", err)
			}
			eventually(t, "closed connection", func() bool { return l.Counts().Open+l.Counts().Connecting == 0 })
			do(t, l, func() {
				if calls["open"] != 1 || calls["close"] != c.wantClosed || (c.in == "open" && calls["data"] != 0) {
					t.Errorf("callbacks were %v, want one OnOpen, %d OnClose and none after Close", calls, c.wantClosed)
				}
			})
		})
	}
}

func TestDeadline(t *testing.T) {
	l := one(t)
	target := to(t, serve(t, "127.0.0.1:0", swallow))
	var passes, cleared engine.Conn
	ended := make(chan error, 1)
	dial(t, l, &cleared, target, &handler{
		open: func(c *engine.Conn) {
			c.SetDeadline(time.Millisecond)
			c.SetDeadline(0)
		},
		close: func(_ *engine.Conn, err error) {
			if errors.Is(err, engine.ErrTimeout) {
				t.Errorf("the connection whose deadline was cleared ended: %v", err)
			}
		},
	})
	var set time.Duration
	dial(t, l, &passes, target, &handler{
		open: func(c *engine.Conn) {
			set = l.Now()
			c.SetDeadline(30 * time.Millisecond)
		},
		close: func(_ *engine.Conn, err error) {
			if took := l.Now() - set; took < 30*time.Millisecond {
				t.Errorf("the deadline passed after %v, too early", took)
			}
			ended <- err
		},
	})
	if err := receive(t, ended, "OnClose"); !errors.Is(err, engine.ErrTimeout) {
		t.Errorf("ended with %v, want %v", err, engine.ErrTimeout)
	}
	if open := l.Counts().Open; open != 1 {
		t.Errorf("%d connections are open, want the one without deadline", open)
	}
}

// What the peer sends before it learns of our end still arrives.
func TestCloseWriteReadsOn(t *testing.T) {
	heard := make(chan string, 1)
	target := to(t, serve(t, "127.0.0.1:0", func(c *net.TCPConn) {
		data, _ := io.ReadAll(c) // until our end
		heard <- string(data)
		_, _ = c.Write([]byte("last words"))
	}))
	l := one(t)
	var conn engine.Conn
	var got []byte
	ended := make(chan error, 1)
	dial(t, l, &conn, target, &handler{
		open: func(c *engine.Conn) {
			if err := errors.Join(c.Write([]byte("bye")), c.CloseWrite()); err != nil {
				t.Errorf("Write and CloseWrite: %v", err)
			}
		},
		data:  func(_ *engine.Conn, data []byte) { got = append(got, data...) },
		close: func(_ *engine.Conn, err error) { ended <- err },
	})
	if err := receive(t, ended, "OnClose"); !errors.Is(err, io.EOF) {
		t.Errorf("ended with %v, want %v", err, io.EOF)
	}
	if h := receive(t, heard, "what the peer heard"); h != "bye" || string(got) != "last words" {
		t.Errorf("the peer heard %q and we %q", h, got)
	}
	do(t, l, func() {
		if err := conn.CloseWrite(); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("CloseWrite of a closed connection: %v", err)
		}
	})
}
