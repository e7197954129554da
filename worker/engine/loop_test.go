package engine_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"upsurge/worker/engine"
)

func TestPostOrder(t *testing.T) {
	const posters, each = 4, 2000
	l := one(t)
	next := make([]int, posters) // loop goroutine only
	var posting sync.WaitGroup
	for p := range posters {
		posting.Go(func() {
			for i := range each {
				l.Post(func() {
					if next[p] != i {
						t.Errorf("poster %d: function %d ran in place of %d", p, i, next[p])
					}
					next[p]++
				})
			}
		})
	}
	posting.Wait()
	do(t, l, func() {
		for p := range posters {
			if next[p] != each {
				t.Errorf("poster %d: %d functions ran before the last one, want %d", p, next[p], each)
			}
		}
	})
}

func TestAcceptedPostsRun(t *testing.T) {
	e, stop := start(t, engine.Config{Loops: 1})
	l := e.Loops()[0]
	ran, accepted := 0, 0 // ran: loop goroutine only, until its end
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		for l.Post(func() { ran++ }) {
			accepted++
		}
	}()
	eventually(t, "some functions", func() bool {
		some := false
		do(t, l, func() { some = ran > 10 })
		return some
	})
	stop()
	receive(t, finished, "refused Post")
	if ran != accepted {
		t.Errorf("%d functions ran, want all that were accepted: %d", ran, accepted)
	}
	if l.Post(func() { t.Error("ran after the end") }) {
		t.Error("Post after the end was accepted")
	}
}

func TestPostBeforeRun(t *testing.T) {
	e, err := engine.New(engine.Config{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := false
	e.Loops()[0].Post(func() { ran = true; cancel() })
	if err := e.Run(ctx); err != nil || !ran {
		t.Errorf("Run: %v; the function ran: %v", err, ran)
	}
	if err := e.Run(ctx); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("second Run: %v, want %v", err, engine.ErrClosed)
	}
	if err := e.Close(); err != nil {
		t.Errorf("Close after Run: %v", err)
	}
}

func TestCloseWithoutRun(t *testing.T) {
	before := descriptors(t)
	e, err := engine.New(engine.Config{Loops: 3})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := e.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if e.Loops()[2].Post(func() {}) {
		t.Error("Post after Close was accepted")
	}
	if err := e.Run(context.Background()); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("Run after Close: %v, want %v", err, engine.ErrClosed)
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors are open, %d before", after, before)
	}
}

func TestConfigFaults(t *testing.T) {
	for _, config := range []engine.Config{{Loops: -1}, {ReadBuffer: -1}, {ReadBuffer: 100}} {
		if _, err := engine.New(config); err == nil {
			t.Errorf("New(%+v) gave no error", config)
		}
	}
}

func TestEndClosesEverything(t *testing.T) {
	const count = 40
	e, stop := start(t, engine.Config{Loops: 2})
	peers := make(chan error, count)
	target := to(t, serve(t, "127.0.0.1:0", func(c *net.TCPConn) {
		_, err := io.Copy(io.Discard, c)
		peers <- err
	}))
	opened, closed := make(chan struct{}, count), make(chan error, count)
	conns := make([]engine.Conn, count)
	for i := range conns {
		l := e.Loops()[i%2]
		h := &handler{open: func(*engine.Conn) { opened <- struct{}{} }}
		h.close = func(c *engine.Conn, err error) {
			closed <- err
			if again := l.Dial(c, target, h); !errors.Is(again, engine.ErrClosed) {
				t.Errorf("Dial while the loop ends: %v, want %v", again, engine.ErrClosed)
			}
		}
		dial(t, l, &conns[i], target, h)
	}
	for range count {
		receive(t, opened, "OnOpen")
	}
	stop()
	if len(closed) != count {
		t.Fatalf("%d connections had OnClose by the end of Run, want %d", len(closed), count)
	}
	for range count {
		if err := <-closed; !errors.Is(err, engine.ErrClosed) {
			t.Errorf("OnClose with %v, want %v", err, engine.ErrClosed)
		}
		if err := receive(t, peers, "the peer's end"); err != nil {
			t.Errorf("the peer saw %v, want an orderly end", err)
		}
	}
}

