//go:build unix

package host

import (
	"fmt"
	"runtime"
	"syscall"
	"time"
)

// rusageSource asks the kernel without opening a file. It doesn't know what
// is resident now; where it is the only source, the maximum stands in.
type rusageSource struct{}

func (rusageSource) read() (counters, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return counters{}, fmt.Errorf("reading this process's usage: %w", err)
	}
	cpu := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	c := counters{
		cpuSeconds:  cpu.Seconds(),
		maxRSSBytes: int64(usage.Maxrss) * maxRSSUnit(),
	}
	if runtime.GOOS != "linux" {
		c.memoryBytes = c.maxRSSBytes
	}
	return c, nil
}

// maxRSSUnit is what ru_maxrss counts: bytes on macOS, kibibytes elsewhere.
func maxRSSUnit() int64 {
	if runtime.GOOS == "darwin" {
		return 1
	}
	return 1024
}
