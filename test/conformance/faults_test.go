package conformance

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"upsurge/test/locust"
	"upsurge/test/relay"
	"upsurge/test/scene"
	"upsurge/worker"
)

func TestCheck21ResumesWithoutReady(t *testing.T) {
	check(t, 21, false, func(s *stand) {
		j := s.joined()
		id := j.Requests().Workers[0].ID
		j.Swarm(8, 8, nil)
		awaitUsers(j.Master, 8)
		for _, fault := range []struct {
			name  string
			cause func()
		}{
			{"reconnect", func() { sendToWorkers(s, j.Master, "reconnect", "null", id) }},
			{"end of stream", func() { j.Cut(false) }},
			{"rebind", func() {
				if status, body := j.Post("/conformance/break", nil); status != http.StatusOK {
					s.Fatalf("status %d: %s", status, body)
				}
			}},
		} {
			s.resumes(j, fault.name, fault.cause)
		}
		if strings.Contains(j.Log(), "failed to send heartbeat") {
			s.Error("the worker was missing for a while")
		}
		workers := 1
		if !s.replies() {
			workers++
			scene.StartWorkers(s, j.Master.Port(), 1) // keeps the test going, see missedAfterReset
			j.WaitFor(patience, "the second worker's share", func(r locust.RequestsJSON) bool {
				return r.CountWorkers("running") == workers && r.UserCount == 8 && evenly(r, workers)
			})
		}
		s.resumes(j, "reset", func() { j.Cut(true) })
		if strings.Contains(j.Log(), "failed to send heartbeat") {
			s.missedAfterReset()
		} else if c := j.push.Counters(); workers == 1 && (c.Accepted != 8 || c.Open != 8) {
			s.Errorf("the users did not stay: %+v", c)
		}
		j.Swarm(12, 12, nil)
		awaitUsers(j.Master, 12)
		awaitOpen(s, j.push, 12)
		onlyOnce(s, j.Master, workers)
		hears(s, j.Master)
	})
}

// replies tells whether this release answers heartbeats.
func (s *stand) replies() bool { return s.since("2.19") }

// missedAfterReset accounts for a worker that the master missed for a while.
func (s *stand) missedAfterReset() {
	s.Helper()
	if s.replies() {
		s.Error("the worker was missing for a while")
		return
	}
	s.limited("this master answers no heartbeats, so a worker whose connection was reset cannot see whether the master still holds that connection; it waits until the master must have dropped it, and is missing for a moment (the end of a test that has no other worker)")
}

// resumes breaks the connection and waits until the worker is back on a new
// one, seen by the master with its users.
func (s *stand) resumes(j joined, name string, cause func()) {
	s.Helper()
	before, _ := j.Last(relay.ToMaster, "heartbeat")
	ready := j.Count(relay.ToMaster, "client_ready")
	cause()
	locust.Until(s, patience, "a new connection after "+name, func() bool {
		beat, _ := j.Last(relay.ToMaster, "heartbeat")
		return beat.Connection > before.Connection && beat.At.Sub(before.At) > time.Second
	})
	time.Sleep(6 * time.Second) // by now the master would have missed it
	if s.replies() {
		locust.Until(s, patience, "an answer on the new connection after "+name, func() bool {
			beat, _ := j.Last(relay.ToMaster, "heartbeat")
			answer, _ := j.Last(relay.ToWorker, "heartbeat")
			return answer.Connection == beat.Connection
		})
	}
	j.WaitFor(patience, "the worker's users after "+name, func(r locust.RequestsJSON) bool {
		return r.State == "running" && r.CountWorkers("running") == len(r.Workers) && r.UserCount == 8
	})
	if n := j.Count(relay.ToMaster, "client_ready"); n != ready {
		s.Errorf("client_ready after %s", name)
	}
}

