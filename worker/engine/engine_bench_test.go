package engine_test

import (
	"runtime"
	"testing"

	"upsurge/worker/engine"
)

// BenchmarkDial goes from Dial to OnOpen over loopback, one after the other.
func BenchmarkDial(b *testing.B) {
	l := one(b)
	target := to(b, serve(b, "127.0.0.1:0", swallow))
	opened := make(chan struct{}, 1)
	var c engine.Conn
	h := &handler{
		open: func(c *engine.Conn) {
			c.Reset() // no TIME_WAIT: the ports would run out
			opened <- struct{}{}
		},
		close: func(_ *engine.Conn, err error) { b.Error(err); opened <- struct{}{} },
	}
	dialOnce := func() {
		if err := l.Dial(&c, target, h); err != nil {
			b.Error(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		l.Post(dialOnce)
		<-opened
	}
}

// BenchmarkEcho is a round trip on one connection; the peer is a goroutine.
func BenchmarkEcho(b *testing.B) {
	l := one(b)
	target := to(b, serve(b, "127.0.0.1:0", echo))
	message := make([]byte, 64)
	rounds := make(chan struct{}, 1)
	var c engine.Conn
	left, missing := 0, 0
	write := func() {
		missing = len(message)
		if err := c.Write(message); err != nil {
			b.Error(err)
		}
	}
	dial(b, l, &c, target, &handler{
		open: func(*engine.Conn) { rounds <- struct{}{} },
		data: func(_ *engine.Conn, data []byte) {
			if missing -= len(data); missing > 0 {
				return
			}
			if left--; left <= 0 {
				rounds <- struct{}{}
				return
			}
			write()
		},
	})
	<-rounds
	b.ReportAllocs()
	b.ResetTimer()
	l.Post(func() {
		left = b.N
		write()
	})
	<-rounds
}

// BenchmarkHeldMemory reports the user-space bytes per connection that is open
// and idle: the Conn itself and the loop's share.
func BenchmarkHeldMemory(b *testing.B) {
	const listeners, each = 40, 100 // within any host's somaxconn
	var perConn float64
	for b.Loop() {
		perConn = heldMemory(b, listeners, each)
	}
	b.ReportMetric(perConn, "bytes/conn")
	b.ReportMetric(0, "ns/op")
}

func heldMemory(b *testing.B, listeners, each int) float64 {
	l := one(b)
	count := listeners * each
	targets := make([]*engine.Target, listeners)
	for i := range targets {
		targets[i] = to(b, listen(b, "127.0.0.1:0").Addr().String()) // nobody accepts: the kernel holds them
	}
	opened := make(chan struct{}, count)
	h := &handler{open: func(*engine.Conn) { opened <- struct{}{} }}
	before := heap()
	conns := make([]engine.Conn, count)
	for i := range conns {
		dial(b, l, &conns[i], targets[i%listeners], h)
		<-opened
	}
	after := heap()
	do(b, l, func() {
		for i := range conns {
			conns[i].Reset()
		}
	})
	runtime.KeepAlive(conns)
	return float64(after-before) / float64(count)
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
