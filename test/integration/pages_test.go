package integration

import (
	"html"
	"strings"
	"testing"
	"time"

	"upsurge/test/locust"
)

// logsSince is the first release whose master takes workers' logs.
const logsSince = "2.29"

// The pages of the web UI are fed by JSON; a user sees what is in it.
func TestPagesShowWhatIsThere(t *testing.T) {
	locust.Each(t, func(t *testing.T, executable string) {
		s := newScene(t, executable, 2, locust.Config{Web: true})
		s.AwaitWorkers()
		s.Master.Swarm(400, 400, map[string]string{"tcp_hold_expect": "something else"})
		requests := s.Master.WaitFor(20*time.Second, "users and failures", func(r locust.RequestsJSON) bool {
			row, ok := r.Row("TCP", "recv")
			return r.State == "running" && ok && row.NumFailures > 0 && len(r.Errors) > 0
		})
		for _, w := range requests.Workers {
			if w.State != "running" || w.MemoryUsage < 1<<20 || w.CPUUsage < 0 || w.CPUUsage > 100 {
				t.Errorf("worker row %+v", w)
			}
		}
		if len(requests.Workers) != 2 {
			t.Errorf("%d workers", len(requests.Workers))
		}
		if e := requests.Errors[0]; e.Name != "recv" || e.Error != `wrong data: "ok"` {
			t.Errorf("failure row %+v", e)
		}
		tasks := s.Master.Tasks()
		for _, class := range []string{"TcpHoldUser", "TcpEchoUser", "HttpQpsUser"} {
			if tasks.PerClass[class].Ratio <= 0 {
				t.Errorf("tasks: %+v", tasks)
			}
		}
		if n := len(s.Master.Exceptions()); n != 0 {
			t.Errorf("%d exceptions", n)
		}
	})
}

// A class that the worker does not have, and options that cannot be: the
// operator sees both in the browser.
func TestFaultsOfATestAreShown(t *testing.T) {
	locust.Each(t, func(t *testing.T, executable string) {
		s := newScene(t, executable, 1, locust.Config{Web: true, Locustfile: "testdata/unknown.py"})
		s.AwaitWorkers()
		s.Master.Swarm(20, 20, map[string]string{"http_timeout": "soon", "host": "not a host"})
		var exceptions []locust.Exception
		locust.Until(t, 15*time.Second, "both exceptions", func() bool {
			exceptions = s.Master.Exceptions()
			return len(exceptions) == 2
		})
		// Old releases escape what they show.
		text := html.UnescapeString(exceptions[0].Message + "\n" + exceptions[1].Message)
		for _, want := range []string{`unknown user class "NobodyKnowsUser"`, "--http-timeout=soon"} {
			if !strings.Contains(text, want) {
				t.Errorf("exceptions %q lack %q", text, want)
			}
		}
		if !locust.AtLeast(locust.Version(t, executable), logsSince) {
			return
		}
		locust.Until(t, 20*time.Second, "the worker's log on the master", func() bool {
			for _, lines := range s.Master.Logs().Workers {
				if strings.Contains(strings.Join(lines, "\n"), "NobodyKnowsUser") {
					return true
				}
			}
			return false
		})
	})
}

// Edits while a test runs: the users follow, and a second test starts from 0.
func TestUsersFollowTheMaster(t *testing.T) {
	locust.Each(t, func(t *testing.T, executable string) {
		s := newScene(t, executable, 2, locust.Config{Web: true, Locustfile: "../../scripts/locustfile.py", Args: []string{"TcpHoldUser"}})
		s.AwaitWorkers()
		for _, users := range []int{10, 3, 2000, 10} {
			s.Master.Swarm(users, 5000, nil)
			s.Master.WaitFor(15*time.Second, itoa(users)+" users", func(r locust.RequestsJSON) bool {
				return r.State == "running" && r.UserCount == users
			})
			locust.Until(t, 5*time.Second, itoa(users)+" connections", func() bool {
				return s.Push.Counters().Open == int64(users)
			})
		}
		s.Master.Stop()
		locust.Until(t, 5*time.Second, "no connection", func() bool { return s.Push.Counters().Open == 0 })
		before := s.Push.Counters().Accepted
		s.Master.Swarm(7, 7, nil)
		requests := s.Master.WaitFor(15*time.Second, "the second test", func(r locust.RequestsJSON) bool {
			row, _ := r.Row("TCP", "connect")
			return r.UserCount == 7 && row.NumRequests == 7
		})
		if accepted := s.Push.Counters().Accepted - before; accepted != 7 {
			t.Errorf("%d connections for 7 users: %+v", accepted, requests.Stats)
		}
	})
}
