package conformance

import (
	"testing"
	"time"

	"upsurge/test/locust"
	"upsurge/test/relay"
	"upsurge/test/scene"
)

// The books' users: 20 request, 200 echo, the rest hold.
const (
	booksPlan  = "testdata/books.py"
	booksUsers = 1000
)

// booksWaits leave the master, which reads for half a second after its quit and
// not longer, some of the machine.
func booksWaits() []string { return []string{"--http-wait-min", "5ms", "--http-wait-max", "5ms"} }

func TestCheck13BooksAfterStop(t *testing.T) {
	check(t, 13, true, func(s *stand) {
		stage := scene.New(s, 2, locust.Config{Executable: s.executable, Locustfile: booksPlan, Web: true, Args: booksWaits()})
		stage.AwaitWorkers()
		stage.Master.Swarm(booksUsers, 500, nil)
		awaitUsers(stage.Master, booksUsers)
		time.Sleep(2 * time.Second)
		stage.Master.Stop()
		stage.Workers.WaitResults(2)
		var last locust.RequestsJSON
		locust.Until(s, patience, "the master's page to be up to date", func() bool {
			last = stage.Master.Requests()
			return last.State == "stopped" && scene.Shown(last)[scene.Receive].Count == stage.Workers.Own()[scene.Receive].Count
		})
		stage.Check(s.T, scene.Shown(last))
	})
}

func TestCheck14BooksAfterHeadlessEnd(t *testing.T) {
	check(t, 14, true, func(s *stand) {
		stage := scene.New(s, 2, locust.Config{Executable: s.executable, Locustfile: booksPlan, Args: append(booksWaits(),
			"--expect-workers", "2", "-u", itoa(booksUsers), "-r", "500", "-t", "6s", "--stop-timeout", "10")})
		stage.Master.Wait(90 * time.Second)
		if code := stage.Workers.Wait(patience); code != 0 {
			s.Errorf("the workers end with exit code %d after quit", code)
		}
		stage.Check(s.T, scene.Final(stage.Master.Totals()))
	})
}

func TestCheck15BooksAfterSIGTERM(t *testing.T) {
	check(t, 15, true, func(s *stand) {
		stage := scene.New(s, 2, locust.Config{Executable: s.executable, Locustfile: booksPlan, Web: true, Args: booksWaits()})
		stage.AwaitWorkers()
		stage.Master.Swarm(booksUsers, 500, nil)
		awaitUsers(stage.Master, booksUsers)
		time.Sleep(2 * time.Second)
		stage.Workers.Signal(15)
		if code := stage.Workers.Wait(patience); code != 0 {
			s.Errorf("exit code %d after SIGTERM", code)
		}
		stage.Master.WaitFor(patience, "the workers to be gone", func(r locust.RequestsJSON) bool {
			return r.CountWorkers("running") == 0 && r.UserCount == 0
		})
		stage.Master.Terminate()
		stage.Check(s.T, scene.Final(stage.Master.Totals()))
	})
}

func TestCheck16StopDuringRamp(t *testing.T) {
	check(t, 16, false, func(s *stand) {
		j := s.joined()
		j.Swarm(5000, 100, nil)
		locust.Until(s, patience, "the ramp to be under way", func() bool { return j.push.Counters().Open >= 150 })
		j.Stop()
		awaitCount(s, j.Relay, relay.ToMaster, "client_ready", 2)
		time.Sleep(4 * time.Second) // late words would come with the next reports
		stopped, _ := j.Last(relay.ToMaster, "client_stopped")
		allowed := map[string]bool{"client_ready": true, "heartbeat": true, "stats": true, "logs": s.since("2.29")}
		for _, m := range j.Messages(func(m relay.Message) bool { return m.Direction == relay.ToMaster }) {
			state, _ := m.Field("state").(string)
			switch {
			case m.Type == "heartbeat" && state != "ready" && state != "spawning" && state != "running":
				s.Errorf("heartbeat with the state %q", state)
			case !m.At.After(stopped.At) || m.Type == "client_stopped":
			case !allowed[m.Type]:
				s.Errorf("%s follows client_stopped", m.Type)
			case m.Type == "heartbeat" && state != "ready":
				s.Errorf("a heartbeat after client_stopped says %q", state)
			}
		}
		awaitOpen(s, j.push, 0)
		hears(s, j.Master)
	})
}

func TestCheck17SecondTestFromZero(t *testing.T) {
	check(t, 17, false, func(s *stand) {
		j := s.joined()
		j.Swarm(50, 50, nil)
		awaitUsers(j.Master, 50)
		time.Sleep(2 * time.Second)
		j.Stop()
		j.Swarm(7, 7, nil)
		awaitOpen(s, j.push, 7)
		time.Sleep(5 * time.Second) // late reports of the first test would come now
		r := j.WaitFor(patience, "the second test's requests", func(r locust.RequestsJSON) bool {
			row, _ := r.Row("TCP", "connect")
			return r.State == "running" && r.UserCount == 7 && row.NumRequests >= 7
		})
		if row, _ := r.Row("TCP", "connect"); row.NumRequests != 7 {
			s.Errorf("%d connects of 7 users", row.NumRequests)
		}
		if c := j.push.Counters(); c.Accepted != 57 || c.Closed != 50 {
			s.Errorf("the target saw %+v", c)
		}
		if row, _ := r.Row("TCP", "recv"); row.NumRequests > 7*20 {
			s.Errorf("%d messages for 7 users: those of the first test are in it", row.NumRequests)
		}
	})
}
