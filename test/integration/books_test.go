package integration

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"upsurge/test/locust"
)

func itoa(n int) string { return strconv.Itoa(n) }

// scene is a master, workers and a target for each class.
type scene struct {
	master           *locust.Master
	workers          *workers
	push, echo, http *target
	processes        int
}

// mixed has all three classes: most users hold.
const mixed = "testdata/mixed.py"

func newScene(t testing.TB, executable string, processes int, config locust.Config) *scene {
	t.Helper()
	s := &scene{
		push: startTarget(t, "push", "--interval", "1s", "--message", "ok"), echo: startTarget(t, "echo"), http: startTarget(t, "http"),
		processes: processes,
	}
	config.Executable = executable
	if config.Locustfile == "" {
		config.Locustfile = mixed
	}
	config.Args = append(config.Args, "--tcp-hold-host", s.push.address, "--tcp-echo-host", s.echo.address, "--http-host", "http://"+s.http.address)
	s.master = locust.Start(t, config)
	s.workers = startWorkers(t, s.master, itoa(processes))
	return s
}

// awaitWorkers waits until the master holds every worker as ready.
func (s *scene) awaitWorkers() {
	s.master.WaitFor(20*time.Second, "the workers to join", func(r locust.RequestsJSON) bool {
		return r.CountWorkers("ready") == s.processes
	})
}

// row is one line that every side has in its books.
type row struct{ method, name string }

var rows = []row{{"TCP", "connect"}, {"TCP", "recv"}, {"TCP", "echo"}, {"GET", "/"}}

// check compares the books: those of the master, the workers' own sums, and
// those of the targets. They must agree to the last request.
func (s *scene) check(t *testing.T, master map[row]sums) {
	t.Helper()
	s.workers.waitResults(s.processes)
	own := s.workers.own()
	push, echo, http := s.push.counters(), s.echo.counters(), s.http.counters()
	witness := map[row]int64{
		{"TCP", "connect"}: push.Accepted + echo.Accepted,
		{"TCP", "recv"}:    push.MessagesSent,
		{"TCP", "echo"}:    echo.MessagesSent,
		{"GET", "/"}:       http.Requests,
	}
	table := fmt.Sprintf("%-12s %12s %12s %12s\n", "", "master", "workers", "targets")
	for _, r := range rows {
		m, w := master[r], own[r.method+" "+r.name]
		table += fmt.Sprintf("%-12s %12d %12d %12d\n", r.method+" "+r.name, m.count, w.count, witness[r])
		if m != w {
			t.Errorf("%v: the master has %+v, the workers %+v", r, m, w)
		}
		if m.count != witness[r] {
			t.Errorf("%v: the master has %d, the target %d", r, m.count, witness[r])
		}
		if m.count == 0 {
			t.Errorf("%v: nothing was counted, so nothing was compared", r)
		}
		if m.failures != 0 {
			t.Errorf("%v: %d failures", r, m.failures)
		}
	}
	t.Logf("the books:\n%s", table)
	for name, c := range map[string]counters{"push": push, "echo": echo, "http": http} {
		if c.Open != 0 || c.Accepted != c.Closed {
			t.Errorf("target %s still holds connections: %+v", name, c)
		}
	}
}

func booksOf(requests locust.RequestsJSON) map[row]sums {
	books := map[row]sums{}
	for _, line := range requests.Stats {
		books[row{line.Method, line.Name}] = sums{line.NumRequests, line.NumFailures}
	}
	return books
}

func booksOfTotals(totals locust.Totals) map[row]sums {
	books := map[row]sums{}
	for _, line := range totals.Entries {
		books[row{line.Method, line.Name}] = sums{line.NumRequests, line.NumFailures}
	}
	return books
}

// total is the number of users in the tests of the books.
const total = 10000

func TestBooksAgreeAfterStopFromTheUI(t *testing.T) {
	locust.Each(t, func(t *testing.T, executable string) {
		s := newScene(t, executable, 2, locust.Config{Web: true})
		s.awaitWorkers()
		s.master.Swarm(total, 4000, nil)
		s.master.WaitFor(30*time.Second, "all users", func(r locust.RequestsJSON) bool {
			return r.State == "running" && r.UserCount == total
		})
		if open := s.push.counters().Open; open < total*9/10 {
			t.Errorf("the master shows %d users, the target %d connections", total, open)
		}
		time.Sleep(3 * time.Second) // several pushes and requests while all are there
		s.master.Stop()
		s.workers.waitResults(2)
		var last locust.RequestsJSON
		locust.Until(t, 15*time.Second, "the master's page to be up to date", func() bool {
			last = s.master.Requests()
			return last.State == "stopped" && booksOf(last)[row{"TCP", "recv"}].count == s.workers.own()["TCP recv"].count
		})
		s.check(t, booksOf(last))
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
		s.master.Wait(90 * time.Second)
		if code := s.workers.wait(20 * time.Second); code != 0 {
			t.Errorf("the workers end with exit code %d after quit", code)
		}
		s.check(t, booksOfTotals(s.master.Totals()))
	})
}

func TestBooksAgreeAfterSIGTERM(t *testing.T) {
	locust.Each(t, func(t *testing.T, executable string) {
		s := newScene(t, executable, 2, locust.Config{Web: true})
		s.awaitWorkers()
		s.master.Swarm(total, 4000, nil)
		s.master.WaitFor(30*time.Second, "all users", func(r locust.RequestsJSON) bool {
			return r.State == "running" && r.UserCount == total
		})
		time.Sleep(2 * time.Second)
		s.workers.signal(15)
		if code := s.workers.wait(20 * time.Second); code != 0 {
			t.Errorf("exit code %d after SIGTERM", code)
		}
		s.master.WaitFor(20*time.Second, "the workers to be gone", func(r locust.RequestsJSON) bool {
			return r.CountWorkers("running") == 0 && r.UserCount == 0
		})
		s.master.Terminate()
		s.check(t, booksOfTotals(s.master.Totals()))
	})
}