func TestCheck22NetworkGone(t *testing.T) {
	check(t, 22, false, func(s *stand) {
		push := scene.StartTarget(s, "push")
		master := s.master("TcpHoldUser", "--tcp-hold-host", push.Address)
		wire := relay.Start(s, master.Port())
		cut := scene.StartWorkers(s, wire.Port(), 1)
		scene.StartWorkers(s, master.Port(), 1) // keeps the test going
		scene.AwaitReady(master, 2)
		master.Swarm(8, 8, nil)
		awaitUsers(master, 8)
		ready := wire.Count(relay.ToMaster, "client_ready")

		wire.Blackhole(relay.ToMaster, relay.ToWorker)
		master.WaitFor(patience, "the worker to go missing", func(r locust.RequestsJSON) bool { return r.CountWorkers("missing") == 1 })
		time.Sleep(4 * time.Second)
		wire.Heal()
		both := func(r locust.RequestsJSON) bool { return len(r.Workers) == 2 && r.CountWorkers("missing") == 0 }
		s.clash(master, wire, both)
		master.WaitFor(patience, "both workers", both)
		if n := wire.Count(relay.ToMaster, "client_ready"); n != ready && s.limit == "" {
			s.Error("client_ready after an outage of 10 s")
		}
		s.obeys(master, push, wire, 12)

		wire.Blackhole(relay.ToMaster, relay.ToWorker)
		begin := time.Now()
		master.WaitFor(2*patience+30*time.Second, "the master to delete the worker", func(r locust.RequestsJSON) bool { return len(r.Workers) == 1 })
		time.Sleep(time.Until(begin.Add(90 * time.Second)))
		wire.Heal()
		healed := time.Now()
		s.clash(master, wire, both)
		master.WaitFor(patience, "the worker to be back", both)
		s.Logf("back %v after an outage of 90 s", time.Since(healed).Round(100*time.Millisecond))
		if n := wire.Count(relay.ToMaster, "client_ready"); n <= ready {
			s.Error("no client_ready although the master had deleted the worker")
		}
		readyPerConnection(s, wire)
		s.obeys(master, push, wire, 6)
		if cut.HasEnded() {
			s.Error("the worker gave up")
		}
	})
}

// ownTransport is the build that speaks ZMTP by itself.
const ownTransport = "zmtp"

// clash gives the build on libczmq its chance, and then does what the master's
// kernel does in the end: it notices that the old connection is dead.
func (s *stand) clash(master *locust.Master, wire *relay.Relay, healed func(locust.RequestsJSON) bool) {
	s.Helper()
	if worker.Transport == ownTransport {
		return
	}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Second) {
		if healed(master.Requests()) {
			return
		}
	}
	s.limited("libzmq does not make the master drop a connection that fell silent while data passed on it, and the master hears no second one of the same worker: where nothing between them ends the old one either, this build is back only when the master's TCP keepalive gives it up; the build zmtp is back at once")
	wire.Forget()
}

// obeys starts a new test and looks whether both workers do their shares.
func (s *stand) obeys(master *locust.Master, push *scene.Target, wire *relay.Relay, users int) {
	s.Helper()
	master.Stop()
	awaitOpen(s, push, 0)
	scene.AwaitReady(master, 2)
	master.Swarm(users, float64(users), nil)
	r := awaitUsers(master, users)
	awaitOpen(s, push, users)
	onlyOnce(s, master, 2)
	for _, w := range r.Workers {
		if w.UserCount != users/2 {
			s.Errorf("shares %+v", r.Workers)
		}
	}
	if wire.Connections() != 1 {
		s.Errorf("%d connections of the worker", wire.Connections())
	}
}

func TestCheck23MasterRestartedInThePast(t *testing.T) {
	check(t, 23, false, func(s *stand) {
		executable, shift := s.clockShifted()
		writeShift(s, shift, "+0")
		push := scene.StartTarget(s, "push")
		master := locust.Start(s, locust.Config{
			Executable: executable, Locustfile: conformancePlan, Web: true,
			Args: []string{"TcpHoldUser", "--tcp-hold-host", push.Address},
		})
		scene.StartWorkers(s, master.Port(), 1)
		scene.AwaitReady(master, 1)
		master.Swarm(5, 5, nil)
		awaitUsers(master, 5)
		master.Kill()
		writeShift(s, shift, "-1h")
		master.Restart()
		scene.AwaitReady(master, 1)
		awaitOpen(s, push, 0)
		master.Swarm(9, 9, nil)
		awaitUsers(master, 9)
		awaitOpen(s, push, 9)
		onlyOnce(s, master, 1)
		master.Stop()
		master.Terminate()
		last := master.Totals().Total.LastRequestTimestamp
		if last == nil {
			s.Fatal("no request was counted")
		}
		if behind := float64(time.Now().Unix()) - *last; behind < 3000 || behind > 4000 {
			s.Errorf("the last request is %.0f s old, by a master whose clock is an hour back", behind)
		}
	})
}
