package conformance

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"upsurge/test/locust"
	"upsurge/test/relay"
	"upsurge/test/scene"
)

const (
	heartbeatLeast = 800 * time.Millisecond
	heartbeatMost  = 1200 * time.Millisecond
	// saturation is how long the machine's cores are kept busy.
	saturation = 8 * time.Second
)

func TestCheck05HeartbeatUnderLoad(t *testing.T) {
	check(t, 5, true, func(s *stand) {
		s.thrice("all cores saturated", s.saturated)
		s.thrice("a stats frame of 10 MB", s.largeFrame)
	})
}

// thrice gives a measurement that the rest of the machine can spoil three
// attempts.
func (s *stand) thrice(what string, measure func() error) {
	s.Helper()
	for attempt := 1; ; attempt++ {
		err := measure()
		if err == nil {
			return
		}
		s.Logf("%s, attempt %d: %v (load %s)", what, attempt, err, load())
		if attempt == 3 {
			s.Errorf("%s: %v", what, err)
			return
		}
	}
}

// load is the machine's load average, which tells whether others use it.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(text))
}

// saturated measures while the worker's own requests and as many busy
// processes as cores want all of the machine.
func (s *stand) saturated() error {
	target := scene.StartTarget(s, "http")
	master := s.master("HttpQpsUser", "--http-host", "http://"+target.Address)
	wire := relay.Start(s, master.Port())
	worker := scene.StartWorkers(s, wire.Port(), 1)
	scene.AwaitReady(master, 1)
	master.Swarm(100, 100, nil)
	locust.Until(s, patience, "load", func() bool { return target.Counters().Requests > 1000 })
	begin := time.Now()
	busy := exec.Command("sh", "-c", fmt.Sprintf("for i in $(seq $(nproc)); do timeout %d sh -c 'while :; do :; done' & done; wait; true", saturation/time.Second))
	if err := busy.Run(); err != nil {
		s.Fatal(err)
	}
	end := time.Now()
	err := steady(wire, begin, end)
	worker.Signal(15)
	worker.Wait(patience)
	master.Kill()
	return err
}

// largeFrame measures around a report of at least 10 MB.
func (s *stand) largeFrame() error {
	const rows = 8500
	master := s.master("LargeUser", "--large-rows", itoa(rows))
	wire := relay.Start(s, master.Port())
	worker := startClasses(s, workerSettings{Port: wire.Port(), Loops: 1})
	scene.AwaitReady(master, 1)
	begin := time.Now()
	master.Swarm(1, 1, nil)
	isLarge := func(m relay.Message) bool { return m.Type == "stats" && m.Bytes >= 10<<20 }
	locust.Until(s, patience, "a report of 10 MB", func() bool { return len(wire.Messages(isLarge)) > 0 })
	time.Sleep(4 * time.Second)
	s.Logf("the report has %.1f MB", float64(wire.Messages(isLarge)[0].Bytes)/(1<<20))
	err := steady(wire, begin, time.Now())
	master.WaitFor(2*patience, "the report on the page", func(r locust.RequestsJSON) bool {
		return r.Total().NumRequests == rows && r.CountWorkers("missing") == 0
	})
	worker.Signal(15)
	worker.Wait(patience)
	master.Kill()
	return err
}

// steady tells whether the heartbeats of that time came a second apart.
func steady(wire *relay.Relay, begin, end time.Time) error {
	beats := wire.Messages(func(m relay.Message) bool {
		return m.Direction == relay.ToMaster && m.Type == "heartbeat" && m.At.After(begin) && m.At.Before(end)
	})
	if want := int(end.Sub(begin)/time.Second) - 2; len(beats) < want {
		return fmt.Errorf("%d heartbeats in %v", len(beats), end.Sub(begin))
	}
	for i := 1; i < len(beats); i++ {
		if gap := beats[i].At.Sub(beats[i-1].At); gap < heartbeatLeast || gap > heartbeatMost {
			return fmt.Errorf("heartbeat %d of %d came after %v", i, len(beats), gap)
		}
	}
	return nil
}

func TestCheck06WorkerRow(t *testing.T) {
	check(t, 6, false, func(s *stand) {
		j := s.joined("--tcp-hold-wait-max", "100ms")
		if r := j.Requests(); len(r.Workers) != 1 || r.Workers[0].UserCount != 0 || r.Workers[0].State != "ready" {
			s.Errorf("before the test: %+v", r.Workers)
		}
		j.Swarm(200, 20, nil)
		j.WaitFor(patience, "the state spawning", func(r locust.RequestsJSON) bool { return r.CountWorkers("spawning") == 1 })
		awaitUsers(j.Master, 200)
		var row locust.WorkerRow
		j.WaitFor(patience, "the worker's row", func(r locust.RequestsJSON) bool {
			row = r.Workers[0]
			return row.State == "running" && row.UserCount == 200
		})
		resident := residentBytes(s, j.worker.Command.Process.Pid)
		if row.MemoryUsage < resident*8/10 || row.MemoryUsage > resident*12/10 {
			s.Errorf("memory %d, the system says %d", row.MemoryUsage, resident)
		}
		if row.CPUUsage < 0 || row.CPUUsage > 100 {
			s.Errorf("CPU %v %%", row.CPUUsage)
		}
		if m, _ := j.Last(relay.ToMaster, "heartbeat"); m.Node != row.ID {
			s.Errorf("id %q, the heartbeats are from %q", row.ID, m.Node)
		}
		j.Stop()
		j.WaitFor(patience, "the state ready", func(r locust.RequestsJSON) bool {
			return r.CountWorkers("ready") == 1 && r.Workers[0].UserCount == 0
		})
		s.busyRow()
	})
}

// busyRow looks at the CPU column of a worker that works hard.
func (s *stand) busyRow() {
	s.Helper()
	target := scene.StartTarget(s, "http")
	master := s.master("HttpQpsUser", "--http-host", "http://"+target.Address)
	scene.StartWorkers(s, master.Port(), 1)
	scene.AwaitReady(master, 1)
	master.Swarm(20, 20, nil)
	master.WaitFor(patience, "a CPU use", func(r locust.RequestsJSON) bool {
		return r.Workers[0].CPUUsage > 5 && r.Workers[0].CPUUsage <= 100
	})
	master.Stop()
}

// residentBytes asks the kernel for a process's resident memory.
func residentBytes(t testing.TB, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Fatal(err)
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(text), &size, &resident); err != nil {
		t.Fatal(err)
	}
	return resident * int64(os.Getpagesize())
}

func TestCheck27HeartbeatsUnanswered(t *testing.T) {
	check(t, 27, false, func(s *stand) {
		master := s.master("TcpHoldUser")
		wire := relay.Start(s, master.Port())
		worker := scene.StartWorkers(s, wire.Port(), 1)
		scene.AwaitReady(master, 1)
		replies := s.since("2.19")
		if replies {
			awaitCount(s, wire, relay.ToWorker, "heartbeat", 2)
		}
		begin := time.Now()
		wire.Judge(func(m relay.Message) relay.Verdict {
			return relay.Verdict{Drop: m.Direction == relay.ToWorker && m.Type == "heartbeat"}
		})
		if !replies {
			time.Sleep(70 * time.Second)
			if worker.HasEnded() {
				s.Error("the worker ended although this master never replies to heartbeats")
			}
			hears(s, master)
			return
		}
		code := worker.Wait(100 * time.Second)
		took := time.Since(begin)
		if code == 0 || took < 50*time.Second || took > 80*time.Second {
			s.Errorf("the worker ended with exit code %d after %v", code, took)
		}
	})
}
