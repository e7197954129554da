package conformance

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"upsurge/test/locust"
	"upsurge/test/relay"
	"upsurge/test/scene"
)

func TestCheck01AckAndIndex(t *testing.T) {
	check(t, 1, false, func(s *stand) {
		j := s.joined()
		ready, _ := j.Last(relay.ToMaster, "client_ready")
		ack, _ := j.Last(relay.ToWorker, "ack")
		if took := ack.At.Sub(ready.At); took > time.Second {
			s.Errorf("ack after %v", took)
		}
		j.Swarm(3, 3, nil)
		awaitUsers(j.Master, 3)
		j.Stop()
		awaitCount(s, j.Relay, relay.ToWorker, "ack", 2)
		again, _ := j.Last(relay.ToWorker, "ack")
		if first, second := relay.Number(ack.Field("index")), relay.Number(again.Field("index")); first != second || ack.Field("index") == nil {
			s.Errorf("index %v, after stop and start %v", ack.Data, again.Data)
		}
	})
}

func TestCheck02NoVersionWarning(t *testing.T) {
	check(t, 2, false, func(s *stand) {
		j := s.joined()
		if m, _ := j.Last(relay.ToMaster, "client_ready"); relay.Number(m.Data) != -1 {
			s.Errorf("client_ready says version %v", m.Data)
		}
		for line := range strings.Lines(j.Log()) {
			if strings.Contains(line, "version") && (strings.Contains(line, "WARNING") || strings.Contains(line, "ERROR")) {
				s.Errorf("the master says: %s", line)
			}
		}
	})
}

func TestCheck03OneReadyPerConnection(t *testing.T) {
	check(t, 3, false, func(s *stand) {
		master := s.master("TcpHoldUser")
		wire := relay.Start(s, master.Port())
		wire.Judge(func(m relay.Message) relay.Verdict {
			if m.Type == "ack" && m.Connection == 1 {
				return relay.Verdict{Delay: 10 * time.Second}
			}
			return relay.Verdict{}
		})
		push := scene.StartTarget(s, "push")
		worker := scene.StartWorkers(s, wire.Port(), 1)
		time.Sleep(13 * time.Second)
		scene.AwaitReady(master, 1)
		readyPerConnection(s, wire)
		master.Swarm(6, 6, map[string]string{"tcp_hold_host": push.Address})
		awaitUsers(master, 6)
		awaitOpen(s, push, 6)
		onlyOnce(s, master, 1)
		if worker.HasEnded() {
			s.Error("the worker gave up")
		}
	})
}

// readyPerConnection fails the test for a connection with more than one
// client_ready that no client_stopped preceded.
func readyPerConnection(t testing.TB, wire *relay.Relay) {
	t.Helper()
	due := map[int]int{}
	for _, m := range wire.Messages(func(m relay.Message) bool { return m.Direction == relay.ToMaster }) {
		switch m.Type {
		case "client_stopped":
			due[m.Connection]--
		case "client_ready":
			due[m.Connection]++
			if due[m.Connection] > 1 {
				t.Errorf("client_ready twice on connection %d", m.Connection)
			}
		}
	}
}

// masterState is what the master knows of its workers.
type masterState struct {
	Clients  map[string]string
	Active   []string // where users go; a worker twice gets a double share
	Received []struct {
		Type string
		Data any
		Node string
	}
}

func stateOf(t testing.TB, master *locust.Master) masterState {
	t.Helper()
	status, body := master.Get("/conformance/state")
	var state masterState
	if err := json.Unmarshal(body, &state); err != nil || status != http.StatusOK {
		t.Fatalf("status %d, %v: %s", status, err, body)
	}
	return state
}

// onlyOnce fails the test unless the master holds that many workers, each once.
func onlyOnce(t testing.TB, master *locust.Master, workers int) {
	t.Helper()
	state := stateOf(t, master)
	seen := map[string]bool{}
	for _, id := range state.Active {
		if seen[id] {
			t.Errorf("the master spreads users over %v: a double share", state.Active)
		}
		seen[id] = true
	}
	if len(state.Active) != workers || len(state.Clients) != workers {
		t.Errorf("%d workers, but the master holds %v and spreads users over %v", workers, state.Clients, state.Active)
	}
}

// sendToWorkers has the master send a message of its own to one worker, or all.
func sendToWorkers(t testing.TB, master *locust.Master, kind, data, id string) {
	t.Helper()
	form := url.Values{"type": {kind}, "data": {data}}
	if id != "" {
		form.Set("to", id)
	}
	if status, body := master.Post("/conformance/send", form); status != http.StatusOK {
		t.Fatalf("status %d: %s", status, body)
	}
}

func TestCheck04WorkerFirst(t *testing.T) {
	check(t, 4, false, func(s *stand) {
		port := locust.FreePort(s)
		push := scene.StartTarget(s, "push")
		worker := scene.StartWorkers(s, port, 1)
		worker.WaitOutput("refused")
		time.Sleep(3 * time.Second)
		master := locust.Start(s, locust.Config{
			Executable: s.executable, Locustfile: conformancePlan, Web: true, Port: port,
			Args: []string{"TcpHoldUser", "--tcp-hold-host", push.Address},
		})
		scene.AwaitReady(master, 1)
		time.Sleep(2 * time.Second)
		if n := strings.Count(master.Log(), "reported as ready"); n != 1 {
			s.Errorf("the worker reported %d times as ready", n)
		}
		master.Swarm(5, 5, nil)
		awaitUsers(master, 5)
		awaitOpen(s, push, 5)
		onlyOnce(s, master, 1)
	})
}
