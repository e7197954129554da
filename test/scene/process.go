package scene

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"

	"upsurge/test/locust"
)

const (
	// outputTimeout is for lines that a process prints soon or never.
	outputTimeout = 20 * time.Second
	// endTimeout is how long a process may take to leave after SIGTERM.
	endTimeout = 15 * time.Second
	// dumpTimeout is how long it may take to print its goroutines.
	dumpTimeout = 3 * time.Second
)

// Binary is the path of the upsurge that is tested.
func Binary(t testing.TB) string {
	t.Helper()
	path := os.Getenv("UPSURGE_BINARY")
	if path == "" {
		t.Fatal("UPSURGE_BINARY names no binary: run `make test-integration`")
	}
	return path
}

// Process is one command under way.
type Process struct {
	Command *exec.Cmd
	Output  *Output
	Ended   chan struct{} // closed when the process was reaped

	t   testing.TB
	err error
}

// Output collects what a process prints. Safe from any goroutine.
type Output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Start starts upsurge with arguments.
func Start(t testing.TB, arguments ...string) *Process {
	t.Helper()
	return StartCommand(t, exec.Command(Binary(t), arguments...))
}

// StartCommand starts a command that nobody has started yet.
func StartCommand(t testing.TB, command *exec.Cmd) *Process {
	t.Helper()
	p := &Process{t: t, Command: command, Output: &Output{}, Ended: make(chan struct{})}
	command.Stdout, command.Stderr = p.Output, p.Output
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.Ended)
		p.err = command.Wait()
	}()
	t.Cleanup(p.cleanup)
	return p
}

func (p *Process) cleanup() {
	p.Signal(syscall.SIGCONT)
	p.Signal(syscall.SIGTERM)
	select {
	case <-p.Ended:
	case <-time.After(endTimeout):
		p.t.Errorf("%v did not end after SIGTERM", p.Command.Args)
		p.Signal(syscall.SIGQUIT) // a Go program prints where it stands
		select {
		case <-p.Ended:
		case <-time.After(dumpTimeout):
			p.Signal(syscall.SIGKILL)
			<-p.Ended
		}
	}
	if p.t.Failed() {
		p.t.Logf("%v:\n%s", p.Command.Args, p.Output)
	}
}

// Signal sends a signal to the process, if it still runs.
func (p *Process) Signal(signal syscall.Signal) {
	select {
	case <-p.Ended:
	default:
		_ = p.Command.Process.Signal(signal) // it may just have ended
	}
}

// HasEnded tells whether the process was reaped.
func (p *Process) HasEnded() bool {
	select {
	case <-p.Ended:
		return true
	default:
		return false
	}
}

// Wait returns the exit code of a process that ends within timeout.
func (p *Process) Wait(timeout time.Duration) int {
	p.t.Helper()
	select {
	case <-p.Ended:
	case <-time.After(timeout):
		p.t.Fatalf("%v still runs after %v:\n%s", p.Command.Args[1:], timeout, p.Output)
	}
	var exit *exec.ExitError
	if p.err != nil && !errors.As(p.err, &exit) {
		p.t.Fatal(p.err)
	}
	return p.Command.ProcessState.ExitCode()
}

// WaitOutput waits for output that matches and returns what its groups matched.
func (p *Process) WaitOutput(pattern string) []string {
	p.t.Helper()
	expression := regexp.MustCompile(pattern)
	var match []string
	locust.Until(p.t, outputTimeout, "the output "+pattern, func() bool {
		match = expression.FindStringSubmatch(p.Output.String())
		return match != nil
	})
	return match
}

// RunToEnd runs an upsurge command that has to end by itself.
func RunToEnd(t testing.TB, timeout time.Duration, arguments ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	command := exec.CommandContext(ctx, Binary(t), arguments...)
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
