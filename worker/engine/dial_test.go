package engine_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"upsurge/worker/engine"
)

// outcome is what the handler of one connection saw until OnClose.
type outcome struct {
	opened   bool
	data     []byte
	err      error
	duration time.Duration
}

// follow dials and waits for OnClose.
func follow(t *testing.T, l *engine.Loop, target *engine.Target) outcome {
	t.Helper()
	var c engine.Conn
	var out outcome
	done := make(chan struct{})
	dial(t, l, &c, target, &handler{
		open: func(c *engine.Conn) {
			out.opened, out.duration = c.Opened(), c.DialDuration()
		},
		data: func(_ *engine.Conn, data []byte) { out.data = append(out.data, data...) },
		close: func(c *engine.Conn, err error) {
			if c.Opened() {
				t.Error("the connection is open in OnClose")
			}
			out.err = err
			close(done)
		},
	})
	receive(t, done, "OnClose")
	return out
}

func TestHowConnectionsEnd(t *testing.T) {
	cases := []struct {
		name   string
		serve  func(c *net.TCPConn) // nil: nobody listens
		opened bool
		data   string
		want   engine.Failure
	}{
		{name: "refused", want: engine.Refused},
		{name: "end", serve: func(*net.TCPConn) {}, opened: true, want: engine.ServerClosed},
		{
			name:   "data then end",
			serve:  func(c *net.TCPConn) { _, _ = io.WriteString(c, "last words") },
			opened: true, data: "last words", want: engine.ServerClosed,
		},
		{
			name:   "reset",
			serve:  func(c *net.TCPConn) { _ = c.SetLinger(0) },
			opened: true, want: engine.Reset,
		},
		{
			name: "data then reset",
			serve: func(c *net.TCPConn) {
				_, _ = io.WriteString(c, "last words")
				_ = c.SetLinger(0)
			},
			opened: true, data: "last words", want: engine.Reset,
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var address string
			if c.serve == nil {
				address = unused(t)
			} else {
				address = serve(t, "127.0.0.1:0", c.serve)
			}
			l := one(t)
			got := follow(t, l, to(t, address))
			if engine.Classify(got.err) != c.want {
				t.Errorf("ended with %v, want %v", got.err, c.want)
			}
			// Go's own connect gives up when the reset is there before it looks.
			lost := engine.Portable && c.want == engine.Reset
			if !lost && (got.opened != c.opened || string(got.data) != c.data) {
				t.Errorf("opened %v with data %q, want %v with %q", got.opened, got.data, c.opened, c.data)
			}
			if got.opened && got.duration <= 0 {
				t.Errorf("dial took %v, want more than 0", got.duration)
			}
			counts := l.Counts()
			if counts.Open != 0 || counts.Connecting != 0 || counts.Dialed != 1 {
				t.Errorf("counts are %+v, want 1 dialled and none live", counts)
			}
			if wantFailed := !got.opened; (counts.Failed == 1) != wantFailed {
				t.Errorf("counts are %+v, want failed: %v", counts, wantFailed)
			}
		})
	}
}

func TestDialNeverCallsBackItself(t *testing.T) {
	l := one(t)
	// The kernel refuses this source address at once: it isn't the host's.
	target := target(t, engine.TargetConfig{
		Address:         "127.0.0.1:9",
		SourceAddresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")},
	})
	var c engine.Conn
	returned := false
	ended := make(chan error, 1)
	do(t, l, func() {
		err := l.Dial(&c, target, &handler{close: func(_ *engine.Conn, err error) {
			if !returned {
				t.Error("OnClose came from inside Dial")
			}
			ended <- err
		}})
		if err != nil {
			t.Errorf("Dial: %v", err)
		}
		returned = true
	})
	if err := receive(t, ended, "OnClose"); engine.Classify(err) != engine.NoPorts {
		t.Errorf("ended with %v, want it classified as %v", err, engine.NoPorts)
	}
	if counts := l.Counts(); counts.Failed != 1 || counts.Connecting != 0 {
		t.Errorf("counts are %+v, want one failed", counts)
	}
}

