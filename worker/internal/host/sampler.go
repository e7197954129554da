// Package host measures what this process uses of its machine, for the
// heartbeats that a worker sends to its master.
package host

import (
	"runtime"
	"time"
)

// minInterval is the shortest time over which CPU usage is computed. The
// kernel counts CPU time in steps of 10 ms, so a shorter one shows noise.
const minInterval = 200 * time.Millisecond

// Usage is what this process uses.
type Usage struct {
	// CPUPercent is the share of the CPU time that this process may use, 0 to
	// 100, since the sample before. 100 means that every core that the Go
	// scheduler may run on was busy with this process; a Locust master warns
	// above 90.
	CPUPercent float64
	// MemoryBytes is resident now.
	MemoryBytes int64
	// CPUSeconds is the CPU time since the process started, all cores.
	CPUSeconds float64
	// MaxRSSBytes is the most that was ever resident.
	MaxRSSBytes int64
}

// Sampler measures this process alone: where several workers share a host,
// each reports its own part. It belongs to one goroutine.
type Sampler struct {
	counters source
	cores    func() int

	last     Usage
	baseTime time.Duration
	baseCPU  float64
	hasBase  bool
}

// counters are readings of the operating system.
type counters struct {
	cpuSeconds  float64
	memoryBytes int64 // 0: this source doesn't know
	maxRSSBytes int64
}

// source reads the counters.
type source interface {
	read() (counters, error)
}

// New returns a Sampler of this process. Root is where procfs is mounted, ""
// for /proc; systems without procfs ignore it. Threads is on how many threads
// the process does its work, 0 for as many as there are cores: one event loop
// that is busy all the time is 100 % also on a machine with many cores. The
// error says that there is no procfs.
func New(root string, threads int) (*Sampler, error) {
	s, err := newSource(root)
	if err != nil {
		return nil, err
	}
	cores := usableCores
	if threads > 0 {
		cores = func() int { return min(usableCores(), threads) }
	}
	return &Sampler{counters: s, cores: cores}, nil
}

// usableCores is how many cores can run Go code of this process at a time.
// The runtime's numbers respect CPU affinity and cgroup limits.
func usableCores() int {
	return min(runtime.GOMAXPROCS(0), runtime.NumCPU())
}

// Sample measures. Now is a reading of a monotonic clock with any origin. The
// first sample has no CPUPercent; one that comes too soon after another
// repeats its CPUPercent. When a counter can't be read, Sample returns the
// values of the sample before, and why: send them all the same, because a
// worker without heartbeats is taken for dead.
func (s *Sampler) Sample(now time.Duration) (Usage, error) {
	c, err := s.counters.read()
	if err != nil {
		return s.last, err
	}
	s.last.CPUSeconds = c.cpuSeconds
	s.last.MaxRSSBytes = c.maxRSSBytes
	if c.memoryBytes > 0 {
		s.last.MemoryBytes = c.memoryBytes
	}
	elapsed := now - s.baseTime
	if s.hasBase && elapsed < minInterval {
		return s.last, nil
	}
	if s.hasBase {
		s.last.CPUPercent = percent(c.cpuSeconds-s.baseCPU, elapsed, s.cores())
	}
	s.baseTime, s.baseCPU, s.hasBase = now, c.cpuSeconds, true
	return s.last, nil
}

// percent is capped because threads in system calls run beside GOMAXPROCS,
// and because the kernel's steps are coarse.
func percent(cpuSeconds float64, elapsed time.Duration, cores int) float64 {
	return min(max(100*cpuSeconds/(elapsed.Seconds()*float64(cores)), 0), 100)
}
