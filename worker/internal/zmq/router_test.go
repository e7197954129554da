package zmq_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"upsurge/worker/internal/zmq"
)

func TestFrameSizes(t *testing.T) {
	c := run(t, zmq.Config{Address: router(t)})
	epoch := c.next(zmq.Up).Epoch
	for _, size := range []int{0, 1, 254, 255, 256, 8191, 8192, 70_000, 3 << 20} {
		sent := bytes.Repeat([]byte{byte(size), 0xff, 0x00, 0x7f}, size/4+1)[:size]
		if err := c.Send(epoch, sent); err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		got := c.next(zmq.Message)
		if !bytes.Equal(got.Data, sent) || got.Epoch != epoch {
			t.Errorf("%d bytes came back as %d, epoch %d", size, len(got.Data), got.Epoch)
		}
	}
}

func TestManyMessagesInOrder(t *testing.T) {
	const count = 5000
	c := run(t, zmq.Config{Address: router(t), QueueMessages: 2 * count})
	epoch := c.next(zmq.Up).Epoch
	buffer := make([]byte, 0, 300)
	for i := range count {
		// The Dealer must have copied the last one: the buffer is used again.
		buffer = fmt.Appendf(buffer[:0], "%d %0*d", i, i%250, 0)
		if err := c.Send(epoch, buffer); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	for i := range count {
		want := fmt.Sprintf("%d %0*d", i, i%250, 0)
		if got := c.next(zmq.Message); string(got.Data) != want {
			t.Fatalf("message %d is %q, want %q", i, got.Data, want)
		}
	}
}

func TestMultipartIsLeftOut(t *testing.T) {
	c := run(t, zmq.Config{Address: router(t)})
	epoch := c.next(zmq.Up).Epoch
	if err := c.Send(epoch, []byte("multipart please")); err != nil {
		t.Fatal(err)
	}
	if got := c.next(zmq.Message); string(got.Data) != "multipart please" {
		t.Errorf("got %q, want the echo that follows the multipart message", got.Data)
	}
}

// TestCuts cuts the connection again and again. Each time the Dealer must
// notice, come back under the same identity, be heard, and leave nothing.
func TestCuts(t *testing.T) {
	relay := newProxy(t, router(t))
	for _, c := range []struct {
		name  string
		reset bool
	}{{name: "FIN"}, {name: "RST", reset: true}} {
		t.Run(c.name, func(t *testing.T) {
			dealer := run(t, zmq.Config{
				Address: relay.address, BackoffMax: 200 * time.Millisecond,
			})
			dealer.Hasty(true) // the proxy cuts both sides
			var goroutines, descriptors int
			for cut := range 20 {
				up := dealer.next(zmq.Up)
				exchange(t, dealer, up.Epoch, fmt.Sprintf("after %d cuts", cut))
				if cut == 2 {
					goroutines, descriptors = runtime.NumGoroutine(), openDescriptors(t)
				}
				if err := dealer.Send(up.Epoch-1, []byte("late")); err == nil {
					t.Fatal("Send accepted a message of the connection before")
				}
				relay.cut(c.reset)
				down := dealer.next(zmq.Down)
				if down.Epoch != up.Epoch || !errors.Is(down.Err, zmq.ErrPeerClosed) {
					t.Fatalf("cut %d: Down of epoch %d: %v; want epoch %d and %v",
						cut, down.Epoch, down.Err, up.Epoch, zmq.ErrPeerClosed)
				}
				if err := dealer.Send(up.Epoch, []byte("gap")); !isGone(err) {
					t.Fatalf("Send in the gap: %v", err)
				}
			}
			exchange(t, dealer, dealer.next(zmq.Up).Epoch, "after the last cut")
			eventually(t, "no more goroutines than after the second cut",
				func() bool { return runtime.NumGoroutine() <= goroutines })
			eventually(t, "no more descriptors than after the second cut",
				func() bool { return openDescriptors(t) <= descriptors })
		})
	}
}

// isGone tells whether Send refused because the connection ended; the next one
// may be there already.
func isGone(err error) bool {
	return errors.Is(err, zmq.ErrNotConnected) || errors.Is(err, zmq.ErrStale)
}

// TestDelivered checks that messages count as delivered once they are with the
// peer, and that the connection's end has the last word on them.
func TestDelivered(t *testing.T) {
	c := run(t, zmq.Config{Address: router(t)})
	epoch := c.next(zmq.Up).Epoch
	for i := range 3 {
		exchange(t, c, epoch, fmt.Sprint(i))
	}
	eventually(t, "3 messages delivered", func() bool { return c.Delivered() == 3 })
	c.Reset("test")
	if down := c.next(zmq.Down); down.Delivered != 3 || down.Quiet > patience {
		t.Errorf("delivered %d at the end, want 3; quiet for %v", down.Delivered, down.Quiet)
	}
	c.next(zmq.Up)
	if n := c.Delivered(); n != 0 {
		t.Errorf("%d messages delivered on a connection without any", n)
	}
}

func TestReset(t *testing.T) {
	c := run(t, zmq.Config{Address: router(t)})
	for i := range 5 {
		up := c.next(zmq.Up)
		if up.Epoch != uint64(i+1) {
			t.Fatalf("epoch %d, want %d", up.Epoch, i+1)
		}
		exchange(t, c, up.Epoch, "hello")
		start := time.Now()
		c.Reset("no answer")
		down := c.next(zmq.Down)
		if !errors.Is(down.Err, zmq.ErrReset) || down.Epoch != up.Epoch {
			t.Errorf("Down of epoch %d: %v; want epoch %d and %v", down.Epoch, down.Err, up.Epoch, zmq.ErrReset)
		}
		if err := c.Send(up.Epoch, []byte("gap")); !isGone(err) {
			t.Errorf("Send after Reset: %v", err)
		}
		if i == 4 {
			c.next(zmq.Up)
			if pause := time.Since(start); pause < 100*time.Millisecond {
				t.Errorf("up again after %v, want a pause of at least 100ms", pause)
			}
		}
	}
}

func TestFlush(t *testing.T) {
	c := run(t, zmq.Config{Address: router(t)})
	if err := c.Flush(t.Context(), 0); !errors.Is(err, zmq.ErrNotConnected) {
		t.Errorf("Flush before the connection: %v", err)
	}
	epoch := c.next(zmq.Up).Epoch
	if err := c.Send(epoch, make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := c.Flush(t.Context(), epoch); err != nil {
		t.Errorf("Flush: %v", err)
	}
	if err := c.Flush(t.Context(), epoch); err != nil {
		t.Errorf("Flush with nothing to do: %v", err)
	}
	c.Reset("test")
	c.skipTo(zmq.Down)
	c.next(zmq.Up)
	if err := c.Flush(t.Context(), epoch); !errors.Is(err, zmq.ErrStale) {
		t.Errorf("Flush of the last epoch: %v", err)
	}
}

func TestRunTwice(t *testing.T) {
	c := run(t, zmq.Config{Address: router(t)})
	c.next(zmq.Up)
	if err := c.Run(context.Background()); err == nil {
		t.Error("a second Run returned nil")
	}
}

// exchange sends a message and waits for its echo.
func exchange(t *testing.T, c *client, epoch uint64, text string) {
	t.Helper()
	if err := c.Send(epoch, []byte(text)); err != nil {
		t.Fatalf("send %q: %v", text, err)
	}
	if got := c.next(zmq.Message); string(got.Data) != text || got.Epoch != epoch {
		t.Fatalf("got %q of epoch %d, want %q of epoch %d", got.Data, got.Epoch, text, epoch)
	}
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("no list of descriptors here: %v", err)
	}
	return len(entries)
}
