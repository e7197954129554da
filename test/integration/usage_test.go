package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"upsurge/test/scene"
)

func TestBadInput(t *testing.T) {
	cases := []struct {
		name      string
		arguments []string
		code      int
		want      []string // all in what is printed
	}{
		{"unknown command", []string{"fly"}, 2, []string{`"fly"`}},
		{"unknown flag", []string{"run", "TcpHoldUser", "--no-such-flag"}, 2, []string{"--no-such-flag", "--help"}},
		{"no class", []string{"run"}, 2, []string{"TcpHoldUser"}},
		{"unknown class", []string{"run", "TcpHoldUsr"}, 2, []string{"unknown user class", "TcpHoldUsr", "HttpQpsUser"}},
		{"no host", []string{"run", "TcpHoldUser", "-t", "1s"}, 2, []string{"--host"}},
		{"host without a port", []string{"run", "TcpHoldUser", "-H", "127.0.0.1", "-t", "1s"}, 2, []string{"unusable host", "host:port"}},
		{"host with a port that is none", []string{"run", "TcpHoldUser", "-H", "127.0.0.1:99999", "-t", "1s"}, 2, []string{"99999"}},
		{"host that does not resolve", []string{"run", "TcpEchoUser", "-H", "no-such-host.invalid:7", "-t", "1s"}, 2, []string{"no-such-host.invalid"}},
		{"http host that is none", []string{"run", "HttpQpsUser", "-H", "http://", "-t", "1s"}, 2, []string{"host"}},
		{"option that is no time", []string{"run", "TcpHoldUser", "--tcp-hold-wait-min", "soon"}, 2, []string{"--tcp-hold-wait-min", "100ms"}},
		{"option out of range", []string{"run", "TcpHoldUser", "--tcp-connect-timeout", "0s"}, 2, []string{"--tcp-connect-timeout", "from 1ms"}},
		{"options that contradict", []string{"run", "TcpHoldUser", "-H", "127.0.0.1:1", "--tcp-hold-wait-min", "5s"}, 2, []string{"--tcp-hold-wait-max"}},
		{"users", []string{"run", "TcpHoldUser", "-u", "-5"}, 2, []string{"--users=-5"}},
		{"spawn rate", []string{"run", "TcpHoldUser", "-r", "0"}, 2, []string{"--spawn-rate=0"}},
		{"run time", []string{"run", "TcpHoldUser", "-t", "later"}, 2, []string{"--run-time=later"}},
		{"worker's port", []string{"worker", "--master-port", "five"}, 2, []string{"--master-port=five"}},
		{"worker's processes", []string{"worker", "--processes", "0"}, 2, []string{"--processes=0"}},
		{"worker's log level", []string{"worker", "-L", "LOUD"}, 2, []string{"LOUD", "DEBUG"}},
		{"target's interval", []string{"target", "push", "--interval", "0s"}, 2, []string{"interval"}},
		{"target's address", []string{"target", "echo", "--listen", "nowhere"}, 2, []string{"nowhere"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			code, stdout, stderr := scene.RunToEnd(t, 20*time.Second, c.arguments...)
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for _, want := range c.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("stderr lacks %q: %s", want, stderr)
				}
			}
			if stdout != "" || strings.Contains(stderr, "panic") || strings.Contains(stderr, "goroutine") {
				t.Errorf("stdout %q, stderr %q", stdout, stderr)
			}
		})
	}
}

func TestRunWritesWhatItDid(t *testing.T) {
	echo := scene.StartTarget(t, "echo")
	file := filepath.Join(t.TempDir(), "result.json")
	code, stdout, stderr := scene.RunToEnd(t, 30*time.Second, "run", "TcpEchoUser", "-H", echo.Address,
		"-u", "20", "-r", "100", "-t", "3s", "--tcp-echo-interval", "50ms", "--json-file", file)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	if !strings.Contains(stderr, "users 20/20") {
		t.Errorf("no progress: %s", stderr)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r scene.Result
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	sent := echo.Counters().MessagesSent
	for _, line := range r.Requests {
		if line.Name == "echo" && (line.Count != sent || line.Failures != 0) {
			t.Errorf("the run counted %+v, the target %d", line, sent)
		}
	}
	if r.Schema != "upsurge/result/v1" || r.Class != "TcpEchoUser" || len(r.Requests) != 2 || !strings.Contains(stdout, "echo") {
		t.Errorf("%s\n%s", stdout, data)
	}
}

// Failures by name, an exit code that says so, and advice that comes once.
func TestRunAgainstNobody(t *testing.T) {
	code, stdout, stderr := scene.RunToEnd(t, 20*time.Second, "run", "TcpHoldUser", "-H", "127.0.0.1:1", "-u", "50", "-r", "500", "-t", "2s")
	if code != 1 || !strings.Contains(stdout, "refused") {
		t.Errorf("exit code %d: %s", code, stdout)
	}
	if n := strings.Count(stderr, "failure: refused"); n != 1 {
		t.Errorf("advice came %d times: %s", n, stderr)
	}
}

func TestRunInterrupted(t *testing.T) {
	echo := scene.StartTarget(t, "echo")
	run := scene.Start(t, "run", "TcpEchoUser", "-H", echo.Address, "-u", "10", "-r", "100")
	run.WaitOutput(`users 10/10`)
	run.Signal(2)
	if code := run.Wait(10 * time.Second); code != 130 {
		t.Errorf("exit code %d", code)
	}
	if !strings.Contains(run.Output.String(), "Aggregated") {
		t.Errorf("no summary after Ctrl-C: %s", run.Output)
	}
}
