package zmq

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func testConfig() Config {
	return Config{QueueMessages: 3, QueueBytes: 10, MaxFrame: 20}.withDefaults()
}

func TestOutboxLimits(t *testing.T) {
	o := newOutbox(testConfig())
	if err := o.send(1, nil); !errors.Is(err, ErrNotConnected) {
		t.Errorf("before the first connection: %v", err)
	}
	epoch := o.begin()
	for _, c := range []struct {
		name string
		size int
		want error
	}{
		{name: "over the frame limit", size: 21, want: ErrTooLarge},
		{name: "alone over the byte limit", size: 20},
		{name: "over the byte limit", size: 1, want: ErrQueueFull},
		{name: "empty", size: 0, want: ErrQueueFull},
	} {
		if err := o.send(epoch, make([]byte, c.size)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	batch := o.take(nil, 1)
	if err := o.send(epoch, []byte("x")); !errors.Is(err, ErrQueueFull) {
		t.Errorf("taken, not settled: %v, want %v", err, ErrQueueFull)
	}
	o.settle(batch)
	for i := range 3 {
		if err := o.send(epoch, []byte("x")); err != nil {
			t.Errorf("message %d: %v", i, err)
		}
	}
	if err := o.send(epoch, nil); !errors.Is(err, ErrQueueFull) {
		t.Errorf("over the message limit: %v, want %v", err, ErrQueueFull)
	}
}

func TestOutboxEpochs(t *testing.T) {
	o := newOutbox(testConfig())
	first := o.begin()
	if err := o.send(first, []byte("old")); err != nil {
		t.Fatal(err)
	}
	inFlight := o.take(nil, 1)
	if err := o.send(first, []byte("old")); err != nil {
		t.Fatal(err)
	}
	o.drop()
	o.settle(inFlight) // a writer that ends late
	if err := o.send(first, nil); !errors.Is(err, ErrNotConnected) {
		t.Errorf("after the end: %v, want %v", err, ErrNotConnected)
	}
	second := o.begin()
	if err := o.send(first, nil); !errors.Is(err, ErrStale) {
		t.Errorf("old epoch: %v, want %v", err, ErrStale)
	}
	if err := o.send(second+1, nil); !errors.Is(err, ErrNotConnected) {
		t.Errorf("epoch to come: %v, want %v", err, ErrNotConnected)
	}
	if left := o.take(nil, 100); len(left) != 0 {
		t.Errorf("%q went over to the next connection", left)
	}
	for i := range 3 { // the limits start afresh
		if err := o.send(second, []byte("new")); err != nil {
			t.Errorf("message %d: %v", i, err)
		}
	}
	o.shut()
	if err := o.send(second, nil); !errors.Is(err, ErrNotConnected) {
		t.Errorf("shut: %v, want %v", err, ErrNotConnected)
	}
	if left := o.take(nil, 100); len(left) != 3 {
		t.Errorf("%d messages left after shut, want 3", len(left))
	}
}

func TestOutboxFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox(testConfig())
		epoch := o.begin()
		flush := func(ctx context.Context) <-chan error {
			result := make(chan error, 1)
			go func() { result <- o.flush(ctx, epoch) }()
			synctest.Wait()
			return result
		}
		if err := <-flush(t.Context()); err != nil {
			t.Errorf("nothing to flush: %v", err)
		}
		_ = o.send(epoch, []byte("a"))
		waiting := flush(t.Context())
		_ = o.send(epoch, []byte("b"))
		o.settle(o.take(nil, 1))
		if err := <-waiting; err != nil {
			t.Errorf("the message before was settled: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := <-flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("nobody settles: %v, want %v", err, context.DeadlineExceeded)
		}
		waiting = flush(t.Context())
		o.drop()
		if err := <-waiting; !errors.Is(err, ErrNotConnected) {
			t.Errorf("dropped: %v, want %v", err, ErrNotConnected)
		}
	})
}
