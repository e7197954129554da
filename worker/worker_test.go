package worker_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"upsurge/worker"
	"upsurge/worker/logbook"
	"upsurge/worker/user"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what a test waits for; only a test that fails uses it up.
const patience = 30 * time.Second

// idle is a class that no test runs.
func idle() []user.Class {
	return []user.Class{{Name: "IdleUser", New: func() user.Definition { return nil }}}
}

func TestConfigFaults(t *testing.T) {
	cases := []struct {
		name   string
		config worker.Config
		faults []string
	}{
		{name: "no classes", config: worker.Config{}, faults: []string{"no user classes"}},
		{name: "port", config: worker.Config{Classes: idle(), MasterPort: 65536}, faults: []string{"master port 65536"}},
		{name: "port below zero", config: worker.Config{Classes: idle(), MasterPort: -1}, faults: []string{"master port -1"}},
		{name: "loops", config: worker.Config{Classes: idle(), Loops: -1}, faults: []string{"loops -1"}},
		{name: "host with a port", config: worker.Config{Classes: idle(), MasterHost: "10.0.0.1:5557"}, faults: []string{`master host "10.0.0.1:5557"`, "without scheme"}},
		{name: "URL", config: worker.Config{Classes: idle(), MasterHost: "tcp://10.0.0.1"}, faults: []string{`"tcp://10.0.0.1"`}},
		{name: "brackets", config: worker.Config{Classes: idle(), MasterHost: "[::1]"}, faults: []string{`"[::1]"`}},
		{name: "two words", config: worker.Config{Classes: idle(), MasterHost: "the master"}, faults: []string{`"the master"`}},
		{name: "long identity", config: worker.Config{Classes: idle(), Identity: strings.Repeat("x", 256)}, faults: []string{"identity has 256 bytes"}},
		{name: "every fault", config: worker.Config{MasterHost: "a b", MasterPort: -1, Loops: -1}, faults: []string{"no user classes", `"a b"`, "master port -1", "loops -1"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w, err := worker.New(c.config)
			if err == nil || w != nil {
				t.Fatalf("got %v, %v, want no worker and an error", w, err)
			}
			for _, fault := range c.faults {
				if !strings.Contains(err.Error(), fault) {
					t.Errorf("error %q lacks %q", err, fault)
				}
			}
		})
	}
}

// nobody is an address of loopback where nobody listens.
func nobody(t *testing.T) (host string, port int) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	address := listener.Addr().(*net.TCPAddr)
	return address.IP.String(), address.Port
}

// A worker whose master is not there yet waits for it, and ends when asked.
func TestRunWithoutAMaster(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // connects, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	host, port := nobody(t)
	cases := []struct {
		name string
		host string
		port int
	}{
		{name: "nobody listens", host: host, port: port},
		{name: "nobody answers", host: "127.0.0.1", port: silent.Addr().(*net.TCPAddr).Port},
		{name: "IPv6", host: "::1", port: port},
	}
	for _, c := range cases {
		for _, when := range []struct {
			name  string
			after time.Duration
		}{{name: "at once"}, {name: "soon", after: 300 * time.Millisecond}} {
			t.Run(c.name+", asked to leave "+when.name, func(t *testing.T) {
				before, others := descriptors(t), goleak.IgnoreCurrent()
				book := logbook.New()
				w, err := worker.New(worker.Config{
					MasterHost: c.host, MasterPort: c.port, Classes: idle(), Loops: 2,
					Logger: slog.New(slog.NewTextHandler(book, nil)), Logbook: book,
				})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), when.after)
				defer cancel()
				ended := make(chan error, 1)
				go func() { ended <- w.Run(ctx) }()
				select {
				case err := <-ended:
					if err != nil {
						t.Errorf("Run: %v", err)
					}
				case <-time.After(patience):
					t.Fatal("Run did not end")
				}
				goleak.VerifyNone(t, others)
				if after := descriptors(t); after > before {
					t.Errorf("%d descriptors, %d before the worker", after, before)
				}
			})
		}
	}
}

// descriptors counts those of this process; 0 where they cannot be seen.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}
