package zmq_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"upsurge/worker/internal/zmq"
)

// TestPeersThatAreNoMaster checks that each wrong peer is told apart, by an
// error that names the address, and that no connection is reported.
func TestPeersThatAreNoMaster(t *testing.T) {
	greetingWith := func(at int, text string) func(net.Conn) {
		return func(conn net.Conn) {
			greeting := append([]byte(nil), peerGreeting...)
			copy(greeting[at:], text)
			_, _ = conn.Write(greeting)
			untilClosed(conn)
		}
	}
	send := func(text string) func(net.Conn) {
		return func(conn net.Conn) {
			_, _ = io.WriteString(conn, text)
			untilClosed(conn)
		}
	}
	for _, c := range []struct {
		name   string
		handle func(net.Conn)
		want   error
		text   string // in the error
	}{
		{name: "silent", handle: untilClosed, want: zmq.ErrSilent},
		{name: "closes at once", handle: func(net.Conn) {}, want: zmq.ErrPeerClosed},
		{
			name: "greeting cut short by the end",
			handle: func(conn net.Conn) {
				_, _ = conn.Write(peerGreeting[:20])
				_ = conn.(*net.TCPConn).CloseWrite()
				untilClosed(conn)
			},
			want: zmq.ErrPeerClosed, text: "20 of 64",
		},
		{name: "greeting cut short by silence", handle: send(string(peerGreeting[:20])), want: zmq.ErrSilent, text: "20 of 64"},
		{name: "greeting without READY", handle: send(string(peerGreeting)), want: zmq.ErrSilent, text: "READY"},
		{name: "talks HTTP first", handle: send("HTTP/1.1 400 Bad Request\r\n\r\n"), want: zmq.ErrNotZeroMQ, text: "8089"},
		{name: "talks SSH", handle: send("SSH-2.0-OpenSSH_9.2\r\n"), want: zmq.ErrNotZeroMQ, text: "SSH-2.0"},
		{name: "one foreign byte", handle: send("x"), want: zmq.ErrNotZeroMQ},
		{name: "ZMTP 2", handle: send(string(peerGreeting[:10]) + "\x01\x05\x00\x00"), want: zmq.ErrVersion},
		{name: "PLAIN", handle: greetingWith(12, "PLAIN"), want: zmq.ErrMechanism, text: "PLAIN"},
		{name: "CURVE", handle: greetingWith(12, "CURVE"), want: zmq.ErrMechanism, text: "CURVE"},
		{name: "PUB socket", handle: send(string(peerGreeting) + string(readyOf("PUB"))), want: zmq.ErrSocketType, text: "PUB"},
		{name: "message before READY", handle: send(string(peerGreeting) + "\x00\x01a"), want: zmq.ErrProtocol},
		{name: "refuses", handle: send(string(peerGreeting) + "\x04\x0d\x05ERROR\x06denied"), want: zmq.ErrProtocol, text: "denied"},
		{name: "READY of 4 GiB", handle: send(string(peerGreeting) + "\x06\x00\x00\x00\x01\x00\x00\x00\x00"), want: zmq.ErrProtocol},
	} {
		t.Run(c.name, func(t *testing.T) {
			failures := newAttempts()
			address := server(t, c.handle)
			dealer := run(t, zmq.Config{
				Address: address, HandshakeTimeout: shortShake, OnDialError: failures.note,
			})
			err := failures.await(t, c.want)
			for _, part := range []string{address, c.text} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not mention %q", err, part)
				}
			}
			if err := dealer.Send(1, []byte("x")); !errors.Is(err, zmq.ErrNotConnected) {
				t.Errorf("Send: %v, want %v", err, zmq.ErrNotConnected)
			}
			dealer.stopWithoutEvents()
		})
	}
}

// stopWithoutEvents ends a Dealer that never was connected.
func (c *client) stopWithoutEvents() {
	c.t.Helper()
	c.cancel()
	if event, ok := <-c.Events(); ok {
		c.t.Errorf("event %v (%v) without a connection", event.Kind, event.Err)
	}
}

// TestHTTPServer is the common mistake: a web server says nothing to a
// greeting, as that has no end of line.
func TestHTTPServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{ReadHeaderTimeout: patience}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = web.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = web.Close()
		<-served
	})
	failures := newAttempts()
	run(t, zmq.Config{
		Address: listener.Addr().String(), HandshakeTimeout: shortShake, OnDialError: failures.note,
	})
	if err := failures.await(t, zmq.ErrNotZeroMQ); !strings.Contains(err.Error(), "HTTP") {
		t.Errorf("error %q does not mention HTTP", err)
	}
}

// TestFaultsAfterHandshake checks that a connection that goes wrong ends.
func TestFaultsAfterHandshake(t *testing.T) {
	for _, c := range []struct {
		name  string
		bytes string // sent after the handshake; then silence
		want  error  // libzmq does not tell
	}{
		{name: "silence", want: zmq.ErrSilent},
		{name: "oversized frame", bytes: "\x02\x00\x00\x00\x00\x00\x01\x00\x01", want: zmq.ErrProtocol},
		{name: "frame of 2^63 bytes", bytes: "\x02\x80\x00\x00\x00\x00\x00\x00\x00", want: zmq.ErrProtocol},
		{name: "silence inside a frame", bytes: "\x00\x05ab", want: zmq.ErrSilent},
		{name: "ERROR", bytes: "\x04\x09\x05ERROR\x02no", want: zmq.ErrProtocol},
	} {
		t.Run(c.name, func(t *testing.T) {
			address := server(t, func(conn net.Conn) {
				// With its first PING the Dealer has certainly seen the connection.
				if greet(conn, "ROUTER") == nil {
					if _, err := readFrame(conn); err == nil {
						_, _ = io.WriteString(conn, c.bytes)
					}
				}
				untilClosed(conn)
			})
			dealer := run(t, zmq.Config{
				Address: address, MaxFrame: 1 << 16,
				PingInterval: shortPing, PingTTL: shortTTL, ReadTimeout: shortRead,
			})
			epoch := dealer.next(zmq.Up).Epoch
			down := dealer.next(zmq.Down)
			if down.Epoch != epoch || down.Err == nil {
				t.Errorf("Down of epoch %d: %v", down.Epoch, down.Err)
			}
			if zmq.Name == "zmtp" && !errors.Is(down.Err, c.want) {
				t.Errorf("Down: %v, want %v", down.Err, c.want)
			}
			dealer.next(zmq.Up)
		})
	}
}

