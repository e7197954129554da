//go:build linux && !portable

package server_test

import (
	"runtime"
	"testing"

	"upsurge/targets"
	"upsurge/targets/internal/targettest"
)

// heldConnections is what one process can hold at both ends under modest
// descriptor limits.
const heldConnections = 4096

func userBytes() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC() // the first one leaves what sync.Pool held
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc + stats.StackInuse)
}

// bytesPerConnection measures heap and stacks with all connections idle.
func bytesPerConnection(t testing.TB) float64 {
	s := newSilent(t, nil)
	stop := targettest.Start(t, s)
	fds := clients(t, heldConnections)
	before := userBytes()
	connect(t, s, fds)
	targettest.Await(t, s, "all connections", func(s targets.Stats) bool { return s.Open == heldConnections })
	after := userBytes()
	stop()
	return float64(after-before) / heldConnections
}

func TestHeldConnectionCostsAtMost256Bytes(t *testing.T) {
	got := bytesPerConnection(t)
	t.Logf("%.0f bytes for a held connection", got)
	if got > 256 {
		t.Errorf("a held connection costs %.0f bytes, want at most 256", got)
	}
}

func BenchmarkHeldConnection(b *testing.B) {
	for b.Loop() {
		b.ReportMetric(bytesPerConnection(b), "bytes/conn")
	}
}
