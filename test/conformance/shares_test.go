package conformance

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"upsurge/test/locust"
	"upsurge/test/relay"
	"upsurge/test/scene"
)

func TestCheck24JoinAndLeave(t *testing.T) {
	check(t, 24, false, func(s *stand) {
		for _, arguments := range [][]string{nil, {"--enable-rebalancing"}} {
			s.joinAndLeave(arguments)
		}
	})
}

// joinAndLeave has a third worker join a test of twelve users, and leave it.
func (s *stand) joinAndLeave(arguments []string) {
	s.Helper()
	const users = 12
	rebalancing := len(arguments) > 0
	push := scene.StartTarget(s, "push")
	master := s.master(append([]string{"TcpHoldUser", "--tcp-hold-host", push.Address}, arguments...)...)
	scene.StartWorkers(s, master.Port(), 2)
	scene.AwaitReady(master, 2)
	master.Swarm(users, users, nil)
	awaitUsers(master, users)

	third := scene.StartWorkers(s, master.Port(), 1)
	master.WaitFor(patience, "the third worker's share", func(r locust.RequestsJSON) bool {
		return len(r.Workers) == 3 && r.UserCount == users && evenly(r, 3)
	})
	awaitOpen(s, push, users)
	onlyOnce(s, master, 3)

	third.Signal(15)
	third.Wait(patience)
	settled := func(r locust.RequestsJSON) bool { return len(r.Workers) == 2 && r.UserCount == users && evenly(r, 2) }
	if rebalancing {
		master.WaitFor(patience, "the shares of those who stay", settled)
		awaitOpen(s, push, users)
	} else {
		s.leftAlone(master, push, users, settled)
	}
	onlyOnce(s, master, 2)
	// An edit gives every worker its share again, whatever came before.
	master.Swarm(users+6, users+6, nil)
	master.WaitFor(patience, "the shares after an edit", func(r locust.RequestsJSON) bool {
		return r.UserCount == users+6 && evenly(r, 2)
	})
	awaitOpen(s, push, users+6)
}

// leftAlone looks at a master that was not told to rebalance: once a worker has
// joined, it may let the next one go without giving its users to the others.
func (s *stand) leftAlone(master *locust.Master, push *scene.Target, users int, settled func(locust.RequestsJSON) bool) {
	s.Helper()
	time.Sleep(5 * time.Second)
	r := master.WaitFor(patience, "two workers", func(r locust.RequestsJSON) bool { return len(r.Workers) == 2 })
	if settled(r) {
		return
	}
	if open := push.Counters().Open; open != int64(users*2/3) || r.UserCount != users*2/3 {
		s.Errorf("%d connections and %d users of two workers who stay", open, r.UserCount)
	}
	s.limited("without --enable-rebalancing this master does not give the users of a worker that leaves to the others, if another joined before; no worker gets more than its share")
}

// evenly tells whether every one of so many workers runs its share.
func evenly(r locust.RequestsJSON, workers int) bool {
	for _, w := range r.Workers {
		if w.UserCount != r.UserCount/workers {
			return false
		}
	}
	return true
}

func TestCheck25CustomMessages(t *testing.T) {
	check(t, 25, false, func(s *stand) {
		master := s.master("IdleUser")
		wire := relay.Start(s, master.Port())
		worker := startClasses(s, workerSettings{Port: wire.Port()})
		scene.AwaitReady(master, 1)
		master.Swarm(2, 2, nil)
		awaitUsers(master, 2)
		id := master.Requests().Workers[0].ID

		sendToWorkers(s, master, "conformance_question", `{"text": "ü", "list": [1, 2.5, null, true], "map": {"k": "v"}}`, "")
		sendToWorkers(s, master, "conformance_question", `null`, id)
		var state masterState
		locust.Until(s, patience, "both replies", func() bool {
			state = stateOf(s, master)
			return len(state.Received) == 2
		})
		for i, want := range []any{
			map[string]any{"text": "ü", "list": []any{1.0, 2.5, nil, true}, "map": map[string]any{"k": "v"}}, nil,
		} {
			got := state.Received[i]
			answer, _ := got.Data.(map[string]any)
			if got.Node != id || answer["type"] != "conformance_question" || !reflect.DeepEqual(answer["data"], want) {
				s.Errorf("reply %+v, want %v from %s", got, want, id)
			}
		}

		sendToWorkers(s, master, "update_user_class", `{"user_class_name": "IdleUser", "tasks": ["on_the_worker"], "weight": 3}`, "")
		wire.Inject("a type that nobody knows", map[string]any{"deep": []any{map[string]any{"x": []byte{0, 255}}}})
		wire.Inject("locustfile", map[string]any{"error": "none here"})
		wire.Inject(strings.Repeat("long", 50), nil)
		begin := time.Now()
		time.Sleep(3 * time.Second)
		if worker.HasEnded() {
			s.Fatal("the worker ended")
		}
		if err := steady(wire, begin, time.Now()); err != nil {
			s.Error(err)
		}
		master.Swarm(5, 5, nil)
		awaitUsers(master, 5)
		hears(s, master)
	})
}

func TestCheck28ManyWorkers(t *testing.T) {
	check(t, 28, true, func(s *stand) {
		const workers, users = 50, 50 * 20000
		master := s.master("IdleUser")
		process := startClasses(s, workerSettings{Port: master.Port(), Workers: workers, Loops: 1})
		scene.AwaitReady(master, workers)
		master.Swarm(users, 20000, nil)
		begin := time.Now()
		missing := 0
		last := master.WaitFor(150*time.Second, "a million users", func(r locust.RequestsJSON) bool {
			missing = max(missing, r.CountWorkers("missing"))
			return r.UserCount == users && r.State == "running"
		})
		s.Logf("%d users after %v", last.UserCount, time.Since(begin).Round(time.Second))
		time.Sleep(5 * time.Second)
		r := master.Requests()
		missing = max(missing, r.CountWorkers("missing"))
		if missing != 0 || strings.Contains(master.Log(), "failed to send heartbeat") {
			s.Errorf("%d workers went missing", missing)
		}
		if r.UserCount != users || len(r.Workers) != workers {
			s.Errorf("%d users of %d workers", r.UserCount, len(r.Workers))
		}
		master.Stop()
		if process.HasEnded() {
			s.Error("the workers ended")
		}
	})
}