func TestRedialInOnClose(t *testing.T) {
	l := one(t)
	address := serve(t, "127.0.0.1:0", func(*net.TCPConn) {})
	const rounds = 50
	good, bad := to(t, address), to(t, unused(t))
	var c engine.Conn
	var opened, closed int
	done := make(chan struct{})
	h := &handler{open: func(*engine.Conn) { opened++ }}
	h.close = func(c *engine.Conn, _ error) {
		closed++
		next := good
		if closed%2 == 1 {
			next = bad
		}
		if closed == 2*rounds {
			close(done)
			return
		}
		if err := l.Dial(c, next, h); err != nil {
			t.Errorf("Dial in OnClose: %v", err)
			close(done)
		}
	}
	dial(t, l, &c, good, h)
	receive(t, done, "the last OnClose")
	if opened != rounds {
		t.Errorf("opened %d times, want %d", opened, rounds)
	}
}

func TestDialMisuse(t *testing.T) {
	e, _ := start(t, engine.Config{Loops: 2})
	first, second := e.Loops()[0], e.Loops()[1]
	target := to(t, serve(t, "127.0.0.1:0", swallow))
	var c engine.Conn
	opened := make(chan struct{}, 1)
	h := &handler{open: func(*engine.Conn) { opened <- struct{}{} }}
	do(t, first, func() {
		if err := first.Dial(&c, target, h); err != nil {
			t.Errorf("Dial: %v", err)
		}
		if err := first.Dial(&c, target, h); !errors.Is(err, engine.ErrInUse) {
			t.Errorf("Dial while connecting: %v, want %v", err, engine.ErrInUse)
		}
		if err := c.Write([]byte("x")); !errors.Is(err, engine.ErrNotOpen) {
			t.Errorf("Write while connecting: %v, want %v", err, engine.ErrNotOpen)
		}
	})
	receive(t, opened, "OnOpen")
	do(t, first, func() {
		if err := first.Dial(&c, target, h); !errors.Is(err, engine.ErrInUse) {
			t.Errorf("Dial while open: %v, want %v", err, engine.ErrInUse)
		}
		c.Close()
		c.Close()
		c.Reset()
		c.SetDeadline(time.Second)
		if err := c.Write([]byte("x")); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("Write after Close: %v, want %v", err, engine.ErrClosed)
		}
		if c.LocalAddr().IsValid() || c.RemoteAddr().IsValid() || c.Buffered() != 0 {
			t.Error("a closed connection has addresses or bytes")
		}
	})
	do(t, second, func() {
		if err := second.Dial(&c, target, h); !errors.Is(err, engine.ErrInUse) {
			t.Errorf("Dial on another loop: %v, want %v", err, engine.ErrInUse)
		}
		c = engine.Conn{}
		if err := second.Dial(&c, target, h); err != nil {
			t.Errorf("Dial on another loop after zeroing: %v", err)
		}
	})
	receive(t, opened, "OnOpen on the other loop")
}

func TestAddresses(t *testing.T) {
	cases := []struct {
		name, listen string
		sources      []netip.Addr
	}{
		{name: "kernel's choice", listen: "127.0.0.1:0"},
		{name: "IPv4", listen: "127.0.0.1:0", sources: []netip.Addr{
			netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.3"),
		}},
		{name: "IPv6", listen: "[::1]:0", sources: []netip.Addr{netip.MustParseAddr("::1")}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if probe, err := net.Listen("tcp", c.listen); err != nil {
				t.Skipf("the host has no such address: %v", err)
			} else {
				_ = probe.Close()
			}
			seen := make(chan netip.AddrPort, 1)
			address := serve(t, c.listen, func(peer *net.TCPConn) {
				seen <- netip.MustParseAddrPort(peer.RemoteAddr().String())
				swallow(peer)
			})
			l := one(t)
			target := target(t, engine.TargetConfig{Address: address, SourceAddresses: c.sources})
			for i := range 4 {
				var conn engine.Conn
				names := make(chan [2]netip.AddrPort, 1)
				dial(t, l, &conn, target, &handler{open: func(c *engine.Conn) {
					names <- [2]netip.AddrPort{c.LocalAddr(), c.RemoteAddr()}
				}})
				got, peer := receive(t, names, "OnOpen"), receive(t, seen, "accept")
				if got[0] != peer || got[1].String() != address {
					t.Errorf("connection from %v to %v, want from %v to %v", got[0], got[1], peer, address)
				}
				if len(c.sources) > 0 && peer.Addr() != c.sources[i%len(c.sources)] {
					t.Errorf("dial %d came from %v, want the sources in turn: %v", i, peer, c.sources)
				}
			}
		})
	}
}
