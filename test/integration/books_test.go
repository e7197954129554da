package integration

import (
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"upsurge/test/locust"
	"upsurge/test/scene"
)

func itoa(n int) string { return strconv.Itoa(n) }

// mixed has all three classes: most users hold.
const mixed = "testdata/mixed.py"

func newScene(t testing.TB, executable string, processes int, config locust.Config) *scene.Scene {
	t.Helper()
	config.Executable = executable
	if config.Locustfile == "" {
		config.Locustfile = mixed
	}
	return scene.New(t, processes, config)
}

// total is the number of users in the tests of the books.
const total = 10000

func TestBooksAgreeAfterStopFromTheUI(t *testing.T) {
	locust.Each(t, func(t *testing.T, executable string) {
		s := newScene(t, executable, 2, locust.Config{Web: true})
		s.AwaitWorkers()
		s.Master.Swarm(total, 4000, nil)
		s.Master.WaitFor(30*time.Second, "all users", func(r locust.RequestsJSON) bool {
			return r.State == "running" && r.UserCount == total
		})
		if open := s.Push.Counters().Open; open < total*9/10 {
			t.Errorf("the master shows %d users, the target %d connections", total, open)
		}
		time.Sleep(3 * time.Second) // several pushes and requests while all are there
		s.Master.Stop()
		s.Workers.WaitResults(2)
		var last locust.RequestsJSON
		locust.Until(t, 15*time.Second, "the master's page to be up to date", func() bool {
			last = s.Master.Requests()
			return last.State == "stopped" && scene.Shown(last)[scene.Receive].Count == s.Workers.Own()[scene.Receive].Count
		})
		s.Check(t, scene.Shown(last))
		if last.UserCount != 0 {
			t.Errorf("%d users after the stop", last.UserCount)
		}
	})
}

func TestBooksAgreeAfterHeadlessEnd(t *testing.T) {
	locust.Each(t, func(t *testing.T, executable string) {
		s := newScene(t, executable, 2, locust.Config{Args: []string{
			"--expect-workers", "2", "-u", itoa(total), "-r", "4000", "-t", "7s", "--stop-timeout", "10",
		}})
		s.Master.Wait(90 * time.Second)
		if code := s.Workers.Wait(20 * time.Second); code != 0 {
			t.Errorf("the workers end with exit code %d after quit", code)
		}
		s.Check(t, scene.Final(s.Master.Totals()))
	})
}

func TestBooksAgreeAfterSIGTERM(t *testing.T) {
	locust.Each(t, func(t *testing.T, executable string) {
		s := newScene(t, executable, 2, locust.Config{Web: true})
		s.AwaitWorkers()
		s.Master.Swarm(total, 4000, nil)
		s.Master.WaitFor(30*time.Second, "all users", func(r locust.RequestsJSON) bool {
			return r.State == "running" && r.UserCount == total
		})
		time.Sleep(2 * time.Second)
		s.Workers.Signal(15)
		if code := s.Workers.Wait(20 * time.Second); code != 0 {
			t.Errorf("exit code %d after SIGTERM", code)
		}
		s.Master.WaitFor(20*time.Second, "the workers to be gone", func(r locust.RequestsJSON) bool {
			return r.CountWorkers("running") == 0 && r.UserCount == 0
		})
		s.Master.Terminate()
		s.Check(t, scene.Final(s.Master.Totals()))
	})
}

// A target that is slow to take notice of the end sends on meanwhile; what it
// has sent is waited for.
func TestBooksAgreeWhenTheTargetStandsStillAtTheEnd(t *testing.T) {
	push := scene.StartTarget(t, "push", "--interval", "300ms")
	file := filepath.Join(t.TempDir(), "result.json")
	run := scene.Start(t, "run", "TcpHoldUser", "-H", push.Address, "-u", "500", "-r", "5000", "--json-file", file)
	run.WaitOutput(`users 500/500`)
	push.Signal(syscall.SIGSTOP)
	run.Signal(syscall.SIGINT)
	time.Sleep(1600 * time.Millisecond)
	push.Signal(syscall.SIGCONT)
	if code := run.Wait(20 * time.Second); code != 130 {
		t.Errorf("exit code %d", code)
	}
	received := scene.ReadResult(t, file)
	var count int64
	for _, row := range received.Requests {
		if row.Name == "recv" {
			count = row.Count
		}
	}
	if sent := push.Counters().MessagesSent; count != sent || count == 0 {
		t.Errorf("received %d of %d messages", count, sent)
	}
}
