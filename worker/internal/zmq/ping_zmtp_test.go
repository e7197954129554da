//go:build !goczmq

package zmq_test

import (
	"encoding/binary"
	"fmt"
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
			if ttl := binary.BigEndian.Uint16(last.body[5:]); ttl != 150 {
				t.Fatalf("PING with TTL %d, want 150 tenths of a second", ttl)
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

// pong answers a PING.
func pong(conn net.Conn, ping frame) error {
	body := append([]byte("\x04PONG"), ping.body[7:]...)
	_, err := conn.Write(append([]byte{frameCommand, byte(len(body))}, body...))
	return err
}