// TestPingWithContext checks that a PING is answered with its own context.
func TestPingWithContext(t *testing.T) {
	answers := make(chan string, 100)
	address := server(t, func(conn net.Conn) {
		if greet(conn, "ROUTER") != nil {
			return
		}
		if _, err := io.WriteString(conn, "\x04\x0e\x04PING\x00\x96context"); err != nil {
			return
		}
		for {
			got, err := readFrame(conn)
			if err != nil {
				return
			}
			if !got.isPing() {
				answers <- string(got.body)
			}
		}
	})
	run(t, zmq.Config{Address: address}).next(zmq.Up)
	select {
	case got := <-answers:
		if got != "\x04PONGcontext" {
			t.Errorf("answer %q", got)
		}
	case <-time.After(patience):
		t.Fatal("no answer to the PING")
	}
}

// TestLateMaster starts before anything listens.
func TestLateMaster(t *testing.T) {
	port := freePort(t)
	failures := newAttempts()
	dealer := run(t, zmq.Config{Address: "127.0.0.1:" + port, OnDialError: failures.note})
	for range 3 {
		_ = failures.await(t, syscall.ECONNREFUSED)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Skipf("the port was taken meanwhile: %v", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = greet(conn, "ROUTER")
			go untilClosedThenClose(conn)
		}
	}()
	t.Cleanup(func() {
		dealer.stop()
		_ = listener.Close()
		<-done
	})
	dealer.next(zmq.Up)
}

func untilClosedThenClose(conn net.Conn) {
	untilClosed(conn)
	_ = conn.Close()
}

// TestQueueFull has a peer that shakes hands and then reads nothing.
func TestQueueFull(t *testing.T) {
	release := make(chan struct{})
	address := server(t, func(conn net.Conn) {
		if greet(conn, "ROUTER") == nil {
			<-release
		}
	})
	t.Cleanup(func() { close(release) })
	dealer := run(t, zmq.Config{Address: address, QueueMessages: 16})
	epoch := dealer.next(zmq.Up).Epoch
	message := make([]byte, 64<<10)
	for full := false; !full; {
		err := dealer.Send(epoch, message)
		for ; err == nil; err = dealer.Send(epoch, message) {
		}
		if !errors.Is(err, zmq.ErrQueueFull) {
			t.Fatalf("Send: %v, want %v", err, zmq.ErrQueueFull)
		}
		// Full for good only when nothing more leaves.
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		full = errors.Is(dealer.Flush(ctx, epoch), context.DeadlineExceeded)
		cancel()
	}
	dealer.cancel()
	if down := dealer.next(zmq.Down); !errors.Is(down.Err, zmq.ErrStopped) {
		t.Errorf("Down: %v, want %v", down.Err, zmq.ErrStopped)
	}
}

func TestTooLarge(t *testing.T) {
	c := run(t, zmq.Config{Address: server(t, func(conn net.Conn) {
		_ = greet(conn, "ROUTER")
		untilClosed(conn)
	}), MaxFrame: 1000})
	epoch := c.next(zmq.Up).Epoch
	if err := c.Send(epoch, make([]byte, 1001)); !errors.Is(err, zmq.ErrTooLarge) {
		t.Errorf("Send: %v, want %v", err, zmq.ErrTooLarge)
	}
	if err := c.Send(epoch, make([]byte, 1000)); err != nil {
		t.Errorf("Send at the limit: %v", err)
	}
}

// TestLastWords checks that what was queued when Run ends still arrives, even
// while the peer keeps talking: a connection that is closed with anything
// unread takes with it what the peer has not read. libzmq can't wait for the
// peer's end, only for a pause; hence the long linger.
func TestLastWords(t *testing.T) {
	const count = 500
	got := make(chan int, 10)
	address := server(t, func(conn net.Conn) {
		if greet(conn, "ROUTER") != nil {
			return
		}
		messages := 0
		for {
			f, err := readFrame(conn)
			if err != nil {
				break
			}
			if f.flags&frameCommand == 0 {
				messages++
				_, _ = conn.Write([]byte("\x00\x04talk"))
			}
		}
		if messages > 0 {
			got <- messages
		}
	})
	dealer := run(t, zmq.Config{Address: address, Linger: 5 * time.Second})
	epoch := dealer.next(zmq.Up).Epoch
	for range count {
		if err := dealer.Send(epoch, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	dealer.cancel()
	if down := dealer.skipTo(zmq.Down); !errors.Is(down.Err, zmq.ErrStopped) {
		t.Errorf("Down: %v, want %v", down.Err, zmq.ErrStopped)
	}
	select {
	case n := <-got:
		if n != count {
			t.Errorf("%d of %d messages arrived", n, count)
		}
	case <-time.After(patience):
		t.Error("the peer saw no end")
	}
}
