package conformance

import (
	"html"
	"strings"
	"testing"
	"time"

	"upsurge/test/locust"
	"upsurge/test/relay"
	"upsurge/test/scene"
)

func TestCheck07UsersConverge(t *testing.T) {
	check(t, 7, false, func(s *stand) {
		push := scene.StartTarget(s, "push")
		master := s.master("TcpHoldUser", "--tcp-hold-host", push.Address)
		wires := []*relay.Relay{relay.Start(s, master.Port()), relay.Start(s, master.Port())}
		for _, wire := range wires {
			scene.StartWorkers(s, wire.Port(), 1)
		}
		scene.AwaitReady(master, len(wires))
		for _, users := range []int{10, 3, 10} {
			master.Swarm(users, 10, nil)
			awaitUsers(master, users)
			awaitOpen(s, push, users)
			sum, late := 0, time.Duration(0)
			for _, wire := range wires {
				count, took := answered(s, wire)
				sum += count
				late = max(late, took)
			}
			if sum != users || late > time.Second {
				s.Errorf("%d users wanted, the workers say %d after %v", users, sum, late)
			}
		}
	})
}

// answered returns what the worker said was there after the master's latest
// change of its target, and how long it took to say so.
func answered(t testing.TB, wire *relay.Relay) (users int, took time.Duration) {
	t.Helper()
	var asked relay.Message
	for _, m := range wire.Messages(func(m relay.Message) bool { return m.Direction == relay.ToWorker && m.Type == "spawn" }) {
		_, now, _ := m.Users()
		if _, before, ok := asked.Users(); !ok || now != before {
			asked = m
		}
	}
	_, want, _ := asked.Users()
	var answer relay.Message
	locust.Until(t, patience, "the worker's answer", func() bool {
		for _, m := range wire.Messages(func(m relay.Message) bool { return m.Direction == relay.ToMaster && m.At.After(asked.At) }) {
			if _, sum, ok := m.Users(); ok && sum == want {
				answer = m
				return true
			}
		}
		return false
	})
	return want, answer.At.Sub(asked.At)
}

func TestCheck08LastSpawnWins(t *testing.T) {
	check(t, 8, false, func(s *stand) {
		j := s.joined()
		j.Swarm(4, 4, nil)
		awaitUsers(j.Master, 4)
		spawn, _ := j.Last(relay.ToWorker, "spawn")
		second := float64(int64(relay.Number(spawn.Field("timestamp")))) + 1
		ask := func(fraction float64, users int) {
			data := map[string]any{}
			for key, value := range spawn.Data.(map[any]any) {
				data[key.(string)] = value
			}
			data["timestamp"], data["user_classes_count"] = second+fraction, map[string]any{"TcpHoldUser": users}
			j.Inject("spawn", data)
		}
		ask(0.25, 8)
		ask(0.75, 3)
		ask(0.5, 9) // was overtaken
		ask(0.75, 7)
		awaitOpen(s, j.push, 3)
		time.Sleep(1500 * time.Millisecond)
		if c := j.push.Counters(); c.Open != 3 || c.Accepted > 8 {
			s.Errorf("the target saw %+v", c)
		}
	})
}

func TestCheck09ZeroAndUnmappedClasses(t *testing.T) {
	check(t, 9, false, func(s *stand) {
		push := scene.StartTarget(s, "push")
		master := s.master("TcpHoldUser", "UnmappedUser", "IdleUser", "--tcp-hold-host", push.Address)
		wire := relay.Start(s, master.Port())
		scene.StartWorkers(s, wire.Port(), 1)
		scene.AwaitReady(master, 1)
		master.Swarm(1, 1, nil)
		awaitCount(s, wire, relay.ToWorker, "spawn", 1)
		zeros := 0
		spawn, _ := wire.Last(relay.ToWorker, "spawn")
		classes, _, _ := spawn.Users()
		for _, count := range classes {
			if count == 0 {
				zeros++
			}
		}
		if len(classes) != 3 || zeros != 2 {
			s.Errorf("the master sent %v: no class with zero users, so nothing is tested", classes)
		}
		master.Swarm(30, 30, nil)
		awaitOpen(s, push, 10)
		locust.Until(s, patience, "exceptions for both classes", func() bool {
			var text strings.Builder
			for _, e := range master.Exceptions() {
				text.WriteString(html.UnescapeString(e.Message))
			}
			return strings.Contains(text.String(), `"UnmappedUser"`) && strings.Contains(text.String(), `"IdleUser"`)
		})
		master.WaitFor(patience, "the users that there are", func(r locust.RequestsJSON) bool {
			return r.UserCount == 10 && r.CountWorkers("missing") == 0
		})
	})
}

