//go:build linux && !portable

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"upsurge/targets"
	"upsurge/targets/admin"
)

// targetArgumentsVariable makes a process of this test binary the program.
const targetArgumentsVariable = "UPSURGE_TEST_TARGET_ARGUMENTS"

// TestTargetProgram isn't a test: it is the program that the tests below
// start, and that starts its own processes in the same way.
func TestTargetProgram(t *testing.T) {
	arguments := os.Getenv(targetArgumentsVariable)
	if arguments == "" {
		t.Skip("only for processes that the other tests start")
	}
	root := newRootCommand()
	root.SetArgs(strings.Fields(arguments))
	err := root.Execute()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(exitCode(err))
}

// targetProgram is a running target with what it has printed.
type targetProgram struct {
	command   *exec.Cmd
	stdout    *bufio.Reader
	stderr    *bytes.Buffer
	temporary string
	address   string   // the first of
	addresses []string // all
	admin     string
}

func startTargetProgram(t *testing.T, arguments string) *targetProgram {
	t.Helper()
	temporary, err := os.MkdirTemp("", "t") //nolint:usetesting // t.TempDir is too long for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(temporary) })
	p := &targetProgram{
		command: exec.Command(os.Args[0], "-test.run=^TestTargetProgram$"),
		stderr:  &bytes.Buffer{}, temporary: temporary,
	}
	p.command.Env = append(os.Environ(), targetArgumentsVariable+"="+arguments, "TMPDIR="+temporary)
	p.command.Stderr = p.stderr
	stdout, err := p.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdout = bufio.NewReader(stdout)
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.command.Process.Kill() })
	for range strings.Count(arguments, "--listen") {
		p.addresses = append(p.addresses, p.line(t, "listening on "))
	}
	p.address = p.addresses[0]
	p.admin = p.line(t, "admin on ")
	return p
}

func (p *targetProgram) line(t *testing.T, prefix string) string {
	t.Helper()
	line, err := p.stdout.ReadString('\n')
	text, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), prefix)
	if err != nil || !ok {
		t.Fatalf("printed %q, %v; want %q; stderr:\n%s", line, err, prefix, p.stderr)
	}
	return text
}

// end waits for the program and returns its last line and exit code.
func (p *targetProgram) end(t *testing.T) (targets.Stats, int) {
	t.Helper()
	rest, err := io.ReadAll(p.stdout)
	if err != nil {
		t.Fatal(err)
	}
	var stats targets.Stats
	if err := json.Unmarshal(rest, &stats); err != nil {
		t.Fatalf("last line %q: %v; stderr:\n%s", rest, err, p.stderr)
	}
	_ = p.command.Wait() // the exit code says it
	return stats, p.command.ProcessState.ExitCode()
}

// children returns the process ids of the program's processes.
func (p *targetProgram) children(t *testing.T) []int {
	t.Helper()
	var pids []int
	for _, stats := range p.shares(t) {
		pids = append(pids, stats.PID)
	}
	return pids
}

// shares returns the stats of each of the program's processes.
func (p *targetProgram) shares(t *testing.T) []targets.Stats {
	t.Helper()
	sockets, err := filepath.Glob(filepath.Join(p.temporary, "upsurge-target-*", "*.sock"))
	if err != nil {
		t.Fatal(err)
	}
	var shares []targets.Stats
	for _, socket := range sockets {
		stats, err := admin.Fetch(t.Context(), socket)
		if err != nil {
			t.Fatal(err)
		}
		shares = append(shares, stats)
	}
	return shares
}

// request makes one request on a connection of its own, which stays open.
func request(t *testing.T, address string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
}

func TestTargetEndsOrderlyOnSignals(t *testing.T) {
	const count = 60
	cases := []struct {
		name      string
		processes int
		signal    syscall.Signal
	}{
		{name: "one process, SIGINT", processes: 1, signal: syscall.SIGINT},
		{name: "one process, SIGTERM", processes: 1, signal: syscall.SIGTERM},
		{name: "three processes, SIGTERM", processes: 3, signal: syscall.SIGTERM},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			p := startTargetProgram(t, fmt.Sprintf("target http --listen 127.0.0.1:0 --admin 0 --processes %d", tc.processes))
			for range count {
				request(t, p.address)
			}
			response, err := http.Get("http://" + p.admin + "/stats")
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			var live targets.Stats
			if err := json.NewDecoder(response.Body).Decode(&live); err != nil {
				t.Fatal(err)
			}
			if live.Requests != count || live.Open != count || live.Processes != tc.processes || live.PID != p.command.Process.Pid {
				t.Errorf("live stats %+v", live)
			}
			if err := p.command.Process.Signal(tc.signal); err != nil {
				t.Fatal(err)
			}
			final, code := p.end(t)
			if code != exitFine || final.Requests != count || final.Closed != count || final.Open != 0 || final.Processes != tc.processes {
				t.Errorf("exit code %d, final stats %+v; stderr:\n%s", code, final, p.stderr)
			}
			left, err := filepath.Glob(filepath.Join(p.temporary, "*"))
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %q, %v", left, err)
			}
		})
	}
}

func TestTargetEndsWhenAProcessDies(t *testing.T) {
	p := startTargetProgram(t, "target push --listen 127.0.0.1:0 --admin 0 --processes 2")
	victim := p.children(t)[0]
	if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_, code := p.end(t)
	if want := fmt.Sprintf("process %d ended unexpectedly", victim); code != exitFailures || !strings.Contains(p.stderr.String(), want) {
		t.Errorf("exit code %d, want %d and %q; stderr:\n%s", code, exitFailures, want, p.stderr)
	}
}

func TestTargetProcessesDieWithTheirParent(t *testing.T) {
	p := startTargetProgram(t, "target echo --listen 127.0.0.1:0 --admin 0 --processes 2")
	if got := len(p.children(t)); got != 2 {
		t.Fatalf("%d processes, want 2", got)
	}
	if err := p.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.command.Wait() // killed
	deadline := time.Now().Add(30 * time.Second)
	for {
		// Free only when the last of them is gone.
		l, err := net.Listen("tcp", p.address)
		if err == nil {
			_ = l.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the port is still taken: %v", err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// The parent says it before it starts a process.
func TestTargetAddressInUseByProcesses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	root := newRootCommand()
	root.SetArgs([]string{"target", "echo", "--processes", "2", "--listen", taken.Addr().String()})
	if err := root.Execute(); exitCode(err) != exitFailures || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("exit code %d, %v", exitCode(err), err)
	}
}
