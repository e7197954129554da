package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"

	"upsurge/test/locust"
)

// binary is the upsurge that is tested.
func binary(t testing.TB) string {
	t.Helper()
	path := os.Getenv("UPSURGE_BINARY")
	if path == "" {
		t.Fatal("UPSURGE_BINARY names no binary: run `make test-integration`")
	}
	return path
}

// process is one upsurge command under way.
type process struct {
	t       testing.TB
	command *exec.Cmd
	output  *output
	ended   chan struct{}
	err     error
}

// output collects what a process prints. Safe from any goroutine.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// start starts upsurge with arguments; it is killed at the end of the test,
// and its output shown if the test failed.
func start(t testing.TB, arguments ...string) *process {
	t.Helper()
	p := &process{t: t, command: exec.Command(binary(t), arguments...), output: &output{}, ended: make(chan struct{})}
	p.command.Stdout, p.command.Stderr = p.output, p.output
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		p.err = p.command.Wait()
	}()
	t.Cleanup(func() {
		p.signal(syscall.SIGTERM)
		select {
		case <-p.ended:
		case <-time.After(10 * time.Second):
			t.Errorf("%v did not end after SIGTERM", arguments)
			p.signal(syscall.SIGKILL)
			<-p.ended
		}
		if t.Failed() {
			t.Logf("upsurge %v:\n%s", arguments, p.output)
		}
	})
	return p
}

func (p *process) signal(signal syscall.Signal) {
	select {
	case <-p.ended:
	default:
		_ = p.command.Process.Signal(signal) // it may just have ended
	}
}

// wait returns the exit code.
func (p *process) wait(timeout time.Duration) int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(timeout):
		p.t.Fatalf("%v still runs after %v:\n%s", p.command.Args[1:], timeout, p.output)
	}
	var exit *exec.ExitError
	if p.err != nil && !errors.As(p.err, &exit) {
		p.t.Fatal(p.err)
	}
	return p.command.ProcessState.ExitCode()
}

// waitOutput waits for a line and returns what its groups matched.
func (p *process) waitOutput(pattern string) []string {
	p.t.Helper()
	expression := regexp.MustCompile(pattern)
	var match []string
	locust.Until(p.t, 20*time.Second, "the output "+pattern, func() bool {
		match = expression.FindStringSubmatch(p.output.String())
		return match != nil
	})
	return match
}

// target is a target server with its own books.
type target struct {
	*process
	address, admin string
}

// counters are the books of a target, of which tests read these.
type counters struct {
	Accepted         int64 `json:"accepted"`
	Open             int64 `json:"open"`
	Closed           int64 `json:"closed"`
	MessagesSent     int64 `json:"messages_sent"`
	MessagesReceived int64 `json:"messages_received"`
	Requests         int64 `json:"requests"`
	Errors           int64 `json:"errors"`
}

func startTarget(t testing.TB, kind string, arguments ...string) *target {
	t.Helper()
	p := start(t, append([]string{"target", kind, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"}, arguments...)...)
	return &target{
		process: p,
		address: p.waitOutput(`listening on (\S+)`)[1],
		admin:   p.waitOutput(`admin on (\S+)`)[1],
	}
}

func (s *target) counters() counters {
	s.t.Helper()
	response, err := http.Get("http://" + s.admin + "/stats")
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	var c counters
	if err := json.Unmarshal(body, &c); err != nil {
		s.t.Fatalf("%v: %s", err, body)
	}
	return c
}

// workers are worker processes under one parent.
type workers struct {
	*process
	folder string
}

func startWorkers(t testing.TB, master *locust.Master, processes string, arguments ...string) *workers {
	t.Helper()
	folder := t.TempDir()
	p := start(t, append([]string{
		"worker", "--master-host", "127.0.0.1", "--master-port", itoa(master.Port()),
		"--processes", processes, "--json-file", filepath.Join(folder, "own.json"),
	}, arguments...)...)
	return &workers{process: p, folder: folder}
}

// own adds up the workers' own results, by "METHOD name".
func (w *workers) own() map[string]sums {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.folder, "own*.json"))
	if err != nil {
		w.t.Fatal(err)
	}
	all := map[string]sums{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			w.t.Fatal(err)
		}
		var r resultFile
		if err := json.Unmarshal(data, &r); err != nil {
			w.t.Fatal(err)
		}
		for _, row := range r.Requests {
			s := all[row.Method+" "+row.Name]
			s.count += row.Count
			s.failures += row.Failures
			all[row.Method+" "+row.Name] = s
		}
	}
	return all
}

// waitResults waits until that many workers have written their own sums.
func (w *workers) waitResults(count int) {
	w.t.Helper()
	locust.Until(w.t, 20*time.Second, "the workers' own results", func() bool {
		files, err := filepath.Glob(filepath.Join(w.folder, "own*.json"))
		return err == nil && len(files) == count
	})
}

type resultFile struct {
	Schema   string
	Class    string
	Requests []resultRow
	Total    resultRow
}

type resultRow struct {
	Method, Name    string
	Count, Failures int64
}

// sums are requests and failures of a row.
type sums struct{ count, failures int64 }

// runToEnd runs a command that has to end by itself.
func runToEnd(t testing.TB, timeout time.Duration, arguments ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	command := exec.CommandContext(ctx, binary(t), arguments...)
	var out, errs bytes.Buffer
	command.Stdout, command.Stderr = &out, &errs
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatalf("upsurge %v did not end within %v:\n%s%s", arguments, timeout, &out, &errs)
	}
	return command.ProcessState.ExitCode(), out.String(), errs.String()
}