func TestCheck10FixedCountAndWeights(t *testing.T) {
	check(t, 10, false, func(s *stand) {
		const workers, users = 3, 110
		push, echo, http := scene.StartTarget(s, "push"), scene.StartTarget(s, "echo"), scene.StartTarget(s, "http")
		master := locust.Start(s, locust.Config{
			Executable: s.executable, Locustfile: "testdata/weights.py", Web: true,
			Args: []string{"--tcp-hold-host", push.Address, "--tcp-echo-host", echo.Address, "--http-host", "http://" + http.Address, "--http-path", "/?delay=1s"},
		})
		scene.StartWorkers(s, master.Port(), workers)
		scene.AwaitReady(master, workers)
		master.Swarm(users, 60, nil)
		requests := awaitUsers(master, users)
		// 5 fixed, the other 105 in the ratio 3 : 1.
		awaitOpen(s, http, 5)
		want := [][2]int64{{79, 26}, {78, 27}} // 78.75 and 26.25, as the release rounds
		var hold, other int64
		locust.Until(s, patience, "3 holders for each echo", func() bool {
			hold, other = push.Counters().Open, echo.Counters().Open
			return [2]int64{hold, other} == want[0] || [2]int64{hold, other} == want[1]
		})
		for _, w := range requests.Workers {
			if w.UserCount < users/workers || w.UserCount > users/workers+1 {
				s.Errorf("shares %+v", requests.Workers)
			}
		}
	})
}

func TestCheck11CustomArguments(t *testing.T) {
	check(t, 11, false, func(s *stand) {
		const secret = "swordfish-of-the-test"
		arguments := []string{
			"ConfiguredUser", "--expect-workers", "1", "-u", "1", "-r", "1", "-t", "4s", "--host", "http://host.example",
			"--configured-shown", "seen ü", "--configured-hidden", "unseen", "--configured-secret", secret, "--configured-count", "7", "--configured-flag",
		}
		if !s.since("2.21") {
			arguments = append(arguments, "--web-auth", "admin:"+secret)
		}
		master := locust.Start(s, locust.Config{Executable: s.executable, Locustfile: conformancePlan, Args: arguments})
		wire := relay.Start(s, master.Port())
		worker := startClasses(s, workerSettings{Port: wire.Port()})
		master.Wait(90 * time.Second)
		worker.Wait(patience)
		books := scene.Final(master.Totals())
		for name, value := range map[string]string{
			"shown": "seen ü", "hidden": "unseen", "secret": itoa(len(secret)), "count": "7", "flag": "true", "host": "http://host.example",
		} {
			if books[scene.Row{Method: name, Name: value}].Count != 1 {
				s.Errorf("option %s did not arrive as %q: %v", name, value, books)
			}
		}
		if strings.Contains(worker.Output.String(), secret) {
			s.Error("the worker's log has the secret")
		}
		if !strings.Contains(worker.Output.String(), "level=DEBUG") && !strings.Contains(worker.Output.String(), "level=INFO") {
			s.Error("the worker logged nothing, so nothing was looked at")
		}
		spawn, _ := wire.Last(relay.ToWorker, "spawn")
		options, _ := spawn.Field("parsed_options").(map[any]any)
		if options["configured_secret"] != secret {
			s.Error("the master did not send the secret, so nothing was tested")
		}
	})
}

func TestCheck12HostAndStopTimeouts(t *testing.T) {
	check(t, 12, false, func(s *stand) {
		for _, c := range []struct {
			name      string
			arguments []string
			timeout   float64
			least     time.Duration
			most      time.Duration
		}{
			{name: "none", timeout: 0, most: 2500 * time.Millisecond},
			{name: "0", arguments: []string{"--stop-timeout", "0"}, timeout: 0, most: 2500 * time.Millisecond},
			{name: "3", arguments: []string{"--stop-timeout", "3"}, timeout: 3, least: 100 * time.Millisecond, most: 3500 * time.Millisecond},
		} {
			s.stopTimeout(c.arguments, c.timeout, c.least, c.most)
		}
	})
}

// stopTimeout stops users whose requests take 2 s.
func (s *stand) stopTimeout(arguments []string, timeout float64, least, most time.Duration) {
	s.Helper()
	target := scene.StartTarget(s, "http")
	master := s.master(append([]string{"HttpQpsUser", "--http-path", "/?delay=2s", "--http-host", "http://" + target.Address}, arguments...)...)
	wire := relay.Start(s, master.Port())
	worker := scene.StartWorkers(s, wire.Port(), 1)
	scene.AwaitReady(master, 1)
	master.Swarm(4, 4, nil)
	awaitOpen(s, target, 4)
	awaitUsers(master, 4)
	master.Stop()
	awaitCount(s, wire, relay.ToMaster, "client_stopped", 1)
	spawn, _ := wire.Last(relay.ToWorker, "spawn")
	if spawn.Field("host") != nil && spawn.Field("host") != "" {
		s.Errorf("the master sent the host %v, so a test without one was not tested", spawn.Field("host"))
	}
	if got := relay.Number(spawn.Field("stop_timeout")); got != timeout {
		s.Errorf("the master sent the stop timeout %v", spawn.Field("stop_timeout"))
	}
	if len(arguments) == 0 && !s.since("2.13") && spawn.Field("stop_timeout") != nil {
		s.Errorf("stop timeout %v, but this release sends nil", spawn.Field("stop_timeout"))
	}
	stop, _ := wire.Last(relay.ToWorker, "stop")
	stopped, _ := wire.Last(relay.ToMaster, "client_stopped")
	if took := stopped.At.Sub(stop.At); took < least || took > most {
		s.Errorf("with a stop timeout of %v s the users ended after %v", timeout, took)
	}
	worker.WaitResults(1)
	own := worker.Own()[scene.Row{Method: "GET", Name: "/"}]
	if timeout > 2 && own.Failures != 0 {
		s.Errorf("%d requests were cut off although the stop timeout left time for them: %+v", own.Failures, own)
	}
}
