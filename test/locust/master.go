package locust

import (
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
)

const (
	// startTimeout is generous: a Python process that imports Locust needs a
	// second, but not on a machine that compiles something else meanwhile.
	startTimeout = 90 * time.Second

	// leaveTimeout covers what a master does between SIGTERM and its end: it
	// sends quit, waits for the workers' last reports and prints its tables.
	leaveTimeout = 60 * time.Second
)

// Config says which master, or which Python worker, to start. Executable and
// Locustfile are required.
type Config struct {
	Executable string
	Locustfile string   // path, may be relative to the test's folder
	Web        bool     // with the web pages; without them it runs --headless
	Args       []string // further arguments, such as -u 10 -r 5 -t 3s
	Env        []string // further KEY=value settings
	Port       int      // where workers connect; 0 takes a free one
	WebPort    int      // 0 takes a free one; ignored without Web
	// Host is the address that the master listens on and is asked at; default
	// 127.0.0.1. With another one, Port and WebPort must be given.
	Host string
	// Wrap is a command that runs the command behind it, such as
	// ip netns exec NAME. It must become the master, not start it as a child.
	Wrap []string
}

// Master is a Locust master under test. Its methods are for the
// test's goroutine and fail the test when the master does not do its part.
type Master struct {
	t       testing.TB
	config  Config
	folder  string
	current *process
}

// Start starts `locust --master` and returns once its ports accept connections.
// The master is killed at the end of the test.
func Start(t testing.TB, config Config) *Master {
	t.Helper()
	config.Locustfile = absolute(t, config.Locustfile)
	if config.Host == "" {
		config.Host = "127.0.0.1"
	}
	if config.Port == 0 {
		config.Port = FreePort(t)
	}
	for config.Web && (config.WebPort == 0 || config.WebPort == config.Port) {
		config.WebPort = FreePort(t)
	}
	m := &Master{t: t, config: config, folder: t.TempDir()}
	writeTotalsPlugin(t, m.folder)
	m.launch()
	return m
}

func (m *Master) launch() {
	m.t.Helper()
	arguments := []string{
		"--master", "--master-bind-host", m.config.Host, "--master-bind-port", strconv.Itoa(m.config.Port),
		"-f", m.config.Locustfile + "," + filepath.Join(m.folder, totalsPlugin),
	}
	if m.config.Web {
		arguments = append(arguments, "--web-host", m.config.Host, "--web-port", strconv.Itoa(m.config.WebPort))
	} else {
		arguments = append(arguments, "--headless")
	}
	arguments = append(arguments, m.config.Args...)
	environment := childEnvironment(m.folder, append([]string{m.totalsSetting()}, m.config.Env...))
	command := slices.Concat(m.config.Wrap, []string{m.config.Executable}, arguments)
	m.current = launch(m.t, "Locust master", m.folder, filepath.Join(m.folder, "master.log"),
		environment, command[0], command[1:]...)
	m.awaitReady()
}

// awaitReady blocks until the master accepts workers and requests. A master
// that ended instead fails the test at once.
func (m *Master) awaitReady() {
	m.t.Helper()
	ended := false
	ready := poll(startTimeout, func() bool {
		if ended = m.current.hasEnded(); ended {
			return true
		}
		if !accepts(m.address(m.config.Port)) {
			return false
		}
		if !m.config.Web {
			return true
		}
		// Not /stats/requests: its answer is kept for seconds, and the first
		// look of a test must be a fresh one.
		_, _, err := m.tryGet("/exceptions")
		return err == nil
	})
	switch {
	case ended:
		m.t.Fatalf("the Locust master ended at its start: %v", m.current.command.ProcessState)
	case !ready:
		m.t.Fatalf("the Locust master does not accept connections after %v", startTimeout)
	}
}

func accepts(address string) bool {
	connection, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	_ = connection.Close()
	return true
}

func (m *Master) address(port int) string {
	return net.JoinHostPort(m.config.Host, strconv.Itoa(port))
}

// Port returns the port where workers connect.
func (m *Master) Port() int { return m.config.Port }

// WebURL returns the address of the web pages, without a slash at its end.
func (m *Master) WebURL() string { return "http://" + m.address(m.config.WebPort) }

// Log returns everything that the master has printed so far, restarts included.
func (m *Master) Log() string { return m.current.log() }

// Kill ends the master with SIGKILL: its connections are reset and nothing is
// written.
func (m *Master) Kill() {
	m.t.Helper()
	m.current.kill()
}

// Terminate ends the master with SIGTERM, which makes it send quit to the
// workers and write its figures, and returns its exit code: 0, or 1 when the
// test had failures or exceptions.
func (m *Master) Terminate() int {
	m.t.Helper()
	return m.current.terminate(leaveTimeout)
}

// Restart starts the master anew on the same ports, after killing the one that
// still runs. The new one knows nothing of the old one's workers.
func (m *Master) Restart() {
	m.t.Helper()
	m.current.kill()
	m.launch()
}

// RestartAs is Restart with another Config.Host and Config.Wrap.
func (m *Master) RestartAs(host string, wrap []string) {
	m.t.Helper()
	m.current.kill()
	m.config.Host, m.config.Wrap = host, wrap
	m.launch()
}

// Freeze stops the master in its tracks (SIGSTOP): its connections stay open,
// and nobody reads them.
func (m *Master) Freeze() {
	m.t.Helper()
	m.current.signal(syscall.SIGSTOP)
}

// Thaw lets a frozen master go on.
func (m *Master) Thaw() {
	m.t.Helper()
	m.current.signal(syscall.SIGCONT)
}

// Wait blocks until a master has ended by itself, as headless ones do after
// their run time, and returns its exit code (-1: ended by a signal).
func (m *Master) Wait(timeout time.Duration) int {
	m.t.Helper()
	return m.current.wait(timeout)
}

// Worker is a Python worker, the peer that shows what Locust itself does.
type Worker struct {
	current *process
}

// StartWorker starts `locust --worker` against the master. It takes Executable,
// Locustfile, Args and Env from the config, Executable and Locustfile from the
// master's where they are empty. It does not wait until the master knows it:
// use Master.WaitFor.
func StartWorker(t testing.TB, master *Master, config Config) *Worker {
	t.Helper()
	if config.Executable == "" {
		config.Executable = master.config.Executable
	}
	if config.Locustfile == "" {
		config.Locustfile = master.config.Locustfile
	}
	folder := t.TempDir()
	arguments := append([]string{
		"--worker", "--master-host", master.config.Host, "--master-port", strconv.Itoa(master.Port()),
		"-f", absolute(t, config.Locustfile),
	}, config.Args...)
	return &Worker{current: launch(t, "Python worker", folder, filepath.Join(folder, "worker.log"),
		childEnvironment(folder, config.Env), config.Executable, arguments...)}
}

// Log returns everything that the worker has printed so far.
func (w *Worker) Log() string { return w.current.log() }

// Kill ends the worker with SIGKILL.
func (w *Worker) Kill() { w.current.kill() }

// Terminate ends the worker with SIGTERM and returns its exit code.
func (w *Worker) Terminate() int { return w.current.terminate(leaveTimeout) }

// Wait blocks until the worker has ended by itself and returns its exit code.
func (w *Worker) Wait(timeout time.Duration) int { return w.current.wait(timeout) }
