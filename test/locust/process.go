package locust

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// loggedTail is how much of a child's log is printed for a failed test.
	loggedTail = 64 << 10

	// killTimeout is how long a killed child may take to be gone; only a
	// process that is stuck in the kernel needs longer.
	killTimeout = 30 * time.Second
)

// process is one child in a process group of its own. Its methods are for the
// test's goroutine.
type process struct {
	t       testing.TB
	name    string
	command *exec.Cmd
	logPath string
	logFrom int64         // where this child's part of the log begins
	ended   chan struct{} // closed when the child was reaped
}

// launch starts the executable in the folder, with its output appended to
// logPath, and ends it when the test ends.
func launch(t testing.TB, name, folder, logPath string, environment []string, executable string, arguments ...string) *process {
	t.Helper()
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	defer log.Close() // the child has its own copy
	information, err := log.Stat()
	if err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	command := exec.Command(executable, arguments...)
	command.Dir = folder
	command.Env = environment
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = childAttributes()
	p := &process{t: t, name: name, command: command, logPath: logPath, logFrom: information.Size(), ended: make(chan struct{})}
	started := make(chan error, 1)
	go p.run(started)
	if err := <-started; err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	t.Cleanup(p.cleanup)
	return p
}

// run owns the child from its start until it was reaped. It keeps its thread
// for that long: the signal that the kernel sends to the child at its parent's
// death comes when the thread that started it ends, not only when the process
// does.
func (p *process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.ended)
	if err := p.command.Start(); err != nil {
		started <- err
		return
	}
	started <- nil
	// The result is in ProcessState; an exit code is for the test to judge.
	_ = p.command.Wait()
}

func (p *process) cleanup() {
	p.kill()
	if p.t.Failed() {
		log := p.log()[p.logFrom:]
		if len(log) > loggedTail {
			log = "…" + log[len(log)-loggedTail:]
		}
		p.t.Logf("log of %s (%s):\n%s", p.name, p.command.ProcessState, log)
	}
}

// hasEnded tells whether the child was reaped.
func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// signal sends the signal to the child and all of its children; nothing happens
// when the child has ended.
func (p *process) signal(signal syscall.Signal) {
	p.t.Helper()
	if p.hasEnded() {
		return
	}
	if err := syscall.Kill(-p.command.Process.Pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		p.t.Errorf("send %v to %s: %v", signal, p.name, err)
	}
}

// kill ends the child without giving it a chance to say goodbye.
func (p *process) kill() {
	p.t.Helper()
	p.signal(syscall.SIGKILL)
	select {
	case <-p.ended:
	case <-time.After(killTimeout):
		p.t.Errorf("%s is still there %v after SIGKILL", p.name, killTimeout)
	}
}

// wait blocks until the child has ended and returns its exit code, -1 after a
// signal. The test fails when that takes longer than timeout.
func (p *process) wait(timeout time.Duration) int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(timeout):
		p.t.Fatalf("%s has not ended within %v", p.name, timeout)
	}
	return p.command.ProcessState.ExitCode()
}

// terminate asks the child to leave, as systemd and Ctrl-C do, and returns its
// exit code.
func (p *process) terminate(timeout time.Duration) int {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	p.signal(syscall.SIGCONT) // a frozen child acts on SIGTERM only when thawed
	return p.wait(timeout)
}

// log returns what the child has printed so far.
func (p *process) log() string {
	p.t.Helper()
	content, err := os.ReadFile(p.logPath)
	if err != nil {
		p.t.Errorf("read the log of %s: %v", p.name, err)
	}
	return string(content)
}

// childEnvironment is the test's environment without what would steer Locust
// behind the test's back: its variables, and the configuration files that it
// reads from the home folder.
func childEnvironment(home string, additions []string) []string {
	environment := []string{"HOME=" + home, "PYTHONUNBUFFERED=1"}
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if name == "HOME" || strings.HasPrefix(name, "LOCUST_") {
			continue
		}
		environment = append(environment, variable)
	}
	return append(environment, additions...)
}

// absolute resolves a file name of the test, because the children run in
// another folder.
func absolute(t testing.TB, path string) string {
	t.Helper()
	resolved, err := filepath.Abs(path)
	if err == nil {
		_, err = os.Stat(resolved)
	}
	if err != nil {
		t.Fatalf("locustfile: %v", err)
	}
	return resolved
}
