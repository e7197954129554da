//go:build !goczmq

package zmq_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"upsurge/worker/internal/zmq"
)

// TestPingComesLast checks what keeps a half-open connection from living on at
// the master: after anything else, the last frame is a PING with the TTL.
// libzmq can't be made to do that.
func TestPingComesLast(t *testing.T) {
	frames := make(chan frame, 10_000)
	address := server(t, func(conn net.Conn) {
		if greet(conn, "ROUTER") != nil {
			return
		}
		// A PING of the peer: the PONG, too, must be followed by a PING.
		_, _ = conn.Write([]byte("\x04\x07\x04PING\x00\x96"))
		for {
			f, err := readFrame(conn)
			if err != nil {
				close(frames)
				return
			}
			if f.isPing() && pong(conn, f) != nil {
				return
			}
			frames <- f
		}
	})
	dealer := run(t, zmq.Config{Address: address, PingInterval: 200 * time.Millisecond})
	epoch := dealer.next(zmq.Up).Epoch
	for i := range 50 {
		if err := dealer.Send(epoch, fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
		if i%10 == 0 {
			if err := dealer.Flush(t.Context(), epoch); err != nil {
				t.Fatal(err)
			}
		}
	}
	var last frame
	messages, idle := 0, 0
	for idle < 3 { // three PINGs in a row: all of it was written
		select {
		case f, ok := <-frames:
			if !ok {
				t.Fatal("connection ended")
			}
			last = f
		case <-time.After(patience):
			t.Fatal("the PINGs stopped")
		}
		switch {
		case last.isPing():
			idle++
			if ttl := binary.BigEndian.Uint16(last.body[5:]); ttl != 60 {
				t.Fatalf("PING with TTL %d, want 60 tenths of a second", ttl)
			}
		case last.flags&frameCommand == 0:
			if string(last.body) != fmt.Sprint(messages) {
				t.Fatalf("message %d is %q", messages, last.body)
			}
			messages++
			idle = 0
		default:
			idle = 0
		}
	}
	if messages != 50 {
		t.Errorf("%d messages arrived, want 50", messages)
	}
}

// TestAnswersKeepItUp has a peer that says nothing but PONG.
func TestAnswersKeepItUp(t *testing.T) {
	pings := make(chan struct{}, 1000)
	address := server(t, func(conn net.Conn) {
		if greet(conn, "ROUTER") != nil {
			return
		}
		for {
			f, err := readFrame(conn)
			if err != nil || (f.isPing() && pong(conn, f) != nil) {
				return
			}
			pings <- struct{}{}
		}
	})
	dealer := run(t, zmq.Config{Address: address, PingInterval: 20 * time.Millisecond, PingTTL: time.Second, ReadTimeout: time.Second})
	dealer.next(zmq.Up)
	for range 75 { // half a second longer than ReadTimeout
		select {
		case <-pings:
		case event := <-dealer.Events():
			t.Fatalf("event %v: %v", event.Kind, event.Err)
		case <-time.After(patience):
			t.Fatal("the PINGs stopped")
		}
	}
}

// TestSilentPeerProvesNothing has a peer that takes messages and says nothing,
// and one that claims more than it was sent.
func TestSilentPeerProvesNothing(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer string
	}{
		{name: "silent"},
		{name: "PONG without context", answer: "\x04\x05\x04PONG"},
		{name: "more than was sent", answer: "\x04\x0d\x04PONG\x00\x00\x00\x00\x00\x00\x00\x63"},
	} {
		t.Run(c.name, func(t *testing.T) {
			address := server(t, func(conn net.Conn) {
				if greet(conn, "ROUTER") == nil {
					_, _ = io.WriteString(conn, c.answer)
					untilClosed(conn)
				}
			})
			dealer := run(t, zmq.Config{Address: address, PingInterval: shortPing, PingTTL: shortTTL, ReadTimeout: shortRead})
			epoch := dealer.next(zmq.Up).Epoch
			if err := dealer.Send(epoch, []byte("lost")); err != nil {
				t.Fatal(err)
			}
			if err := dealer.Flush(t.Context(), epoch); err != nil {
				t.Fatal(err)
			}
			down := dealer.next(zmq.Down)
			if down.Delivered != 0 || down.Quiet < shortRead/2 {
				t.Errorf("delivered %d, quiet for %v", down.Delivered, down.Quiet)
			}
		})
	}
}

// TestHeldAfterReset has a peer whose end of a connection outlives a RST: the
// next handshake must wait until a ROUTER would have dropped it.
func TestHeldAfterReset(t *testing.T) {
	shakes := make(chan time.Time, 10)
	address := server(t, func(conn net.Conn) {
		if greet(conn, "ROUTER") != nil {
			return // a look whether the process is there
		}
		shakes <- time.Now()
		if _, err := readFrame(conn); err == nil {
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}
	})
	dealer := run(t, zmq.Config{Address: address, PingTTL: time.Second, PingInterval: 500 * time.Millisecond, ReadTimeout: 2 * time.Second})
	dealer.next(zmq.Up)
	dealer.next(zmq.Down)
	dealer.next(zmq.Up)
	if pause := -(<-shakes).Sub(<-shakes); pause < 2*time.Second {
		t.Errorf("shook hands again after %v, the peer keeps a connection for that and longer", pause)
	}
}

// pong answers a PING.
func pong(conn net.Conn, ping frame) error {
	body := append([]byte("\x04PONG"), ping.body[7:]...)
	_, err := conn.Write(append([]byte{frameCommand, byte(len(body))}, body...))
	return err
}
