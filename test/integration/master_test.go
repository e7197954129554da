package integration

import (
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"upsurge/test/locust"
	"upsurge/test/relay"
	"upsurge/test/scene"
)

// A master that is killed and comes back knows no worker: the worker ends the
// old test's users, registers anew, and works.
func TestMasterKilledAndBack(t *testing.T) {
	locust.Each(t, func(t *testing.T, executable string) {
		s := newScene(t, executable, 1, locust.Config{Web: true})
		s.AwaitWorkers()
		s.Master.Swarm(300, 300, nil)
		s.Master.WaitFor(20*time.Second, "users", func(r locust.RequestsJSON) bool { return r.UserCount == 300 })
		s.Master.Kill()
		s.Master.Restart()
		s.AwaitWorkers()
		locust.Until(t, 10*time.Second, "the old test's connections to end", func() bool { return s.Push.Counters().Open == 0 })
		s.Master.Swarm(100, 100, nil)
		s.Master.WaitFor(20*time.Second, "users of the new test", func(r locust.RequestsJSON) bool {
			return r.State == "running" && r.UserCount == 100
		})
	})
}

// A worker that is started first waits, says so once, and joins.
func TestWorkerBeforeMaster(t *testing.T) {
	executable := locust.Executables(t)[0]
	port := locust.FreePort(t)
	worker := scene.Start(t, "worker", "--master-port", itoa(port))
	worker.WaitOutput("connection refused")
	time.Sleep(4 * time.Second)
	if n := strings.Count(worker.Output.String(), "refused"); n != 1 {
		t.Errorf("said %d times that nobody is there:\n%s", n, worker.Output)
	}
	master := locust.Start(t, locust.Config{Executable: executable, Locustfile: mixed, Web: true, Port: port})
	master.WaitFor(15*time.Second, "the worker", func(r locust.RequestsJSON) bool { return r.CountWorkers("ready") == 1 })
	worker.Signal(15)
	if code := worker.Wait(10 * time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// What listens at the master's port need not be a master.
func TestPortOfSomethingElse(t *testing.T) {
	garbage := func(greeting string) string {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listener.Close() })
		go func() {
			for {
				connection, err := listener.Accept()
				if err != nil {
					return
				}
				_, _ = connection.Write([]byte(greeting))
				time.AfterFunc(time.Second, func() { _ = connection.Close() })
			}
		}()
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		return port
	}
	web := scene.StartTarget(t, "http")
	_, webPort, _ := net.SplitHostPort(web.Address)
	cases := []struct{ name, port, want string }{
		{"a web server", webPort, "HTTP"},
		{"a mail server", garbage("220 mail.example ESMTP\r\n"), "ZeroMQ"},
		{"random bytes", garbage("\xff\x00\x12\x99 garbage \x00\x01\x02\x03 and more of it, longer than a greeting would be ever"), "security mechanism"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			worker := scene.Start(t, "worker", "--master-port", c.port)
			worker.WaitOutput("(?i)" + c.want)
			select {
			case <-worker.Ended:
				t.Fatalf("the worker gave up:\n%s", worker.Output)
			case <-time.After(2 * time.Second):
			}
			worker.Signal(15)
			if code := worker.Wait(10 * time.Second); code != 0 {
				t.Errorf("exit code %d:\n%s", code, worker.Output)
			}
			if strings.Contains(worker.Output.String(), "panic") {
				t.Errorf("panic:\n%s", worker.Output)
			}
		})
	}
}

// Users that take every descriptor do not cut the worker off from its master.
func TestRejoinWithoutDescriptors(t *testing.T) {
	executable := locust.Executables(t)[0]
	push := scene.StartTarget(t, "push", "--interval", "1h")
	master := locust.Start(t, locust.Config{
		Executable: executable, Locustfile: "../../scripts/locustfile.py", Web: true,
		Args: []string{"TcpHoldUser", "--tcp-hold-host", push.Address},
	})
	worker := scene.StartCommand(t, exec.Command("sh", "-c", `ulimit -n 256; exec "$0" "$@"`, scene.Binary(t), "worker", "--master-port", itoa(master.Port())))
	joined := func(r locust.RequestsJSON) bool { return r.CountWorkers("ready") == 1 }
	master.WaitFor(20*time.Second, "the worker", joined)
	master.Swarm(400, 400, nil)
	worker.WaitOutput("no descriptors")
	master.Kill()
	master.Restart()
	master.WaitFor(30*time.Second, "the worker again", joined)
}

// Messages that are none, on the connection of a real master: each is named in
// the log, and the worker goes on obeying.
func TestGarbageFromTheMaster(t *testing.T) {
	executable := locust.Executables(t)[0]
	push := scene.StartTarget(t, "push")
	master := locust.Start(t, locust.Config{
		Executable: executable, Locustfile: "../../scripts/locustfile.py", Web: true,
		Args: []string{"TcpHoldUser", "--tcp-hold-host", push.Address},
	})
	wire := relay.Start(t, master.Port())
	worker := scene.Start(t, "worker", "--master-port", itoa(wire.Port()))
	scene.AwaitReady(master, 1)
	garbage := []string{
		"", "\xc1", "\x93", "not msgpack at all", "\x92\xa3ack\xc0", "\xdd\xff\xff\xff\xff",
		"\x93\xa5spawn\xc0\xc0", "\x93\xa5spawn\x81\xa9timestamp\xa4soon\xc0", "\x93\x01\xc0\xc0",
		"\x93\xa3ack\x81\xa5index\xa3one\xc0", "\x93\xa4stop\xc0\xc0trailing",
	}
	for _, frame := range garbage {
		wire.InjectBytes([]byte(frame))
	}
	worker.WaitOutput("not Locust's")
	master.Swarm(5, 5, nil)
	master.WaitFor(20*time.Second, "users", func(r locust.RequestsJSON) bool { return r.State == "running" && r.UserCount == 5 })
	if worker.HasEnded() || strings.Contains(worker.Output.String(), "panic") {
		t.Errorf("the worker's output:\n%s", worker.Output)
	}
}
