//go:build linux && !portable

package tcphold_test

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"upsurge/tasks/internal/stage"
)

// bytesPerUser is what a held connection may cost in user space, its timers
// and its user included.
const bytesPerUser = 256

func TestMemoryOfHeldConnections(t *testing.T) {
	const users = 4000
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur < users+100 {
		t.Skipf("the process may open %d descriptors, the test needs %d", limit.Cur, users+100)
	}
	s := hold(t, foreignTarget(t), stage.Options{"tcp-hold-wait-min": "0s", "tcp-hold-wait-max": "0s"})
	before := inUse()
	for entered := 1; entered <= users; entered++ {
		s.Enter()
		if entered%100 == 0 {
			s.AwaitPresent(entered)
		}
	}
	stage.Await(t, "a connect and a push for each user", func() bool { return s.Count() == 2*users })
	after := inUse()
	each := (after - before) / users
	t.Logf("%d bytes for each of %d users", each, users)
	if each > bytesPerUser {
		t.Errorf("a held connection costs %d bytes, want %d or less", each, bytesPerUser)
	}
}

// inUse is the memory that is in use, in bytes.
func inUse() int64 {
	runtime.GC()
	runtime.GC() // the second sweeps what the first found
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
