package conformance

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"upsurge/test/locust"
	"upsurge/test/relay"
	"upsurge/test/scene"
	"upsurge/worker"
)

const (
	// conformancePlan is the master's locustfile of most checks.
	conformancePlan = "testdata/conformance.py"

	// patience is for waits whose end is certain unless something is broken.
	patience = 30 * time.Second
)

// stand is what one check gets: one master's executable and one build.
type stand struct {
	*testing.T
	executable string
	version    string // of Locust
	limit      string
}

// check runs a check with each Locust and accounts for what came of it. Checks
// and masters run side by side, except those that want the machine alone.
func check(t *testing.T, number int, alone bool, run func(s *stand)) {
	t.Helper()
	index := slices.IndexFunc(Checks(), func(c Check) bool { return c.Number == number })
	if index < 0 {
		t.Fatalf("no check has the number %d", number)
	}
	if os.Getenv("CONFORMANCE") == "short" && !Checks()[index].Quick {
		t.Skip("CONFORMANCE=short runs the quick checks only")
	}
	if !alone {
		t.Parallel()
	}
	locust.EachRelease(t, func(t *testing.T, executable, version string) {
		s := &stand{T: t, executable: executable, version: version}
		if !alone {
			t.Parallel()
		}
		begin := time.Now()
		t.Cleanup(func() { s.account(number, begin) }) // the first cleanup runs last
		run(s)
	})
}

// account writes the outcome down.
func (s *stand) account(number int, begin time.Time) {
	path := os.Getenv("UPSURGE_CONFORMANCE_RESULTS")
	if path == "" {
		return
	}
	o := Outcome{
		Check: number, Locust: s.version, Build: worker.Transport, Result: Passed, Note: s.limit,
		Seconds: time.Since(begin).Seconds(), Ended: time.Now(),
	}
	switch {
	case s.Failed():
		o.Result = Failed
	case s.Skipped():
		o.Result = Skipped
	case s.limit != "":
		o.Result = Limited
	}
	if err := o.Append(path); err != nil {
		s.Error(err)
	}
}

// limited notes what this release of Locust does not let the check see. The
// check goes on: what it tests besides must still hold.
func (s *stand) limited(format string, arguments ...any) {
	s.limit = fmt.Sprintf(format, arguments...)
	s.Log("limit: " + s.limit)
}

// skip gives the check up, visibly in the table.
func (s *stand) skip(why string) {
	s.limit = why
	s.Skip(why)
}

// since tells whether this Locust is that release or a later one.
func (s *stand) since(release string) bool { return locust.AtLeast(s.version, release) }

// master starts a master with the web pages and this package's locustfile.
func (s *stand) master(arguments ...string) *locust.Master {
	s.Helper()
	return locust.Start(s, locust.Config{Executable: s.executable, Locustfile: conformancePlan, Web: true, Args: arguments})
}

// joined starts a master, a relay and one worker of the tested binary behind
// it, and waits until the worker has joined. The users are TcpHoldUsers.
type joined struct {
	*locust.Master
	*relay.Relay
	worker *scene.Workers
	push   *scene.Target
}

func (s *stand) joined(arguments ...string) joined {
	s.Helper()
	j := joined{push: scene.StartTarget(s, "push", "--interval", "1s", "--message", "ok")}
	j.Master = s.master(append([]string{"TcpHoldUser", "--tcp-hold-host", j.push.Address}, arguments...)...)
	j.Relay = relay.Start(s, j.Master.Port())
	j.worker = scene.StartWorkers(s, j.Relay.Port(), 1)
	scene.AwaitReady(j.Master, 1)
	return j
}

// awaitUsers waits until the page shows a running test with that many users.
func awaitUsers(master *locust.Master, users int) locust.RequestsJSON {
	return master.WaitFor(patience, itoa(users)+" users", func(r locust.RequestsJSON) bool {
		return r.State == "running" && r.UserCount == users
	})
}

// awaitOpen waits until the target holds that many connections.
func awaitOpen(t testing.TB, target *scene.Target, connections int) {
	t.Helper()
	locust.Until(t, patience, itoa(connections)+" connections", func() bool {
		return target.Counters().Open == int64(connections)
	})
}

// awaitCount waits until that many messages of a type have passed.
func awaitCount(t testing.TB, wire *relay.Relay, direction relay.Direction, kind string, count int) {
	t.Helper()
	locust.Until(t, patience, itoa(count)+" "+kind, func() bool { return wire.Count(direction, kind) >= count })
}

// hears proves that the master's receive loop lives: a fresh worker joins it.
func hears(t testing.TB, master *locust.Master) {
	t.Helper()
	before := master.Requests().Workers
	probe := scene.StartWorkers(t, master.Port(), 1)
	master.WaitFor(patience, "a fresh worker to be heard", func(r locust.RequestsJSON) bool {
		return slices.ContainsFunc(r.Workers, func(w locust.WorkerRow) bool {
			return !slices.ContainsFunc(before, func(b locust.WorkerRow) bool { return b.ID == w.ID })
		})
	})
	probe.Signal(15)
	if code := probe.Wait(patience); code != 0 {
		t.Errorf("the fresh worker left with exit code %d:\n%s", code, probe.Output)
	}
}
