package zmq_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"upsurge/worker/internal/zmq"
)

// Tests against the masters of real Locust releases.

// master is a running Locust master.
type master struct {
	t          *testing.T
	locust     string
	port, web  string
	command    *exec.Cmd
	httpClient *http.Client
}

// eachMaster runs a test against every Locust there is.
func eachMaster(t *testing.T, test func(*testing.T, *master)) {
	for _, locust := range locusts(t) {
		t.Run(filepath.Base(filepath.Dir(filepath.Dir(locust))), func(t *testing.T) {
			m := &master{
				t: t, locust: locust, port: freePort(t), web: freePort(t),
				httpClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience},
			}
			t.Cleanup(m.kill)
			test(t, m)
		})
	}
}

func (m *master) address() string { return "127.0.0.1:" + m.port }

// start starts the master and waits until its web port answers.
func (m *master) start() {
	m.t.Helper()
	m.command = exec.Command(m.locust, "-f", "testdata/locustfile.py", "--master",
		"--master-bind-host", "127.0.0.1", "--master-bind-port", m.port,
		"--web-host", "127.0.0.1", "--web-port", m.web)
	output := &strings.Builder{}
	m.command.Stdout, m.command.Stderr = output, output
	m.command.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	if err := m.command.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() {
		if m.t.Failed() {
			m.kill()
			m.t.Logf("master:\n%s", output)
		}
	})
	eventually(m.t, "the master's web port answers", func() bool {
		response, err := m.httpClient.Get("http://127.0.0.1:" + m.web + "/stats/requests")
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

// kill ends the master without a word.
func (m *master) kill() { m.end(syscall.SIGKILL) }

// end sends a signal and waits for the end.
func (m *master) end(signal syscall.Signal) {
	if m.command == nil {
		return
	}
	_ = m.command.Process.Signal(signal)
	_ = m.command.Wait()
	m.command = nil
}

// signal sends a signal and does not wait.
func (m *master) signal(signal syscall.Signal) {
	if err := m.command.Process.Signal(signal); err != nil {
		m.t.Fatal(err)
	}
}

// post submits a form to the web interface. Safe from any goroutine.
func (m *master) post(path string, form url.Values) {
	m.t.Helper()
	response, err := m.httpClient.PostForm("http://127.0.0.1:"+m.web+path, form)
	if err == nil && response.StatusCode == http.StatusMethodNotAllowed { // /stop of old versions
		_ = response.Body.Close()
		response, err = m.httpClient.Get("http://127.0.0.1:" + m.web + path)
	}
	if err != nil {
		m.t.Errorf("%s: %v", path, err)
		return
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		m.t.Errorf("%s: %s", path, response.Status)
	}
}

// get reads a page of the web interface.
func (m *master) get(path string, into any) {
	m.t.Helper()
	response, err := m.httpClient.Get("http://127.0.0.1:" + m.web + path)
	if err != nil {
		m.t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		m.t.Fatalf("%s: %v", path, err)
	}
}

// workerRow is a line of the web interface's table of workers.
type workerRow struct {
	ID    string `json:"id"`
	State string `json:"state"`
}

// awaitWorkers waits until the master shows exactly these workers.
func (m *master) awaitWorkers(want ...workerRow) {
	m.t.Helper()
	eventually(m.t, "the master shows its workers as they are", func() bool {
		var page struct {
			Workers []workerRow `json:"workers"`
		}
		m.get("/stats/requests", &page)
		if len(page.Workers) != len(want) {
			return false
		}
		for i := range want {
			if page.Workers[i] != want[i] {
				return false
			}
		}
		return true
	})
}

// worker says to a master what a worker must say, and no more.
type worker struct {
	*client
	id    string
	epoch uint64 // 0: not connected
	acked bool
	asked time.Time // when client_ready was sent
	state string
}

// join starts a worker.
func join(t *testing.T, address string, config zmq.Config) *worker {
	t.Helper()
	config.Address = address
	if config.Identity == "" {
		config.Identity = "host_" + strings.ReplaceAll(t.Name(), "/", "-")
	}
	return &worker{client: run(t, config), id: config.Identity, state: "ready"}
}

// encode is a message as its frame holds it.
func (w *worker) encode(kind string, data any) []byte {
	w.t.Helper()
	b, err := msgpack.Marshal([]any{kind, data, w.id})
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// say sends a message, if there is a connection.
func (w *worker) say(kind string, data any) {
	w.t.Helper()
	if w.epoch == 0 {
		return
	}
	if err := w.Send(w.epoch, w.encode(kind, data)); err != nil && !isGone(err) {
		w.t.Fatalf("send %s: %v", kind, err)
	}
}

// handle does what follows from an event and gives the type and data of a
// message.
func (w *worker) handle(event zmq.Event) (kind string, data any) {
	w.t.Helper()
	switch event.Kind {
	case zmq.Up:
		w.epoch, w.acked, w.asked = event.Epoch, false, time.Now()
		w.say("client_ready", -1)
		return "up", nil
	case zmq.Down:
		w.t.Logf("epoch %d down: %v", event.Epoch, event.Err)
		w.epoch = 0
		return "down", nil
	}
	var message []any
	if err := msgpack.Unmarshal(event.Data, &message); err != nil || len(message) != 3 {
		w.t.Fatalf("message %x: %v", event.Data, err)
	}
	kind = message[0].(string)
	w.acked = w.acked || kind == "ack"
	return kind, message[1]
}

// await returns the data of the next message of that type ("up" and "down"
// stand for the connection's own events) and keeps up the heartbeat meanwhile.
// A connection that the master doesn't read is reset, as workers do.
func (w *worker) await(want string) any {
	w.t.Helper()
	heartbeat := time.NewTicker(500 * time.Millisecond)
	defer heartbeat.Stop()
	for deadline := time.After(2 * patience); ; {
		select {
		case event, ok := <-w.Events():
			if !ok {
				w.t.Fatalf("events ended before %s", want)
			}
			if kind, data := w.handle(event); kind == want {
				return data
			}
		case <-heartbeat.C:
			if w.epoch > 0 && !w.acked && time.Since(w.asked) > 5*time.Second {
				w.asked = time.Now()
				w.Reset("no ack")
			} else if w.acked {
				w.say("heartbeat", map[string]any{"state": w.state, "current_cpu_usage": 1})
			}
		case <-deadline:
			w.t.Fatalf("no %s", want)
		}
	}
}

func TestMasterConversation(t *testing.T) {
	eachMaster(t, func(t *testing.T, m *master) {
		m.start()
		w := join(t, m.address(), zmq.Config{})
		w.await("ack")
		for _, size := range []int{255, 256, 70_000} {
			text := strings.Repeat("x", size)
			for len(w.encode("echo", text)) > size {
				text = text[1:]
			}
			w.say("echo", text)
			if got := w.await("echo"); got != text {
				t.Errorf("echo of a frame of %d bytes differs", size)
			}
		}
		m.awaitWorkers(workerRow{w.id, "ready"})

		m.post("/swarm", url.Values{"user_count": {"3"}, "spawn_rate": {"3"}, "host": {""}})
		spawn := w.await("spawn").(map[string]any)
		counts := spawn["user_classes_count"].(map[string]any)
		w.state = "running"
		w.say("spawning", nil)
		w.say("spawning_complete", map[string]any{"user_classes_count": counts, "user_count": 3})
		m.awaitWorkers(workerRow{w.id, "running"})

		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			m.post("/stop", nil) // answers when the workers have stopped
		}()
		w.await("stop")
		w.state = "ready"
		w.say("client_stopped", nil)
		w.say("client_ready", -1)
		w.await("ack")
		<-stopped
		m.awaitWorkers(workerRow{w.id, "ready"})

		m.signal(syscall.SIGTERM)
		w.await("quit")
	})
}

func TestMasterStartedLate(t *testing.T) {
	eachMaster(t, func(t *testing.T, m *master) {
		failures := newAttempts()
		w := join(t, m.address(), zmq.Config{OnDialError: failures.note})
		_ = failures.await(t, syscall.ECONNREFUSED)
		m.start()
		w.await("ack")
		m.awaitWorkers(workerRow{w.id, "ready"})
	})
}

// TestMasterRestarted kills the master, tries to send in the gap, and checks
// that the next master hears of nothing but the worker's introduction: a stale
// spawning_complete would end its listener.
func TestMasterRestarted(t *testing.T) {
	eachMaster(t, func(t *testing.T, m *master) {
		m.start()
		w := join(t, m.address(), zmq.Config{})
		w.await("ack")
		old := w.epoch
		stale := w.encode("spawning_complete", map[string]any{"user_classes_count": map[string]int{}, "user_count": 0})
		m.kill()
		w.await("down")
		if err := w.Send(old, stale); !isGone(err) {
			t.Errorf("Send in the gap: %v", err)
		}
		m.start()
		w.await("up")
		if w.epoch != old+1 {
			t.Errorf("epoch %d after %d", w.epoch, old)
		}
		if err := w.Send(old, stale); !isGone(err) {
			t.Errorf("Send with the old epoch: %v", err)
		}
		w.await("ack")
		w.say("echo", "still there")
		if got := w.await("echo"); got != "still there" {
			t.Errorf("echo %q", got)
		}
		m.awaitWorkers(workerRow{w.id, "ready"})
	})
}

// TestMasterFrozen stops the master's process for longer than the transport's
// patience. It must give up the connection, and be heard again afterwards.
func TestMasterFrozen(t *testing.T) {
	eachMaster(t, func(t *testing.T, m *master) {
		m.start()
		w := join(t, m.address(), zmq.Config{
			PingInterval: 500 * time.Millisecond, PingTTL: 1500 * time.Millisecond, ReadTimeout: 2 * time.Second,
			HandshakeTimeout: time.Second,
		})
		w.await("ack")
		m.signal(syscall.SIGSTOP)
		w.await("down")
		m.signal(syscall.SIGCONT)
		w.await("ack")
		w.say("echo", "awake")
		w.await("echo")
	})
}

// TestDuplicateIdentity has two connections with one identity: the master reads
// nothing from the second until the first has gone and the second dials again.
func TestDuplicateIdentity(t *testing.T) {
	eachMaster(t, func(t *testing.T, m *master) {
		m.start()
		first := join(t, m.address(), zmq.Config{})
		first.await("ack")
		second := join(t, m.address(), zmq.Config{Identity: first.id})
		second.await("up")
		select {
		case event := <-second.Events():
			t.Fatalf("event %v %q: the master answers both", event.Kind, event.Data)
		case <-time.After(time.Second):
		}
		first.stop()
		second.Reset("no ack")
		second.await("ack")
		m.awaitWorkers(workerRow{second.id, "ready"})
	})
}

// TestMasterWebPort is the most likely wrong address.
func TestMasterWebPort(t *testing.T) {
	eachMaster(t, func(t *testing.T, m *master) {
		m.start()
		failures := newAttempts()
		run(t, zmq.Config{Address: "127.0.0.1:" + m.web, OnDialError: failures.note})
		if err := failures.await(t, zmq.ErrNotZeroMQ); !strings.Contains(err.Error(), "8089") {
			t.Errorf("error %q does not mention the web port", err)
		}
	})
}
