package scene

import (
	"fmt"
	"strings"
	"testing"

	"upsurge/test/locust"
)

// Row names one line that every side has in its books.
type Row struct{ Method, Name string }

// Sums are requests and failures of a row.
type Sums struct{ Count, Failures int64 }

// Books are the sums of all rows, as one side has them.
type Books map[Row]Sums

// The rows of the scene's three classes.
var (
	Connect = Row{"TCP", "connect"}
	Receive = Row{"TCP", "recv"}
	Echo    = Row{"TCP", "echo"}
	Get     = Row{"GET", "/"}
)

// Shown are the books of the master's page.
func Shown(requests locust.RequestsJSON) Books {
	books := Books{}
	for _, line := range requests.Stats {
		books[Row{line.Method, line.Name}] = Sums{line.NumRequests, line.NumFailures}
	}
	return books
}

// Final are the books of a master that has ended.
func Final(totals locust.Totals) Books {
	books := Books{}
	for _, line := range totals.Entries {
		books[Row{line.Method, line.Name}] = Sums{line.NumRequests, line.NumFailures}
	}
	return books
}

// Scene is a master, workers and a target for each class.
type Scene struct {
	Master           *locust.Master
	Workers          *Workers
	Push, Echo, HTTP *Target

	processes int
}

// New starts targets, a master that knows them, and workers. The config's
// locustfile has the arguments of the shipped one.
func New(t testing.TB, processes int, config locust.Config) *Scene {
	t.Helper()
	s := &Scene{
		Push: StartTarget(t, "push", "--interval", "1s", "--message", "ok"), Echo: StartTarget(t, "echo"), HTTP: StartTarget(t, "http"),
		processes: processes,
	}
	config.Args = append(s.Hosts(), config.Args...)
	s.Master = locust.Start(t, config)
	s.Workers = StartWorkers(t, s.Master.Port(), processes)
	return s
}

// Hosts are the master's arguments that lead each class to its target.
func (s *Scene) Hosts() []string {
	return []string{"--tcp-hold-host", s.Push.Address, "--tcp-echo-host", s.Echo.Address, "--http-host", "http://" + s.HTTP.Address}
}

// AwaitWorkers waits until the master holds every worker as ready.
func (s *Scene) AwaitWorkers() { AwaitReady(s.Master, s.processes) }

// Check compares the books: those of the master, the workers' own sums, and
// those of the targets. They must agree to the last request.
func (s *Scene) Check(t *testing.T, master Books) {
	t.Helper()
	s.Workers.WaitResults(s.processes)
	own := s.Workers.Own()
	push, echo, http := s.Push.Counters(), s.Echo.Counters(), s.HTTP.Counters()
	witness := map[Row]int64{
		Connect: push.Accepted + echo.Accepted,
		Receive: push.MessagesSent,
		Echo:    echo.MessagesSent,
		Get:     http.Requests,
	}
	var table strings.Builder
	fmt.Fprintf(&table, "%-12s %12s %12s %12s\n", "", "master", "workers", "targets")
	for _, r := range []Row{Connect, Receive, Echo, Get} {
		m, w := master[r], own[r]
		fmt.Fprintf(&table, "%-12s %12d %12d %12d\n", r.Method+" "+r.Name, m.Count, w.Count, witness[r])
		if m != w {
			t.Errorf("%v: the master has %+v, the workers %+v", r, m, w)
		}
		if m.Count != witness[r] {
			t.Errorf("%v: the master has %d, the target %d", r, m.Count, witness[r])
		}
		if m.Count == 0 {
			t.Errorf("%v: nothing was counted, so nothing was compared", r)
		}
		if m.Failures != 0 {
			t.Errorf("%v: %d failures", r, m.Failures)
		}
	}
	t.Logf("the books:\n%s", table.String())
	for name, c := range map[string]Counters{"push": push, "echo": echo, "http": http} {
		if c.Open != 0 || c.Accepted != c.Closed {
			t.Errorf("target %s still holds connections: %+v", name, c)
		}
	}
}
