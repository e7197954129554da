package tcpecho_test

import (
	"io"
	"testing"

	"upsurge/tasks/internal/stage"
	"upsurge/worker/engine"
)

func TestEchoAllocatesNothing(t *testing.T) {
	s, caller, _, _ := waiting(t, stage.Options{"tcp-echo-interval": untouched})
	handler, expirer := caller.(engine.Handler), caller.(engine.Expirer)
	data := []byte("ping")
	var allocations float64
	s.Do(func() {
		// Nobody reads the other end: few enough for the kernel's buffers.
		allocations = testing.AllocsPerRun(1000, func() {
			handler.OnData(nil, data)
			expirer.OnTimer(nil)
		})
	})
	if allocations != 0 {
		t.Errorf("%v allocations for an echo and the next send, want 0", allocations)
	}
	if got := len(s.Samples(echoRow)); got != 1001 || s.Present() != 1 {
		t.Errorf("%d echoes and %d present users, want 1001 and 1", got, s.Present())
	}
}

// BenchmarkEcho is what a user does with an echo, and its next send, which is
// the kernel's time for the most part.
func BenchmarkEcho(b *testing.B) {
	s, caller, _, peer := waiting(b, stage.Options{"tcp-echo-interval": untouched})
	swallowed := make(chan struct{})
	go func() {
		defer close(swallowed)
		_, _ = io.Copy(io.Discard, peer.TCPConn)
	}()
	handler, expirer := caller.(engine.Handler), caller.(engine.Expirer)
	data := []byte("ping")
	s.Do(func() {
		b.ReportAllocs()
		for b.Loop() {
			handler.OnData(nil, data)
			expirer.OnTimer(nil)
		}
	})
	_ = peer.Close()
	<-swallowed
}
