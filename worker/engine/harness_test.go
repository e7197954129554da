package engine_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"upsurge/worker/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of the tests. Nothing is expected to need it.
const patience = 30 * time.Second

// handler makes a Handler of functions; those that are nil do nothing.
type handler struct {
	open  func(c *engine.Conn)
	data  func(c *engine.Conn, data []byte)
	close func(c *engine.Conn, err error)
}

func (h *handler) OnOpen(c *engine.Conn) {
	if h.open != nil {
		h.open(c)
	}
}

func (h *handler) OnData(c *engine.Conn, data []byte) {
	if h.data != nil {
		h.data(c, data)
	}
}

func (h *handler) OnClose(c *engine.Conn, err error) {
	if h.close != nil {
		h.close(c, err)
	}
}

type expiry func(t *engine.Timer)

func (f expiry) OnTimer(t *engine.Timer) { f(t) }

// start runs an engine until the test ends, or until the function it returns
// is called, which waits for the end of Run.
func start(t testing.TB, config engine.Config) (*engine.Engine, func()) {
	t.Helper()
	e, err := engine.New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := receive(t, ended, "end of Run"); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return e, stop
}

// one runs an engine with a single loop.
func one(t testing.TB) *engine.Loop {
	t.Helper()
	e, _ := start(t, engine.Config{Loops: 1})
	return e.Loops()[0]
}

// do runs f on the loop and waits for it.
func do(t testing.TB, l *engine.Loop, f func()) {
	t.Helper()
	done := make(chan struct{})
	if !l.Post(func() { defer close(done); f() }) {
		t.Fatal("the loop has ended")
	}
	receive(t, done, "posted function")
}

func receive[T any](t testing.TB, from <-chan T, what string) T {
	t.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(patience):
		t.Fatalf("waited %v for: %s", patience, what)
		panic("unreachable")
	}
}

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for: %s", patience, what)
		}
	}
}

func dial(t testing.TB, l *engine.Loop, c *engine.Conn, target *engine.Target, h engine.Handler) {
	t.Helper()
	do(t, l, func() {
		if err := l.Dial(c, target, h); err != nil {
			t.Errorf("Dial: %v", err)
		}
	})
}

// listen gives a listener on loopback that is closed when the test ends.
func listen(t testing.TB, address string) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.(*net.TCPListener)
}

// serve accepts connections and gives each to serve, on its own goroutine. It
// waits for all of them when the test ends, after closing them.
func serve(t testing.TB, address string, serve func(c *net.TCPConn)) string {
	t.Helper()
	listener := listen(t, address)
	var running sync.WaitGroup
	var mu sync.Mutex
	accepted := map[*net.TCPConn]struct{}{}
	running.Go(func() {
		for {
			c, err := listener.AcceptTCP()
			if err != nil {
				return
			}
			mu.Lock()
			accepted[c] = struct{}{}
			mu.Unlock()
			running.Go(func() {
				serve(c)
				_ = c.Close()
				mu.Lock()
				delete(accepted, c)
				mu.Unlock()
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		mu.Lock()
		for c := range accepted {
			_ = c.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	return listener.Addr().String()
}

func echo(c *net.TCPConn) { _, _ = io.Copy(c, c) }

func swallow(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) }

func target(t testing.TB, config engine.TargetConfig) *engine.Target {
	t.Helper()
	out, err := engine.NewTarget(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func to(t testing.TB, address string) *engine.Target {
	t.Helper()
	return target(t, engine.TargetConfig{Address: address})
}

// unused is a loopback address that nobody listens at.
func unused(t testing.TB) string {
	t.Helper()
	l := listen(t, "127.0.0.1:0")
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return address
}

// pattern is n bytes in which a lost or doubled piece shows.
func pattern(n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return out
}

func samePattern(got []byte, n int) bool { return bytes.Equal(got, pattern(n)) }