func TestSchedule(t *testing.T) {
	l := one(t)
	delays := []time.Duration{0, -time.Second, 300 * time.Microsecond, time.Millisecond, 7 * time.Millisecond, 70 * time.Millisecond}
	timers := make([]engine.Timer, len(delays))
	var cancelled, far engine.Timer
	fired := make(chan struct{}, len(delays))
	do(t, l, func() {
		for i, delay := range delays {
			set := l.Now()
			l.Schedule(&timers[i], delay, expiry(func(timer *engine.Timer) {
				if took := l.Now() - set; took < delay || timer.Armed() {
					t.Errorf("timer of %v fired after %v, armed: %v", delay, took, timer.Armed())
				}
				fired <- struct{}{}
			}))
		}
		never := expiry(func(*engine.Timer) { t.Error("a cancelled timer fired") })
		l.Schedule(&cancelled, time.Millisecond, never)
		l.Cancel(&cancelled)
		l.Cancel(&cancelled)
		l.Schedule(&far, 1<<63-1, never)
		if cancelled.Armed() || !far.Armed() {
			t.Error("Armed is wrong")
		}
	})
	for range delays {
		receive(t, fired, "timers")
	}
}

func TestLag(t *testing.T) {
	const late = 20 * time.Millisecond
	l := one(t)
	var timer engine.Timer
	fired := make(chan struct{})
	do(t, l, func() {
		l.Schedule(&timer, 0, expiry(func(*engine.Timer) { close(fired) }))
		// The timer's tick ends within one more millisecond.
		for until := l.Now() + late + time.Millisecond; l.Now() < until; {
			runtime.Gosched()
		}
	})
	receive(t, fired, "timer")
	if lag := l.Counts().Lag; lag < late {
		t.Errorf("Lag is %v, want at least %v", lag, late)
	}
	if lag := l.Counts().Lag; lag != 0 {
		t.Errorf("Lag is %v without a timer since, want 0", lag)
	}
}

func TestIndexAndRand(t *testing.T) {
	e, _ := start(t, engine.Config{Loops: 3})
	for i, l := range e.Loops() {
		if l.Index() != i {
			t.Errorf("loop %d has index %d", i, l.Index())
		}
		do(t, l, func() {
			if l.Rand().Uint64() == l.Rand().Uint64() {
				t.Error("Rand gave the same number twice")
			}
		})
	}
}

func descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("no list of descriptors here: %v", err)
	}
	return len(entries)
}

func TestManyConnectionsLeaveNothingBehind(t *testing.T) {
	const count = 2000
	e, _ := start(t, engine.Config{Loops: 2})
	target := to(t, serve(t, "127.0.0.1:0", swallow))
	live := func() (sum int64) {
		for _, l := range e.Loops() {
			sum += l.Counts().Open
		}
		return sum
	}
	round := func() {
		conns := make([]engine.Conn, count)
		for i := range conns {
			l := e.Loops()[i%2]
			l.Post(func() {
				if err := l.Dial(&conns[i], target, &handler{}); err != nil {
					t.Errorf("Dial: %v", err)
				}
			})
		}
		eventually(t, "open connections", func() bool { return live() == count })
		for i := range conns {
			e.Loops()[i%2].Post(conns[i].Close)
		}
		eventually(t, "closed connections", func() bool { return live() == 0 })
	}
	round() // what the first one leaves is what the process keeps anyway
	before, goroutines := descriptors(t), runtime.NumGoroutine()
	round()
	eventually(t, "as many descriptors and goroutines as before", func() bool {
		return descriptors(t) <= before && runtime.NumGoroutine() <= goroutines
	})
}
