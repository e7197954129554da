package host_test

import (
	"math"
	"os"
	"runtime"
	"testing"
	"time"

	"upsurge/worker/internal/host"
)

// The system's own counters: no figure is known beforehand, but the relations
// between them are.
func TestSampleOfThisProcess(t *testing.T) {
	sampler, err := host.New("", 0)
	if err != nil {
		t.Fatal(err)
	}
	first, err := sampler.Sample(0)
	if err != nil {
		t.Fatal(err)
	}
	if first.CPUPercent != 0 {
		t.Errorf("the first sample has %v%% CPU", first.CPUPercent)
	}
	ballast := make([]byte, 64<<20)
	for i := range ballast {
		ballast[i] = 1
	}
	burn(sampler, t, first.CPUSeconds+0.1)
	second, err := sampler.Sample(time.Second)
	if err != nil {
		t.Fatal(err)
	}
	runtime.KeepAlive(ballast)
	if grown := second.MaxRSSBytes - first.MaxRSSBytes; grown < 32<<20 {
		t.Errorf("64 MiB more in use raised the maximum by %d bytes", grown)
	}
	if second.MemoryBytes <= 0 || second.MemoryBytes > second.MaxRSSBytes+1<<20 {
		t.Errorf("%d bytes resident, at most %d", second.MemoryBytes, second.MaxRSSBytes)
	}
	cores := float64(min(runtime.GOMAXPROCS(0), runtime.NumCPU()))
	want := min(100*(second.CPUSeconds-first.CPUSeconds)/cores, 100)
	if second.CPUPercent <= 0 || math.Abs(second.CPUPercent-want) > 1e-6 {
		t.Errorf("%v%% CPU, want %v%%", second.CPUPercent, want)
	}
}

// burn uses CPU until the process has used that many seconds of it.
func burn(sampler *host.Sampler, t *testing.T, until float64) {
	t.Helper()
	for {
		usage, err := sampler.Sample(time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		if usage.CPUSeconds >= until {
			return
		}
	}
}

func BenchmarkSample(b *testing.B) {
	if runtime.GOOS == "linux" {
		if _, err := os.Stat("/proc/self/stat"); err != nil {
			b.Skip(err)
		}
	}
	sampler, err := host.New("", 0)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	now := time.Duration(0)
	for b.Loop() {
		now += time.Second
		if _, err := sampler.Sample(now); err != nil {
			b.Fatal(err)
		}
	}
}
