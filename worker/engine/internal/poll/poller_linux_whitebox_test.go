//go:build linux && !portable

package poll

import (
	"net"
	"testing"
	"time"
)

func TestWait(t *testing.T) {
	for name, coarse := range map[string]bool{"nanoseconds": false, "milliseconds": true} {
		t.Run(name, func(t *testing.T) {
			p, err := New()
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			p.coarse = coarse
			events := make([]Event, 4)
			for _, timeout := range []time.Duration{0, 300 * time.Microsecond, 5 * time.Millisecond} {
				begun := time.Now()
				if n, err := p.Wait(events, timeout); n != 0 || err != nil {
					t.Errorf("Wait(%v): %d events, %v", timeout, n, err)
				}
				if took := time.Since(begun); took < timeout {
					t.Errorf("Wait(%v) took %v, too short", timeout, took)
				}
			}
			for range 3 { // each wake counts, though nobody reads the counter
				go p.Wake()
				if n, err := p.Wait(events, -1); n != 0 || err != nil {
					t.Errorf("Wait when woken: %d events, %v", n, err)
				}
			}
		})
	}
}

func TestEventsCarryTheirToken(t *testing.T) {
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if errno := p.Add(int(file.Fd()), MaxSlot, 1<<32-1); errno != 0 {
		t.Fatal(errno)
	}
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	p.Wake() // is not among the events
	events := make([]Event, 4)
	n, err := p.Wait(events, -1)
	if n != 1 || err != nil {
		t.Fatalf("%d events, %v; want 1", n, err)
	}
	if slot, generation := events[0].Token(); slot != MaxSlot || generation != 1<<32-1 {
		t.Errorf("token %d, %d; want %d, %d", slot, generation, uint32(MaxSlot), uint32(1<<32-1))
	}
	if ready := events[0].Ready(); !ready.Readable() || ready.Final() {
		t.Errorf("readable %v, final %v; want true, false", ready.Readable(), ready.Final())
	}
}
